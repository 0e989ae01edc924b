"""Leaving a host: everything it runs is asked, then aborted, then given up, in bounded time."""

import threading

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from hostel.sessions import (
    BackgroundTaskHost,
    CancelPolicy,
    FailureKind,
    HostClosed,
    LocalBackgroundTaskHost,
    TaskFilter,
    TaskRecord,
    TaskSpec,
    TaskState,
    current_task,
)

from .conftest import HostFactory
from .steering import Body, SlowToStop, Stubborn, settle


async def test_leaving_stops_what_runs_and_says_who_did(open_host: HostFactory) -> None:
    body = Body()
    async with open_host() as host:
        handle = await host.spawn_managed("s1", TaskSpec(), body.run)
        await body.started.wait()

    assert body.stopped.is_set()
    assert (handle.record.state, handle.record.cancel_actor) == (TaskState.CANCELLED, "host stopped")


async def test_a_task_that_never_started_is_cancelled_too(open_forgetful_host: HostFactory) -> None:
    body = Body()
    async with open_forgetful_host() as host:
        handle = await host.spawn_managed("s1", TaskSpec(), body.run)

    assert (body.runs, handle.record.state) == (0, TaskState.CANCELLED)


@pytest.mark.virtual_time
async def test_a_cooperative_body_has_time_to_end_by_itself(open_host: HostFactory) -> None:
    async def body() -> str:
        await current_task().cancellation()
        await anyio.sleep(2)
        return "in good order"

    async with open_host(stop_grace=3) as host:
        handle = await host.spawn_managed("s1", TaskSpec(cancel_policy=CancelPolicy.COOPERATIVE), body)
        await settle()

    assert await handle.wait() == "in good order"


@pytest.mark.virtual_time
async def test_a_cooperative_body_that_does_not_end_in_time_is_aborted(open_host: HostFactory) -> None:
    body = Body()
    async with open_host(stop_grace=3) as host:
        handle = await host.spawn_managed("s1", TaskSpec(cancel_policy=CancelPolicy.COOPERATIVE), body.run)
        await body.started.wait()
        start = anyio.current_time()

    assert anyio.current_time() - start == pytest.approx(3)
    assert handle.record.state is TaskState.CANCELLED


@pytest.mark.virtual_time
async def test_leaving_is_bounded_though_a_body_swallows_its_cancellation(
    open_host: HostFactory, caplog: pytest.LogCaptureFixture
) -> None:
    body = Stubborn()
    async with open_host(stop_grace=3) as host:
        events = host.subscribe()
        handle = await host.spawn_managed("s1", TaskSpec(id="t1"), body.run)
        await body.started.wait()
        start = anyio.current_time()

    assert anyio.current_time() - start == pytest.approx(6)
    assert handle.record.state is TaskState.CANCEL_REQUESTED
    assert caplog.messages == ["1 bodies ignore their cancellation, among them ['t1']"]
    with anyio.fail_after(60), pytest.raises(HostClosed):
        await handle.wait()
    body.go.set()
    await settle()
    assert handle.record.state is TaskState.CANCEL_REQUESTED
    assert [event.type async for event in events] == ["registered", "cancel_requested"]


@pytest.mark.virtual_time
async def test_whoever_waits_for_a_task_that_does_not_end_is_let_go(open_host: HostFactory) -> None:
    body = Stubborn()
    let_go: list[str] = []

    async def wait(host: BackgroundTaskHost, way: str) -> None:
        try:
            await (host.wait_all("s1") if way == "wait_all" else host.wait("t1"))
        except HostClosed:
            let_go.append(way)

    async with anyio.create_task_group() as waiters, open_host(stop_grace=1) as host:
        await host.spawn_managed("s1", TaskSpec(id="t1"), body.run)
        await body.started.wait()
        for way in ("wait", "wait_all"):
            waiters.start_soon(wait, host, way)
        await settle()

    assert sorted(let_go) == ["wait", "wait_all"]
    body.go.set()


