"""The event log by itself: cursors, waiters, coalescing and loss."""

import anyio
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hostel.sessions import (
    EventType,
    FailureKind,
    Progress,
    TaskEvent,
    TaskFailure,
    TaskFilter,
    TaskState,
)
from hostel.sessions import _transitions as changes
from hostel.sessions._event_log.cursor import LogSubscription
from hostel.sessions._event_log.gaps import Forgotten, Page
from hostel.sessions._event_log.log import GARBAGE, EventLog
from hostel.sessions._retention import weight_of

from ..strategies import record_in

EVERYTHING = TaskFilter()


def tell(log: EventLog, event: TaskEvent) -> TaskEvent:
    log.append(event, weight_of(event.record, 0) if event.record is not None else 0)
    log.release(event)
    return event


def registered(log: EventLog, task_id: str = "t1", session_id: str = "s1") -> TaskEvent:
    seq = log.last_seq + 1
    record = record_in(TaskState.RUNNING, id=task_id, session_id=session_id, seq=seq)
    return tell(log, changes.registered(record))


def progressed(log: EventLog, of: TaskEvent, done: float = 0) -> TaskEvent:
    assert of.record is not None
    return tell(log, changes.progressed(of.record, (1.0, log.last_seq + 1), Progress(done=done)))


def drain(events: LogSubscription) -> list[TaskEvent]:
    """Read what is there without waiting."""
    told: list[TaskEvent] = []
    while True:
        event = events._next()
        if event is not None:
            told.append(event)
        elif events._is_behind():
            events._page = [events._missed()]
            events._generation = -1
        else:
            return told


async def test_an_event_is_read_when_it_is_released_and_not_before() -> None:
    log = EventLog(10)
    events = LogSubscription(log, EVERYTHING, None)
    event = changes.registered(record_in(TaskState.RUNNING, seq=1))

    log.append(event, 0)
    with anyio.move_on_after(0) as too_early:
        await anext(events)
    log.release(event)

    assert too_early.cancelled_caught
    assert await anext(events) == event


async def test_a_log_goes_on_with_the_numbers_of_the_one_before() -> None:
    log = EventLog(10, last_seq=41)
    events = LogSubscription(log, EVERYTHING, None)

    assert registered(log).seq == 42
    assert (await anext(events)).seq == 42


async def test_without_a_replay_what_came_before_the_log_was_missed() -> None:
    log = EventLog(10, last_seq=41)
    registered(log)
    events = LogSubscription(log, EVERYTHING, 40)

    gap, event = await anext(events), await anext(events)

    assert (gap.type, gap.count, gap.next_seq, event.seq) == (EventType.MISSED, 1, 42, 42)


class Kept:
    """A journal of what a log was given, read in small pages."""

    def __init__(self, page: int) -> None:
        self.events: list[TaskEvent] = []
        self.asked: list[tuple[int, int]] = []
        self._page = page

    async def read(self, after: int, through: int, limit: int, known: Forgotten) -> Page:
        self.asked.append((after, through))
        events = [event for event in self.events if after < event.seq <= through]
        return Page(events[: min(limit, self._page)], known)


async def test_what_is_no_longer_in_memory_is_replayed_page_by_page() -> None:
    kept = Kept(7)
    log = EventLog(5, replay=kept.read)
    kept.events += [registered(log, f"t{number}", f"s{number % 2}") for number in range(40)]
    everything, odd = (
        LogSubscription(log, EVERYTHING, 0),
        LogSubscription(log, TaskFilter(session_id="s1"), 10),
    )

    with anyio.fail_after(60):
        told = [await anext(everything) for _ in range(40)]
        some = [await anext(odd) for _ in range(15)]

    assert told == kept.events
    assert some == [event for event in kept.events if event.session_id == "s1" and event.seq > 10]
    assert kept.asked[:2] == [(0, 30), (7, 30)]


async def test_a_page_in_which_nothing_matches_hides_nothing_that_follows() -> None:
    kept = Kept(100)
    log = EventLog(1, replay=kept.read)
    for number, session in enumerate(["s2", "s2", "s1"]):
        kept.events.append(registered(log, f"t{number}", session))

    with anyio.fail_after(60):
        assert (await anext(LogSubscription(log, TaskFilter(session_id="s1"), 0))).task_id == "t2"


async def test_a_replay_with_nothing_left_goes_on_from_memory() -> None:
    log = EventLog(5, replay=Kept(100).read)
    for number in range(20):
        registered(log, f"t{number}")

    with anyio.fail_after(60):
        assert (await anext(LogSubscription(log, EVERYTHING, 0))).seq == 16


