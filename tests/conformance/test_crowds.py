"""Many at once: subscribers, tasks, waiters; and the slow ones among them."""

import anyio
import pytest

from hostel.sessions import (
    AmbiguousTaskId,
    BackgroundTaskHost,
    EventType,
    Progress,
    TaskFilter,
    TaskSpec,
    TaskState,
)

from .conftest import HostFactory
from .steering import Body, settle, take


async def test_a_thousand_subscribers_are_all_told_everything_in_order(host: BackgroundTaskHost) -> None:
    told: list[list[int]] = []

    async def follow(filter: TaskFilter) -> None:
        seen: list[int] = []
        async for event in host.subscribe(filter):
            seen.append(event.seq)
            if event.type is EventType.COMPLETED:
                break
        told.append(seen)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as followers:
            for number in range(1000):
                filters = [TaskFilter(), TaskFilter(session_id="s1"), TaskFilter(kind="other")]
                followers.start_soon(follow, filters[number % 3])
            await settle()
            await host.register_external("s1", TaskSpec(id="t1"))
            for number in range(20):
                await host.update("t1", progress=Progress(done=number))
                if number % 7 == 0:
                    await settle()
            await host.complete("t1")

    assert len(told) == 1000
    assert set(map(tuple, told)) == {tuple(range(told[0][0], told[0][0] + 22))}


async def test_subscribers_of_a_thousand_sessions_hear_of_their_own_only(host: BackgroundTaskHost) -> None:
    told: dict[int, list[str]] = {}

    async def follow(number: int) -> None:
        events = host.subscribe(TaskFilter(session_id=f"s{number}"))
        told[number] = [event.session_id for event in await take(events, 2)]

    async def live(session_id: str) -> None:
        record = await host.register(session_id, TaskSpec())
        await host.complete(record.id)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as followers:
            for number in range(1000):
                followers.start_soon(follow, number)
            await settle()
            for number in range(1000):
                followers.start_soon(live, f"s{number}")

    assert told == {number: [f"s{number}"] * 2 for number in range(1000)}


async def test_a_subscriber_that_never_reads_holds_up_nobody_and_is_told_what_it_missed(
    open_forgetful_host: HostFactory,
) -> None:
    async with open_forgetful_host(retain_events=100) as host:
        asleep, awake = host.subscribe(), host.subscribe()
        with anyio.fail_after(60):
            for number in range(2000):
                await host.register("s1", TaskSpec(id=f"t{number}"))
                assert [event.task_id for event in await take(awake, 1)] == [f"t{number}"]

        missed, event = await take(asleep, 2)
        assert (missed.type, missed.count) == (EventType.MISSED, 1900)
        assert event.task_id == "t1900"


async def test_a_subscriber_stuck_in_its_own_work_holds_up_no_task(host: BackgroundTaskHost) -> None:
    stuck = anyio.Event()

    async def follow() -> None:
        async for _ in host.subscribe():
            stuck.set()
            await anyio.sleep_forever()

    async with anyio.create_task_group() as followers:
        followers.start_soon(follow)
        await settle()
        body = Body(value=1)
        body.go.set()
        handle = await host.spawn_managed("s1", TaskSpec(), body.run)
        await stuck.wait()
        with anyio.fail_after(60):
            assert await handle.wait() == 1
        followers.cancel_scope.cancel()


async def test_a_thousand_tasks_of_one_session_end_each_in_its_own_way(host: BackgroundTaskHost) -> None:
    async def body(number: int) -> int:
        await anyio.lowlevel.checkpoint()
        if number % 3 == 0:
            raise ValueError(number)
        if number % 3 == 1:
            await anyio.sleep_forever()
        return number

    with anyio.fail_after(60):
        handles = [await host.spawn_managed("s1", TaskSpec(), body, number) for number in range(999)]
        await settle()
        await host.cancel_all_managed("s1")

    ends = [handle.record.state for handle in handles]
    assert ends == [TaskState.FAILED, TaskState.CANCELLED, TaskState.COMPLETED] * 333


async def test_sessions_that_all_use_the_same_id_are_no_burden(host: BackgroundTaskHost) -> None:
    async def live(session_id: str) -> None:
        await host.register(session_id, TaskSpec(id="monitor:build"))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as sessions:
            for number in range(3000):
                sessions.start_soon(live, f"s{number}")
        with pytest.raises(AmbiguousTaskId) as ambiguous:
            await host.get("monitor:build")
        assert len(ambiguous.value.session_ids) == 3000
        assert len(str(ambiguous.value)) < 200
        for number in range(3000):
            await host.update("monitor:build", session_id=f"s{number}")


async def test_a_task_that_is_moved_to_and_fro_stays_small(open_forgetful_host: HostFactory) -> None:
    async with open_forgetful_host(retain_events=10) as host:
        await host.register("s0", TaskSpec(id="t1"))
        for number in range(1, 60):
            await host.transfer("t1", f"s{number % 3}")
        few = _reachable(host)
        for number in range(60, 3000):
            await host.transfer("t1", f"s{number % 3}")

        assert _reachable(host) < few + 60


async def test_a_thousand_waiters_are_all_woken(host: BackgroundTaskHost) -> None:
    body = Body(value=1)
    handle = await host.spawn_managed("s1", TaskSpec(), body.run)
    got: list[int] = []

    async def wait() -> None:
        got.append(await handle.wait())

    with anyio.fail_after(60):
        async with anyio.create_task_group() as waiters:
            for _ in range(1000):
                waiters.start_soon(wait)
            await settle()
            body.go.set()

    assert got == [1] * 1000


async def test_memory_does_not_grow_with_what_has_ended(open_forgetful_host: HostFactory) -> None:
    async with open_forgetful_host(retain_events=50, retain_terminal=10) as host:
        for number in range(3000):
            session = f"s{number % 3}"
            record = await host.register(session, TaskSpec(idempotency_key=f"k{number}"))
            child = await host.register(session, TaskSpec(parent_task_id=record.id))
            await host.update(child.id, progress=Progress(done=1))
            await host.transfer(child.id, f"{session} moved")
            await host.complete(record.id)
            await host.complete(child.id)

        listed = await host.list(TaskFilter(include_terminal=True))
        assert len(listed) == 60
        assert _reachable(host) < 3_000


def _reachable(root: object) -> int:
    """Return how many objects of ours can be reached from `root`."""
    import gc

    seen: set[int] = set()
    stack = [root]
    count = 0
    while stack:
        thing = stack.pop()
        if id(thing) in seen or isinstance(thing, type) or not _is_ours(thing):
            continue
        seen.add(id(thing))
        count += 1
        stack.extend(gc.get_referents(thing))
    return count


def _is_ours(thing: object) -> bool:
    plain = (dict, list, tuple, set, str, int, float)
    return isinstance(thing, plain) or type(thing).__module__.startswith("hostel.")
