"""Limits: a task over one waits its turn, visibly; it can be handled like any other meanwhile."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest

from hostel.sessions import (
    EventType,
    Limits,
    Priority,
    TaskSpec,
    TaskState,
    current_task,
)

from .steering import Body, settle, take_until

if TYPE_CHECKING:
    from hostel.sessions import BackgroundTaskHost

    from .conftest import HostFactory


async def state(host: BackgroundTaskHost, task_id: str) -> TaskState:
    record = await host.get(task_id)
    assert record is not None
    return record.state


async def ended(host: BackgroundTaskHost, task_id: str) -> TaskState:
    with anyio.fail_after(60):
        return (await host.wait(task_id)).state


async def test_a_task_over_a_limit_waits_and_says_what_for(open_host: HostFactory) -> None:
    async with open_host(limits=Limits(per_session=1)) as host:
        first, second = Body(), Body("done")
        await host.spawn_managed("s1", TaskSpec(id="a"), first.run)
        handle = await host.spawn_managed("s1", TaskSpec(id="b"), second.run)
        await host.spawn_managed("s1", TaskSpec(id="c"), anyio.sleep, 0)
        await host.spawn_managed("s2", TaskSpec(id="free"), anyio.sleep, 0)

        assert handle.record.state is TaskState.PENDING
        assert handle.record.started_at is None
        place = await host.place("c")
        assert place is not None
        assert (place.number, place.reason) == (2, "limit of 1 for session 's1'")
        assert await host.place("a") is None
        assert await ended(host, "free") is TaskState.COMPLETED
        assert second.runs == 0

        first.go.set()
        second.go.set()
        assert await handle.wait() == "done"
        assert await ended(host, "c") is TaskState.COMPLETED
        assert await host.place("c") is None


async def test_limits_hold_in_all_and_for_a_kind(open_host: HostFactory) -> None:
    running, most = 0, 0

    async def work() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        running -= 1

    async with open_host(limits=Limits(total=3, per_kind={"rare": 1})) as host:
        for number in range(20):
            kind = "rare" if number % 2 else "other"
            await host.spawn_managed(f"s{number % 4}", TaskSpec(id=str(number), kind=kind), work)
        for number in range(20):
            assert await ended(host, str(number)) is TaskState.COMPLETED

    assert most <= 3


async def test_the_better_class_goes_first(open_host: HostFactory) -> None:
    async with open_host(limits=Limits(total=1)) as host:
        body, order = Body(), list[str]()

        async def note(name: str) -> None:
            order.append(name)

        await host.spawn_managed("s", TaskSpec(id="first"), body.run)
        for priority in reversed(Priority):
            await host.spawn_managed("s", TaskSpec(id=priority, priority=priority), note, priority)
        body.go.set()
        for priority in Priority:
            await ended(host, priority)

    assert order == list(Priority)


async def test_a_task_that_waits_can_be_cancelled_and_never_runs(open_host: HostFactory) -> None:
    async with open_host(limits=Limits(total=1)) as host:
        first, second = Body(), Body()
        await host.spawn_managed("s1", TaskSpec(id="a"), first.run)
        await host.spawn_managed("s1", TaskSpec(id="b"), second.run)
        await host.spawn_managed("s1", TaskSpec(id="c"), anyio.sleep, 0)

        assert (await host.request_cancel("b", "no more")).state is TaskState.CANCELLED
        place = await host.place("c")
        assert place is not None
        assert place.number == 1
        first.go.set()

        assert await ended(host, "c") is TaskState.COMPLETED
        assert second.runs == 0


async def test_a_task_that_waits_moves_to_a_session_with_room_and_runs(open_host: HostFactory) -> None:
    async with open_host(limits=Limits(per_session=1)) as host:
        first = Body()
        await host.spawn_managed("s1", TaskSpec(id="a"), first.run)
        handle = await host.spawn_managed("s1", TaskSpec(id="b"), anyio.sleep, 0)
        await host.transfer("b", "s2")

        assert await ended(host, "b") is TaskState.COMPLETED
        assert handle.session_id == "s2"


async def test_closing_a_session_cancels_what_waits_in_it(open_host: HostFactory) -> None:
    from hostel.sessions import ClosePolicy

    async with open_host(limits=Limits(total=1)) as host:
        await host.spawn_managed("other", TaskSpec(id="a"), anyio.sleep_forever)
        await host.spawn_managed("s1", TaskSpec(id="b", close_policy=ClosePolicy.CANCEL), anyio.sleep, 0)
        await host.close_session("s1")

        assert await state(host, "b") is TaskState.CANCELLED


async def test_nobody_but_the_host_lets_a_waiting_task_run(open_host: HostFactory) -> None:
    from hostel.sessions import IllegalTransition

    async with open_host(limits=Limits(total=1)) as host:
        await host.spawn_managed("s1", TaskSpec(id="a"), anyio.sleep_forever)
        await host.spawn_managed("s1", TaskSpec(id="b"), anyio.sleep, 0)

        with pytest.raises(IllegalTransition):
            await host.update("b", state=TaskState.RUNNING)
        await host.mark_live_state("s1", "b", TaskState.RUNNING)
        assert await state(host, "b") is TaskState.PENDING
        await host.complete("b", summary="not needed")
        assert await state(host, "b") is TaskState.COMPLETED


async def test_a_child_never_waits_for_its_parents_place(open_host: HostFactory) -> None:
    async with open_host(limits=Limits(total=1)) as host:

        async def leaf() -> str:
            return "leaf"

        async def parent(depth: int) -> str:
            body = partial(parent, depth - 1) if depth else leaf
            children = [await host.spawn_managed("s1", TaskSpec(), body) for _ in range(2)]
            return " ".join([await child.wait() for child in children])

        handle = await host.spawn_managed("s1", TaskSpec(), parent, 2)

        with anyio.fail_after(60):
            assert await handle.wait() == "leaf leaf leaf leaf leaf leaf leaf leaf"


@pytest.mark.virtual_time
async def test_a_timeout_begins_with_the_run(open_host: HostFactory) -> None:
    async with open_host(limits=Limits(total=1)) as host:
        await host.spawn_managed("s1", TaskSpec(id="a"), anyio.sleep, 100)
        handle = await host.spawn_managed("s1", TaskSpec(id="b", timeout=10), anyio.sleep, 5)
        await handle.wait()

        assert anyio.current_time() >= 105


async def test_a_retry_keeps_its_place(open_host: HostFactory) -> None:
    from hostel.sessions import Backoff

    async with open_host(limits=Limits(total=1)) as host:
        runs = list[int]()

        async def flaky() -> None:
            runs.append(current_task().attempt)
            if len(runs) < 3:
                raise ValueError

        spec = TaskSpec(id="a", max_attempts=3, retry=Backoff(initial=0))
        await host.spawn_managed("s1", spec, flaky)
        await host.spawn_managed("s1", TaskSpec(id="b"), anyio.sleep, 0)

        assert await ended(host, "b") is TaskState.COMPLETED
        assert runs == [1, 2, 3]


async def test_a_task_waits_until_its_moment_has_come(host: BackgroundTaskHost) -> None:
    events = host.subscribe()
    moment = time.time() + 0.05
    await host.spawn_managed("s1", TaskSpec(id="later", not_before=moment), anyio.sleep, 0)
    await host.spawn_managed("s1", TaskSpec(id="never", not_before=moment + 3600), anyio.sleep, 0)
    await host.spawn_managed("s1", TaskSpec(id="now", not_before=moment - 3600), anyio.sleep, 0)

    place = await host.place("never")
    assert place is not None
    assert place.reason.startswith("not before ")
    told = await take_until(events, lambda event: event.type is EventType.COMPLETED)
    assert told[-1].task_id == "now"
    record = await host.wait("later")
    assert record.started_at is not None
    assert record.started_at >= moment
    assert await state(host, "never") is TaskState.PENDING


async def test_a_host_that_stops_starts_nothing_more(open_host: HostFactory) -> None:
    second = Body()
    async with open_host(limits=Limits(total=1)) as host:
        await host.spawn_managed("s1", TaskSpec(id="a"), anyio.sleep_forever)
        waiting = await host.spawn_managed("s1", TaskSpec(id="b"), second.run)
        await settle()

    assert waiting.record.state is TaskState.CANCELLED
    assert second.runs == 0


@pytest.mark.parametrize("limits", [{"total": 0}, {"per_session": -1}, {"per_kind": {"x": 0}}])
def test_a_limit_is_at_least_one(limits: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="a whole number of at least 1"):
        Limits(**limits)  # type: ignore[arg-type]
