"""The stream of events: order, filters, replay, what was missed, and how it ends."""

import anyio
import pytest

from hostel.sessions import (
    BackgroundTaskHost,
    EventType,
    HostClosed,
    Progress,
    Subscription,
    TaskEvent,
    TaskFilter,
    TaskSpec,
    TaskState,
)
from hostel.sessions.journal import fold

from .conftest import HostFactory
from .steering import is_idle, settle, take, take_until

EVERY_TYPE = [
    EventType.REGISTERED,
    EventType.STATE_CHANGED,
    EventType.PROGRESS,
    EventType.TRANSFERRED,
    EventType.CANCEL_REQUESTED,
    EventType.CANCELLED,
]


async def live_a_life(host: BackgroundTaskHost, session_id: str, spec: TaskSpec) -> None:
    """Let a task meet one event of every type in `EVERY_TYPE`."""
    task_id = (await host.register(session_id, spec)).id
    await host.update(task_id, state=TaskState.RUNNING, session_id=session_id)
    await host.update(task_id, progress=Progress("half"), session_id=session_id)
    await host.transfer(task_id, f"{session_id} successor", session_id=session_id)
    session_id = f"{session_id} successor"
    await host.request_cancel(task_id, "why", session_id=session_id)
    await host.complete(task_id, TaskState.CANCELLED, session_id=session_id)


async def collect(events: Subscription) -> list[TaskEvent]:
    return [event async for event in events]


async def test_events_are_numbered_without_gaps_and_carry_the_record_they_leave(
    host: BackgroundTaskHost,
) -> None:
    events = host.subscribe()

    await live_a_life(host, "s1", TaskSpec(id="t1"))

    told = await take(events, 6)
    assert [event.type for event in told] == EVERY_TYPE
    assert [event.seq for event in told] == list(range(told[0].seq, told[0].seq + 6))
    for event in told:
        assert event.record is not None
        assert (event.session_id, event.task_id) == (event.record.session_id, event.record.id)
        assert (event.seq, event.at) == (event.record.seq, event.record.updated_at)
    assert await host.get("t1") == told[-1].record


async def test_the_records_are_the_fold_of_the_events(host: BackgroundTaskHost) -> None:
    events = host.subscribe()
    await live_a_life(host, "s1", TaskSpec(id="t1"))
    await live_a_life(host, "s2", TaskSpec(id="t1"))
    await host.register("s1", TaskSpec(id="t2"))

    records = fold(await take(events, 13))

    listed = await host.list(TaskFilter(include_terminal=True))
    assert records == {(record.session_id, record.id): record for record in listed}


async def test_a_subscription_is_in_force_when_it_is_called(host: BackgroundTaskHost) -> None:
    events = host.subscribe()
    await host.register("s1", TaskSpec(id="t1"))

    [event] = await take(events, 1)
    assert event.task_id == "t1"


async def test_a_list_after_a_subscription_leaves_no_hole(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(id="before"))
    events = host.subscribe()
    await host.register("s1", TaskSpec(id="between"))
    listed = {record.id for record in await host.list()}
    await host.register("s1", TaskSpec(id="after"))

    assert listed == {"before", "between"}
    assert [event.task_id for event in await take(events, 2)] == ["between", "after"]


async def test_what_happened_before_is_not_told(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec())

    assert await is_idle(host.subscribe())


@pytest.mark.parametrize("after", range(7))
async def test_events_are_replayed_from_after_a_number(host: BackgroundTaskHost, after: int) -> None:
    all_events = host.subscribe(after=0)
    await live_a_life(host, "s1", TaskSpec())
    told = await take(all_events, 6)

    replayed = host.subscribe(after=([0] + [event.seq for event in told])[after])

    assert await take(replayed, 6 - after) == told[after:]
    assert await is_idle(replayed)


async def test_a_replay_goes_on_with_what_happens_then(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(id="t1"))
    events = host.subscribe(after=0)
    await host.register("s1", TaskSpec(id="t2"))

    assert [event.task_id for event in await take(events, 2)] == ["t1", "t2"]


async def test_a_cursor_is_where_to_go_on_from(host: BackgroundTaskHost) -> None:
    first = host.subscribe()
    await live_a_life(host, "s1", TaskSpec())
    seen = await take(first, 2)
    assert first.cursor == seen[-1].seq

    second = host.subscribe(after=first.cursor)

    assert await take(second, 4) == await take(first, 4)