async def test_a_long_backlog_lets_others_run() -> None:
    log = EventLog(10_000)
    for number in range(1000):
        registered(log, f"t{number}")
    turns: list[int] = []

    async def other() -> None:
        while True:
            turns.append(1)
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        events = LogSubscription(log, EVERYTHING, 0)
        for _ in range(1000):
            await anext(events)
        tasks.cancel_scope.cancel()

    assert len(turns) >= 8


@pytest.mark.parametrize("retain", [0, 1, 2, 3, 10])
def test_a_log_never_holds_more_than_it_should(retain: int) -> None:
    log = EventLog(retain)
    tasks = [registered(log, f"t{number}") for number in range(3)]
    for number in range(200):
        progressed(log, tasks[number % 3], number)
        assert len(log._sessions["s1"].events) <= max(1, retain)
        assert len(log._sessions["s1"].progress) <= max(1, retain)
        assert len(log.events) <= max(1, retain) + GARBAGE


def test_the_books_of_progress_are_forgotten_with_the_events() -> None:
    log = EventLog(10)
    for number in range(1000):
        task = registered(log, f"t{number}")
        progress = progressed(log, task)
        assert progress.record is not None
        tell(log, changes.transferred(progress.record, (1.0, log.last_seq + 1), "s2"))

    assert max(len(session.progress) for session in log._sessions.values()) <= 10


def test_the_last_progress_of_a_task_is_not_overtaken_by_a_new_task_of_its_id() -> None:
    log = EventLog(1000)
    events = LogSubscription(log, EVERYTHING, None)
    old = progressed(log, registered(log), 1)
    new = progressed(log, registered(log), 2)
    log._sessions["s1"].coalesce()
    log._collect()

    told = drain(events)

    assert old in told
    assert new in told


async def test_nothing_is_left_of_those_who_waited() -> None:
    log = EventLog(10)
    async with anyio.create_task_group() as readers:
        for number in range(50):
            readers.start_soon(anext, LogSubscription(log, TaskFilter(session_id=f"s{number}"), None))
            readers.start_soon(anext, LogSubscription(log, TaskFilter(kind=f"k{number}"), None))
        with anyio.fail_after(60):
            while len(log.waiters) < 100:
                await anyio.lowlevel.checkpoint()
        readers.cancel_scope.cancel()
    assert not log.waiters


async def test_a_subscription_that_is_closed_while_it_is_read_waits_no_more() -> None:
    log = EventLog(10)
    events = LogSubscription(log, TaskFilter(session_id="s1"), None)

    async def read() -> None:
        assert [event async for event in events] == []

    with anyio.fail_after(60):
        async with anyio.create_task_group() as readers:
            readers.start_soon(read)
            while not log.waiters:
                await anyio.lowlevel.checkpoint()
            await events.aclose()

    assert not log.waiters


def test_closing_a_subscription_nobody_reads_leaves_no_trace() -> None:
    log = EventLog(10)

    async def close() -> None:
        await LogSubscription(log, TaskFilter(session_id="s1"), None).aclose()

    anyio.run(close)
    assert not log.waiters


steps = st.lists(
    st.one_of(
        st.tuples(st.just("progress"), st.integers(0, 2)),
        st.tuples(st.just("transition"), st.integers(0, 2)),
        st.tuples(st.just("read"), st.just(0)),
    ),
    max_size=80,
)


@example([("transition", 0), *[("progress", 0)] * 3, ("progress", 1)], 1)
@given(steps, st.integers(1, 12))
def test_whoever_reads_whenever_is_told_all_or_told_what_is_missing(
    steps: list[tuple[str, int]], retain: int
) -> None:
    """Between two events a reader gets either nothing is lost but overtaken progress, or `missed` says so."""
    log = EventLog(retain)
    tasks = [registered(log, f"t{number}") for number in range(3)]
    events = LogSubscription(log, EVERYTHING, None)
    all_told: list[TaskEvent] = []
    read: list[TaskEvent] = []
    for step, number in steps:
        if step == "progress":
            all_told.append(progressed(log, tasks[number], log.last_seq))
        elif step == "transition":
            tasks[number] = registered(log, f"t{number}")
            all_told.append(tasks[number])
        else:
            read += drain(events)
    read += drain(events)

    seqs = [event.seq for event in read]
    assert seqs == sorted(set(seqs))
    given_up = _ranges_missed(read)
    for event in all_told:
        if event in read or any(event.seq in lost for lost in given_up):
            continue
        assert event.type is EventType.PROGRESS
        later = [other for other in all_told if other.seq > event.seq and other.task_id == event.task_id]
        assert later
        assert later[0].type is EventType.PROGRESS