@pytest.mark.virtual_time
async def test_whoever_cancels_such_a_task_gets_its_honest_record(open_host: HostFactory) -> None:
    body = Stubborn()
    records: list[TaskRecord | None] = []

    async def cancel(host: BackgroundTaskHost) -> None:
        records.append(await host.cancel_managed("s1", "t1", grace=1000))

    async with anyio.create_task_group() as callers, open_host(stop_grace=1) as host:
        await host.spawn_managed("s1", TaskSpec(id="t1"), body.run)
        await body.started.wait()
        callers.start_soon(cancel, host)
        await settle()

    assert [record and record.state for record in records] == [TaskState.CANCEL_REQUESTED]
    body.go.set()


async def test_a_thread_that_does_not_stop_holds_up_nobody(
    open_host: HostFactory, caplog: pytest.LogCaptureFixture
) -> None:
    running, go, over = anyio.Event(), threading.Event(), threading.Event()

    def body() -> None:
        anyio.from_thread.run_sync(running.set)
        go.wait(60)
        over.set()

    with anyio.fail_after(60):
        async with open_host(stop_grace=0.01) as host:
            handle = await host.spawn_managed("s1", TaskSpec(id="t1"), body)
            await running.wait()
            record = await host.cancel_managed("s1", "t1", grace=0.01)

        assert record is not None
        assert record.state is handle.record.state is TaskState.CANCEL_REQUESTED
        assert caplog.messages == ["1 bodies ignore their cancellation, among them ['t1']"]
        go.set()
        await anyio.to_thread.run_sync(over.wait, 60)


async def test_the_body_of_a_task_that_was_ended_by_somebody_else_is_stopped_too(
    open_host: HostFactory,
) -> None:
    body = SlowToStop()
    async with open_host() as host:
        handle = await host.spawn_managed("s1", TaskSpec(id="t1"), body.run)
        await body.started.wait()
        await host.complete("t1", summary="enough")
        await host.prune()
        await body.stopped.wait()
        body.go.set()

    assert handle.record.state is TaskState.COMPLETED


async def test_tasks_that_others_run_are_abandoned(open_host: HostFactory) -> None:
    called: list[int] = []
    async with open_host() as host:
        events = host.subscribe(TaskFilter(state=TaskState.ABANDONED))
        await host.register("s1", TaskSpec(id="registered"))
        await host.register_external("s1", TaskSpec(id="external"), lambda: called.append(1))

    records = [event.record async for event in events]

    assert [record.id for record in records if record] == ["registered", "external"]
    for record in records:
        assert record is not None
        assert record.failure is not None
        assert record.failure.kind is FailureKind.HOST_LOST
    assert called == []


async def test_children_that_others_run_are_not_asked_to_stop_with_their_parent(
    open_host: HostFactory,
) -> None:
    called: list[int] = []
    async with open_host() as host:
        events = host.subscribe(TaskFilter(kind="child"))
        await host.spawn_managed("s1", TaskSpec(id="parent"), anyio.sleep_forever)
        child = TaskSpec(kind="child", parent_task_id="parent")
        await host.register_external("s1", child, lambda: called.append(1))

    told = [event async for event in events]

    assert [event.type for event in told] == ["registered", "abandoned"]
    assert [event.record and event.record.cancel_actor for event in told] == [None, None]
    assert called == []


async def test_hidden_tasks_may_finish(open_host: HostFactory) -> None:
    body = Body()
    async with anyio.create_task_group() as others, open_host() as host:
        await host.spawn_hidden("s1", "flush", body.run)
        others.start_soon(_release_when_idle, body)

    assert not body.stopped.is_set()


@pytest.mark.virtual_time
async def test_hidden_tasks_that_do_not_finish_are_cancelled_and_their_failure_logged(
    open_host: HostFactory, caplog: pytest.LogCaptureFixture
) -> None:
    body = Body()
    async with open_host(stop_grace=2) as host:
        await host.spawn_hidden("s1", "flush", body.run)
        await body.started.wait()
        start = anyio.current_time()

    assert anyio.current_time() - start == pytest.approx(2)
    assert body.stopped.is_set()
    assert caplog.messages == ["nobody collected what failed"]