async def test_a_cursor_of_another_life_is_told_that_something_was_missed(host: BackgroundTaskHost) -> None:
    record = await host.register("s1", TaskSpec())
    events = host.subscribe(after=record.seq + 1000)
    await host.register("s1", TaskSpec(id="t2"))

    missed, event = await take(events, 2)

    assert (missed.type, missed.next_seq, missed.record) == (EventType.MISSED, event.seq, None)
    assert event.task_id == "t2"


@pytest.mark.parametrize(
    "filter",
    [
        TaskFilter(session_id="nowhere"),
        TaskFilter(kind="subagent"),
        TaskFilter(parent_task_id="another"),
        TaskFilter(session_id="s1", kind="subagent"),
        TaskFilter(state=TaskState.WAITING),
    ],
    ids=str,
)
async def test_a_filter_holds_for_every_type_of_event(host: BackgroundTaskHost, filter: TaskFilter) -> None:
    events = host.subscribe(filter)

    await live_a_life(host, "s1", TaskSpec(kind="monitor", parent_task_id="parent"))

    assert await is_idle(events)


@pytest.mark.parametrize(
    "filter",
    [TaskFilter(), TaskFilter(kind="monitor"), TaskFilter(parent_task_id="parent")],
    ids=str,
)
async def test_every_type_of_event_reaches_those_whose_filter_matches(
    host: BackgroundTaskHost, filter: TaskFilter
) -> None:
    events = host.subscribe(filter)
    await live_a_life(host, "s2", TaskSpec(kind="other"))
    await live_a_life(host, "s1", TaskSpec(kind="monitor", parent_task_id="parent"))

    told = await take_until(
        events, lambda event: event.type is EventType.CANCELLED and event.session_id == "s1 successor"
    )

    assert [event.type for event in told if event.session_id != "s2"][-6:] == EVERY_TYPE


async def test_ends_are_told_whether_or_not_lists_show_them(host: BackgroundTaskHost) -> None:
    quiet = host.subscribe(TaskFilter(include_terminal=False))
    loud = host.subscribe(TaskFilter(include_terminal=True))
    await host.register("s1", TaskSpec(id="t1"))
    await host.complete("t1")

    assert await take(quiet, 2) == await take(loud, 2)


async def test_a_subscriber_may_wait_for_one_state(host: BackgroundTaskHost) -> None:
    events = host.subscribe(TaskFilter(state=TaskState.FAILED))
    await live_a_life(host, "s1", TaskSpec())
    await host.register("s1", TaskSpec(id="t1"))
    await host.complete("t1", TaskState.FAILED)

    [event] = await take(events, 1)
    assert (event.type, event.task_id) == (EventType.FAILED, "t1")


async def test_a_waiting_subscriber_is_woken(host: BackgroundTaskHost) -> None:
    told: list[str] = []

    async def watch(filter: TaskFilter) -> None:
        told.append((await anext(host.subscribe(filter))).task_id)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as watchers:
            for filter in (TaskFilter(), TaskFilter(session_id="s1"), TaskFilter(kind="monitor")):
                watchers.start_soon(watch, filter)
            await settle()
            await host.register("s1", TaskSpec(id="t1", kind="monitor"))

    assert told == ["t1", "t1", "t1"]


async def test_a_subscriber_that_waits_is_not_woken_for_others(host: BackgroundTaskHost) -> None:
    told: list[str] = []

    async def watch() -> None:
        async for event in host.subscribe(TaskFilter(session_id="s1")):
            told.append(event.task_id)
            if event.task_id == "last":
                return

    with anyio.fail_after(60):
        async with anyio.create_task_group() as watchers:
            watchers.start_soon(watch)
            await settle()
            await live_a_life(host, "s2", TaskSpec(id="another"))
            await settle()
            await host.register("s1", TaskSpec(id="mine"))
            await host.register("s1", TaskSpec(id="last"))

    assert told == ["mine", "last"]


async def test_a_cancelled_reader_loses_nothing(host: BackgroundTaskHost) -> None:
    events = host.subscribe()
    async with anyio.create_task_group() as readers:
        readers.start_soon(anext, events)
        await settle()
        await host.register("s1", TaskSpec(id="t1"))
        readers.cancel_scope.cancel()
    await host.register("s1", TaskSpec(id="t2"))

    told = await take_until(events, lambda event: event.task_id == "t2")
    assert [event.task_id for event in told][-1] == "t2"
    assert len(told) in (1, 2)  # the cancelled reader may have had the first in hand


async def test_a_subscription_ends_when_it_is_closed(host: BackgroundTaskHost) -> None:
    async with host.subscribe() as events:
        await host.register("s1", TaskSpec())

    assert await collect(events) == []


