"""What the README says always holds: a test for each line, which is its docstring."""

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hostel.runtime import Runtime, hookimpl
from hostel.sessions import (
    EventType,
    LocalBackgroundTaskHost,
    TaskEvent,
    TaskFilter,
    TaskSpec,
    TaskState,
)

README = Path(__file__).parent.parent.parent / "README.md"
EVERYTHING = TaskFilter(include_terminal=True)


def promises() -> list[str]:
    listed = README.read_text().split("What always holds, on both loops:")[1].strip().split("\n\n")[0]
    return [" ".join(line.split()).rstrip(";.") for line in listed.removeprefix("- ").split("\n- ")]


def functions() -> Iterator[Callable[..., object]]:
    for name, value in vars(sys.modules[__name__]).items():
        if name.startswith("test_") and value.__doc__:
            yield value


def test_each_promise_of_the_readme_has_its_test() -> None:
    assert [inspect.cleandoc(test.__doc__ or "").replace("\n", " ") for test in functions()] == promises()


async def test_one_end() -> None:
    """exactly one terminal event per task, and none after it"""
    async with LocalBackgroundTaskHost() as host:
        events = host.subscribe()
        go = anyio.Event()
        handles = [await host.spawn_managed("s", TaskSpec(), go.wait) for _ in range(30)]
        await checkpoint()
        async with anyio.create_task_group() as everybody:
            go.set()
            for handle in handles:
                everybody.start_soon(host.request_cancel, handle.id)
                everybody.start_soon(host.complete, handle.id, TaskState.FAILED)
                everybody.start_soon(host.cancel_managed, "s", handle.id)
                everybody.start_soon(host.transfer_managed, "s", "t", [handle.id])
        await host.wait_all("s")
        await host.wait_all("t")

    told = [event async for event in events]
    for handle in handles:
        ends = [
            event.record and event.record.state.is_terminal for event in told if event.task_id == handle.id
        ]
        assert ends.count(True) == 1
        assert ends[-1]


async def test_cancelled_is_true() -> None:
    """`cancelled` is said only after the code has really stopped, and the record says who asked and why"""
    running, stopping, go = anyio.Event(), anyio.Event(), anyio.Event()
    real: list[str] = []

    async def body() -> None:
        running.set()
        try:
            await anyio.sleep_forever()
        finally:
            stopping.set()
            with anyio.CancelScope(shield=True):
                await go.wait()
            real.append("stopped")

    async with LocalBackgroundTaskHost() as host:
        handle = await host.spawn_managed("s", TaskSpec(), body)
        await running.wait()
        await host.request_cancel(handle.id, "no longer needed", actor="the user")
        await stopping.wait()
        assert handle.record.state is TaskState.CANCEL_REQUESTED
        go.set()
        record = await host.wait(handle.id)

    assert real == ["stopped"]
    assert (record.state, record.cancel_actor) == (TaskState.CANCELLED, "the user")
    assert record.cancel_reason == "no longer needed"


async def test_handing_over() -> None:
    """a task that is handed over while it runs finishes in its new session"""
    go = anyio.Event()

    async def body() -> str:
        await go.wait()
        return "done"

    async with LocalBackgroundTaskHost() as host:
        handle = await host.spawn_managed("first", TaskSpec(id="t"), body)
        await host.transfer("t", "second")
        go.set()

        assert await handle.wait() == "done"
        assert [(record.session_id, record.state) for record in await host.list(EVERYTHING)] == [
            ("second", TaskState.COMPLETED)
        ]


@pytest.mark.parametrize("error", [ValueError(), SystemExit(1), KeyboardInterrupt(), GeneratorExit()])
async def test_failing_alone(error: BaseException) -> None:
    """what a task raises, `SystemExit` included, is that task's failure and nobody else's"""
    go = anyio.Event()

    async def failing() -> None:
        raise error

    async with LocalBackgroundTaskHost() as host:
        other = await host.spawn_managed("s", TaskSpec(), go.wait)
        failed = await host.spawn_managed("s", TaskSpec(), failing)
        assert (await host.wait(failed.id)).state is TaskState.FAILED
        go.set()
        assert (await host.wait(other.id)).state is TaskState.COMPLETED


class Broken:
    """A plugin of which every hook raises or never returns."""

    @hookimpl
    async def on_session_opened(self, session_id: str) -> None:
        raise ZeroDivisionError

    @hookimpl
    async def on_task_event(self, event: TaskEvent) -> None:
        if event.type is EventType.REGISTERED:
            raise ZeroDivisionError
        await anyio.sleep_forever()


@pytest.mark.virtual_time
async def test_disturbing_nobody() -> None:
    """a slow or broken subscriber, hook or plugin neither blocks nor fails a task"""
    async with Runtime([Broken()], load_installed=False) as runtime:
        unread = runtime.tasks.subscribe()
        async with runtime.session("s") as session:
            handles = [await session.spawn_managed(TaskSpec(), checkpoint) for _ in range(100)]
            before = anyio.current_time()
            states = {(await session.wait(handle.id)).state for handle in handles}

            assert states == {TaskState.COMPLETED}
            assert anyio.current_time() == before
        assert (await anext(unread)).type is EventType.REGISTERED


async def test_loss_is_told() -> None:
    """a subscriber that falls behind is told so: loss is never silent"""
    async with LocalBackgroundTaskHost(retain_events=10) as host:
        events = host.subscribe()
        for _ in range(100):
            await host.register("s", TaskSpec())

    told = [event async for event in events]
    lost = sum(event.count or 0 for event in told if event.type is EventType.MISSED)
    read = [event for event in told if event.type is not EventType.MISSED]
    assert lost > 0
    assert lost + len(read) == told[-1].seq


async def test_nothing_stays() -> None:
    """nothing is left running after the host's context ends, but threads whose code does not return"""
    running: set[str] = set()

    async def body(name: str) -> None:
        running.add(name)
        try:
            await anyio.sleep_forever()
        finally:
            running.discard(name)

    async with LocalBackgroundTaskHost(stop_grace=0.01) as host:
        await host.spawn_managed("s", TaskSpec(), body, "managed")
        await host.spawn_hidden("s", "flush", body, "hidden")
        while len(running) < 2:
            await checkpoint()

    assert running == set()