async def test_nothing_new_starts_while_the_host_stops(open_host: HostFactory) -> None:
    refused: list[str] = []

    async def body() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                for start in (
                    lambda: host.register("s1", TaskSpec()),
                    lambda: host.spawn_managed("s1", TaskSpec(), anyio.sleep_forever),
                    lambda: host.spawn_hidden("s1", "label", anyio.sleep_forever),
                ):
                    try:
                        await start()
                    except HostClosed as error:
                        refused.append(str(error))

    async with open_host() as host:
        await host.spawn_managed("s1", TaskSpec(), body)
        await settle()

    assert len(refused) == 3


async def test_a_body_that_stops_may_still_read_and_end_tasks(open_host: HostFactory) -> None:
    async def body() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await host.mark_terminal("s1", "external", TaskState.COMPLETED, summary="by its parent")

    async with open_host() as host:
        events = host.subscribe(TaskFilter(state=TaskState.COMPLETED))
        await host.register_external("s1", TaskSpec(id="external"))
        await host.spawn_managed("s1", TaskSpec(), body)
        await settle()

    assert [event.task_id async for event in events] == ["external"]


async def test_no_verb_works_outside_the_context(open_host: HostFactory) -> None:
    host = open_host()
    for when in ("before", "after"):
        for verb in (
            lambda: host.register("s1", TaskSpec()),
            lambda: host.register_external("s1", TaskSpec()),
            lambda: host.spawn_managed("s1", TaskSpec(), anyio.sleep_forever),
            lambda: host.spawn_hidden("s1", "label", anyio.sleep_forever),
            lambda: host.await_hidden("s1"),
            lambda: host.update("t1"),
            lambda: host.complete("t1"),
            lambda: host.request_cancel("t1"),
            lambda: host.get("t1"),
            lambda: host.list(),
            lambda: host.transfer("t1", "s2"),
            lambda: host.heartbeat("s1", "t1"),
            lambda: host.unregister_external("s1", "t1"),
            lambda: host.mark_terminal("s1", "t1", TaskState.COMPLETED),
            lambda: host.mark_live_state("s1", "t1", TaskState.RUNNING),
            lambda: host.cancel_managed("s1", "t1"),
            lambda: host.cancel_all_managed("s1"),
            lambda: host.list_managed("s1"),
            lambda: host.get_managed("s1", "t1"),
            lambda: host.transfer_managed("s1", "s2", ["t1"]),
            lambda: host.wait("t1"),
            lambda: host.wait_all("s1"),
            lambda: host.close_session("s1"),
            lambda: host.sessions(),
            lambda: host.prune(),
        ):
            with pytest.raises(HostClosed, match="inside its `async with` block"):
                await verb()
        for other in (host.subscribe, host.portal):
            with pytest.raises(HostClosed):
                other()
        if when == "before":
            async with host:
                pass


async def test_a_host_is_opened_once_at_a_time_and_may_be_opened_again(open_host: HostFactory) -> None:
    host = open_host()
    async with host as open_one:
        with pytest.raises(RuntimeError, match="open already"):
            await host.__aenter__()
        await open_one.register("s1", TaskSpec())
    async with host as open_one:
        assert await open_one.list() == []


async def test_leaving_works_while_the_caller_is_being_cancelled(open_host: HostFactory) -> None:
    body = SlowToStop()
    left = anyio.Event()
    with anyio.fail_after(60):
        async with anyio.create_task_group() as callers:

            async def use() -> None:
                try:
                    async with open_host() as host:
                        await host.spawn_managed("s1", TaskSpec(), body.run)
                        await anyio.sleep_forever()
                finally:
                    left.set()

            callers.start_soon(use)
            await body.started.wait()
            callers.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await body.stopped.wait()
                await settle()
                assert not left.is_set()
                body.go.set()
                await left.wait()


async def test_an_error_in_the_block_passes_through_and_everything_is_stopped(
    open_host: HostFactory,
) -> None:
    body = Body()

    async def use() -> None:
        async with open_host() as host:
            await host.spawn_managed("s1", TaskSpec(), body.run)
            await body.started.wait()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await use()
    assert body.stopped.is_set()


@pytest.mark.parametrize("wrong", ["retain_events", "retain_terminal", "stop_grace"])
def test_negative_limits_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="negative"):
        LocalBackgroundTaskHost(**{wrong: -1})  # type: ignore[arg-type]


async def _release_when_idle(body: Body) -> None:
    await body.started.wait()
    await settle()
    body.go.set()