async def test_closing_a_subscription_wakes_its_reader_and_no_other_loses_a_thing(
    host: BackgroundTaskHost,
) -> None:
    closed, other = host.subscribe(), host.subscribe()
    with anyio.fail_after(60):
        async with anyio.create_task_group() as readers:
            readers.start_soon(collect, closed)
            readers.start_soon(anext, other)
            await settle()
            await closed.aclose()
            await settle()
            await host.register("s1", TaskSpec(id="t1"))


async def test_a_subscription_ends_with_the_host_after_everything_was_told(
    open_host: HostFactory,
) -> None:
    told: list[list[TaskEvent]] = []
    host = open_host()

    async def read(events: Subscription) -> None:
        told.append(await collect(events))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as readers:
            async with host:
                late = host.subscribe()
                readers.start_soon(read, host.subscribe())
                await settle()
                await host.register("s1", TaskSpec(id="registered"))
                await host.spawn_managed("s1", TaskSpec(id="managed"), anyio.sleep_forever)
            await read(late)

    one, other = told
    assert one == other
    ends = [(event.task_id, event.type) for event in one if event.record and event.record.is_terminal]
    assert sorted(ends) == [("managed", EventType.CANCELLED), ("registered", EventType.ABANDONED)]
    with pytest.raises(HostClosed):
        host.subscribe()


async def test_falling_behind_is_told_once_and_then_it_goes_on(open_forgetful_host: HostFactory) -> None:
    async with open_forgetful_host(retain_events=10) as host:
        events = host.subscribe()
        for number in range(30):
            await host.register("s1", TaskSpec(id=f"t{number}"))

        missed, *rest = await take(events, 11)

        assert missed.type is EventType.MISSED
        assert missed.count == 20
        assert missed.next_seq == rest[0].seq == missed.seq + 1
        assert [event.task_id for event in rest] == [f"t{number}" for number in range(20, 30)]
        assert await is_idle(events)


async def test_a_subscriber_that_falls_behind_again_is_told_again(open_forgetful_host: HostFactory) -> None:
    async with open_forgetful_host(retain_events=3) as host:
        events = host.subscribe()
        for number in range(5):
            await host.register("s1", TaskSpec(id=f"a{number}"))
        assert [event.type for event in await take(events, 2)] == [EventType.MISSED, EventType.REGISTERED]
        for number in range(5):
            await host.register("s1", TaskSpec(id=f"b{number}"))

        missed, first, *_ = await take(events, 4)

        assert (missed.type, missed.count) == (EventType.MISSED, 4)
        assert first.task_id == "b2"


async def test_progress_gives_way_before_anything_else_is_lost(open_forgetful_host: HostFactory) -> None:
    async with open_forgetful_host(retain_events=12) as host:
        await host.register_external("s1", TaskSpec(id="t1"))
        events = host.subscribe()
        await host.update("t1", state=TaskState.WAITING)
        for number in range(100):
            await host.update("t1", progress=Progress(done=number))
        await host.update("t1", state=TaskState.RUNNING)
        await host.complete("t1")

        told = await take_until(events, lambda event: event.type is EventType.COMPLETED)

        types = [event.type for event in told]
        assert EventType.MISSED not in types
        assert [kind for kind in types if kind is not EventType.PROGRESS] == [
            EventType.STATE_CHANGED,
            EventType.STATE_CHANGED,
            EventType.COMPLETED,
        ]
        latest = [event.record for event in told if event.type is EventType.PROGRESS][-1]
        assert latest is not None
        assert latest.progress == Progress(done=99)
        seqs = [event.seq for event in told]
        assert seqs == sorted(set(seqs))


async def test_the_latest_progress_of_each_task_is_kept(open_forgetful_host: HostFactory) -> None:
    async with open_forgetful_host(retain_events=20) as host:
        for task_id in "abc":
            await host.register_external("s1", TaskSpec(id=task_id))
        events = host.subscribe()
        for number in range(50):
            for task_id in "abc":
                await host.update(task_id, progress=Progress(done=number))

        last = max(record.seq for record in await host.list())
        told = await take_until(events, lambda event: event.seq == last)

        latest = {event.task_id: event.record.progress for event in told if event.record}
        assert latest == dict.fromkeys("abc", Progress(done=49))


async def test_a_subscriber_that_keeps_up_is_told_of_all_progress(open_host: HostFactory) -> None:
    async with open_host(retain_events=5) as host:
        await host.register_external("s1", TaskSpec(id="t1"))
        events = host.subscribe()
        told = []
        for number in range(50):
            await host.update("t1", progress=Progress(done=number))
            told += await take(events, 1)

    assert [event.record and event.record.progress for event in told] == [
        Progress(done=number) for number in range(50)
    ]