def _ranges_missed(read: list[TaskEvent]) -> list[range]:
    """Return the numbers between the last event read before each `missed` and the next one after it."""
    before = [0, *(event.seq for event in read)]
    return [
        range(last + 1, event.next_seq)
        for last, event in zip(before, read, strict=False)
        if event.type is EventType.MISSED and event.next_seq is not None
    ]


def ids_of(told: list[TaskEvent]) -> list[str]:
    return [event.task_id for event in told if event.type is not EventType.MISSED]


def missed_of(told: list[TaskEvent]) -> list[int | None]:
    return [event.count for event in told if event.type is EventType.MISSED]


def test_a_noisy_session_costs_a_quiet_one_nothing() -> None:
    log = EventLog(10)
    quiet = [registered(log, f"q{number}", "quiet") for number in range(5)]
    for number in range(5_000):
        registered(log, f"n{number}", "noisy")

    assert drain(LogSubscription(log, TaskFilter("quiet"), 0)) == quiet
    told = drain(LogSubscription(log, EVERYTHING, 0))
    assert ids_of(told) == [f"q{number}" for number in range(5)] + [
        f"n{number}" for number in range(4990, 5000)
    ]


def test_missed_counts_only_what_the_filter_could_have_matched() -> None:
    log = EventLog(10)
    filters = [
        TaskFilter("a"),
        TaskFilter("b"),
        TaskFilter("a", "monitor"),
        TaskFilter(kind="monitor"),
        EVERYTHING,
    ]
    for number in range(7):
        registered(log, f"before{number}", "a")
    readers = [LogSubscription(log, filter, None) for filter in filters]
    for number in range(30):
        registered(log, f"a{number}", "a")
        registered(log, f"b{number}", "b")

    told = [drain(reader) for reader in readers]

    assert [missed_of(events) for events in told] == [[20], [20], [], [], [40]]
    assert [len(ids_of(events)) for events in told] == [10, 10, 0, 0, 20]


def test_whoever_reads_on_is_told_again_only_of_new_losses() -> None:
    log = EventLog(10)
    quiet, everything = (
        LogSubscription(log, TaskFilter("quiet"), None),
        LogSubscription(log, EVERYTHING, None),
    )
    registered(log, "q", "quiet")
    told: list[TaskEvent] = []
    for number in range(40):
        registered(log, f"n{number}", "noisy")
        if number % 15 == 14:
            told += drain(everything)

    assert missed_of(told) == [5, 5]
    assert ids_of(drain(quiet)) == ["q"]


def test_a_transfer_is_kept_for_both_its_sessions() -> None:
    log = EventLog(3)
    task = registered(log, "t", "quiet")
    assert task.record is not None
    moved = tell(log, changes.transferred(task.record, (1.0, log.last_seq + 1), "noisy"))
    for number in range(2_000):
        registered(log, f"n{number}", "noisy")

    assert drain(LogSubscription(log, TaskFilter("quiet"), 0)) == [task, moved]
    assert missed_of(drain(LogSubscription(log, TaskFilter("noisy"), 0))) == [1998]


def heavy(log: EventLog, session_id: str, size: int) -> TaskEvent:
    """Tell of a task that failed with a traceback of that length."""
    seq = log.last_seq + 1
    failure = TaskFailure(FailureKind.ERROR, "failed", "x" * size)
    record = record_in(TaskState.FAILED, id=f"t{seq}", session_id=session_id, seq=seq, failure=failure)
    return tell(log, TaskEvent(seq, 1.0, EventType.FAILED, session_id, record.id, record))


def test_what_all_sessions_keep_is_bounded_in_bytes_and_the_largest_loses() -> None:
    log = EventLog(1_000_000, 1_000_000)
    small = [registered(log, f"s{number}", f"small{number}") for number in range(20)]
    for number in range(500):
        heavy(log, f"large{number % 2}", 20_000)

    kept = sum(session.weight(event) for session in log._sessions.values() for event in session.events)
    assert 500_000 < kept <= 1_000_000
    assert len(log.events) * 20_000 < 2_500_000
    for number, event in enumerate(small):
        assert drain(LogSubscription(log, TaskFilter(f"small{number}"), 0)) == [event]


def test_sessions_come_and_go_without_a_trace() -> None:
    log = EventLog(1_000, 100_000)
    for number in range(20_000):
        registered(log, "t", f"s{number}")

    assert len(log._sessions) < 2_000
    assert len(log.events) < 2_000
    gone = drain(LogSubscription(log, TaskFilter("s3"), 0))
    assert [event.type for event in gone] == [EventType.MISSED]


def test_an_event_larger_than_all_that_may_be_kept_is_told_all_the_same() -> None:
    log = EventLog(10, 1_000)
    events = LogSubscription(log, EVERYTHING, None)
    registered(log)
    event = heavy(log, "s", 5_000)

    assert drain(events)[-1] == event
