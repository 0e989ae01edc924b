"""A journal in a file: what is kept, in how many commits, what is taken back, and what comes back."""

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import anyio
import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostel.sessions import (
    Backoff,
    EventType,
    JsonValue,
    LocalBackgroundTaskHost,
    Progress,
    TaskEvent,
    TaskRecord,
    TaskSpec,
    TaskState,
)
from hostel.sessions._event_log.gaps import Forgotten
from hostel.sessions._journal.file import connect
from hostel.sessions._journal.protocol import Append, Forget, TaskQuery
from hostel.sessions._journal.queries import read_live
from hostel.sessions.journal import JournalConflict, JournalError, SqliteJournal, fold
from hostel.sessions.states import LIVE, MOVES

from .histories import EVERY_STATE, History, kept_events, kept_records


async def take(host: LocalBackgroundTaskHost, after: int, count: int) -> list[TaskEvent]:
    with anyio.fail_after(60):
        async with host.subscribe(after=after) as events:
            return [await anext(events) for _ in range(count)]


async def test_a_registration_is_in_the_file_when_its_call_returns(path: Path) -> None:
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        record = await host.register("s", TaskSpec(id="a"))

        assert kept_records(path) == [record]


async def test_an_end_is_in_the_file_when_its_call_returns(path: Path) -> None:
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        await host.register("s", TaskSpec(id="a"))
        record = await host.complete("a", value={"x": [1, None]})

        assert kept_records(path) == [record]


async def test_a_hundred_callers_share_a_few_commits(path: Path) -> None:
    journal = SqliteJournal(path)
    async with LocalBackgroundTaskHost(journal) as host:
        statements: list[str] = []
        assert journal._open is not None
        journal._open.writer.connection.set_trace_callback(statements.append)
        async with anyio.create_task_group() as callers:
            for number in range(100):
                callers.start_soon(host.register, "s", TaskSpec(id=f"t{number}"))
        journal._open.writer.connection.set_trace_callback(None)

    assert 1 <= statements.count("COMMIT") <= 3
    assert len(kept_records(path)) == 100


async def test_records_and_events_come_back_as_they_were(path: Path) -> None:
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        await host.register("s", TaskSpec(id="a", kind="k", label="é\0\ud800", idempotency_key="once"))
        await host.update("a", state=TaskState.RUNNING, progress=Progress("half", 1, 2, "files"))
        await host.complete("a", summary="done", value={"n": 1.5})
        before, events = await host.list(EVERY_STATE), await take(host, 0, 4)

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        assert await host.list(EVERY_STATE) == before
        assert await take(host, 0, 4) == events
        assert (await host.register("s", TaskSpec(idempotency_key="once"))).id == "a"


async def test_a_live_task_of_a_host_that_died_is_abandoned_at_the_next_start(
    path: Path, journal: SqliteJournal, history: History
) -> None:
    await journal.write([history.register("s", "a"), history.move("s", "a", TaskState.RUNNING)])
    await journal.aclose()

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        record = await host.get("a")

    assert record is not None
    assert record.failure is not None
    assert (record.state, record.failure.kind) == (TaskState.ABANDONED, "host_lost")
    assert record.failure.message == "host host is gone"
    assert [record.state for record in kept_records(path)] == [TaskState.ABANDONED]


async def died_with(path: Path, *starts: tuple[str, TaskSpec, JsonValue]) -> None:
    """Leave at `path` what a host leaves that is killed while these tasks run."""
    running = path.with_name("running")
    async with LocalBackgroundTaskHost(SqliteJournal(running)) as host:
        for session_id, spec, params in starts:
            named = attrs.evolve(spec, params=params, resumable=True)
            await host.spawn_managed(session_id, named, anyio.sleep_forever)
        for suffix in ("", "-wal"):
            left = await anyio.Path(f"{running}{suffix}").read_bytes()
            await anyio.Path(f"{path}{suffix}").write_bytes(left)


async def test_a_resumable_task_is_started_again_with_its_params_and_the_next_attempt(path: Path) -> None:
    await died_with(path, ("s", TaskSpec(id="a"), {"n": 1}), ("s", TaskSpec(id="b"), {"n": 2}))
    asked = []

    async def body() -> str:
        return "again"

    def resume(record: TaskRecord, params: JsonValue) -> Callable[[], Awaitable[str]] | None:
        asked.append((record.id, params))
        return body if params == {"n": 1} else None

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        await host.resume(resume)
        record = await host.wait("a")

        assert asked == [("a", {"n": 1}), ("b", {"n": 2})]
        assert record.result is not None
        assert (record.attempt.attempt, record.result.value) == (2, "again")
        waiting = await host.get("b")
        assert waiting is not None
        assert (waiting.state, waiting.attempt.attempt) == (TaskState.PENDING, 1)


async def test_a_task_that_is_started_again_keeps_its_timeout_and_its_backoff(path: Path) -> None:
    retry = Backoff(initial=0.01, jitter=0.0)
    await died_with(path, ("s", TaskSpec(id="a", timeout=0.02, max_attempts=3, retry=retry), []))

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        await host.resume(lambda record, params: anyio.sleep_forever)
        with anyio.fail_after(60):
            record = await host.wait("a")

    assert record.failure is not None
    assert (record.attempt.attempt, record.failure.kind) == (3, "timeout")


async def test_a_task_that_was_asked_to_stop_is_not_started_again(path: Path) -> None:
    journal, history = SqliteJournal(path), History()
    await journal.open()
    await journal.write([history.register("s", "a"), history.move("s", "a", TaskState.CANCEL_REQUESTED)])
    await journal.aclose()

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        await host.resume(lambda record, params: anyio.sleep_forever)
        assert (await host.wait("a")).state is TaskState.ABANDONED


async def test_a_task_whose_resumption_raises_is_abandoned_and_says_why(path: Path) -> None:
    await died_with(path, ("s", TaskSpec(id="a"), None))

    def resume(record: object, params: object) -> None:
        raise RuntimeError("its plugin is gone")

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        await host.resume(resume)
        record = await host.wait("a")

    assert record.state is TaskState.ABANDONED
    assert "its plugin is gone" in str(record.failure)


async def test_finished_tasks_come_back_in_the_order_they_ended(path: Path) -> None:
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        for task_id in "abc":
            await host.register("s", TaskSpec(id=task_id))
        for task_id in "cab":
            await host.complete(task_id)

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        await host.prune("s", keep=1)

        assert [record.id for record in await host.list(EVERY_STATE)] == ["b"]


async def test_a_session_comes_back_with_its_first_and_last_activity(path: Path) -> None:
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        for task_id in "ab":
            await host.register("s", TaskSpec(id=task_id))
        for task_id in "ba":
            await host.complete(task_id)
        [before] = await host.sessions()
        oldest = min(record.created_at for record in await host.list(EVERY_STATE))

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        assert await host.sessions() == [attrs.evolve(before, first_activity=oldest)]


async def test_numbers_go_on_after_a_restart_even_if_the_last_event_was_forgotten(path: Path) -> None:
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        await host.register("s", TaskSpec(id="a"))
        last = await host.complete("a")
        await host.prune()

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        assert (await host.register("s", TaskSpec())).seq == last.seq + 1


async def test_a_subscriber_goes_on_across_a_restart_from_where_it_was(path: Path) -> None:
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        for number in range(5):
            await host.register("s", TaskSpec(id=f"t{number}"))
            await host.complete(f"t{number}")

    async with LocalBackgroundTaskHost(SqliteJournal(path), retain_events=1) as host:
        await host.register("s", TaskSpec(id="new"))

        assert [event.seq for event in await take(host, 7, 4)] == [8, 9, 10, 11]


async def test_a_flood_of_progress_does_not_grow_the_file(
    path: Path, journal: SqliteJournal, history: History
) -> None:
    await journal.write([history.register("s", "a"), history.progress("s", "a")])
    before = len(kept_events(path))
    for _ in range(50):
        await journal.write([history.progress("s", "a", float(history.seq)) for _ in range(20)])

    assert len(kept_events(path)) == before == 2
    assert kept_events(path)[-1] == history.events[-1]


async def test_changes_of_state_are_never_dropped(
    path: Path, journal: SqliteJournal, history: History
) -> None:
    await journal.write([history.register("s", "a")])
    for _ in range(10):
        await journal.write([history.move("s", "a", TaskState.RUNNING), history.progress("s", "a")])
        await journal.write([history.move("s", "a", TaskState.WAITING)])

    assert kept_events(path) == history.events


async def test_forgetting_takes_a_tasks_events_and_a_replay_is_told_once_how_many(path: Path) -> None:
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        for task_id in ("kept", "gone", "gone too"):
            await host.register("s", TaskSpec(id=task_id))  # events 1, 2, 3
        await host.complete("gone")
        await host.complete("gone too")
        await host.prune()

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        events = await take(host, 0, 3)

        assert [(event.type, event.seq, event.count) for event in events] == [
            (EventType.MISSED, 0, 4),
            (EventType.REGISTERED, 1, None),
            (EventType.ABANDONED, 6, None),
        ]
        assert [event.seq for event in await take(host, 5, 1)] == [6]


async def test_how_far_was_forgotten_never_goes_back(
    path: Path, journal: SqliteJournal, history: History
) -> None:
    await journal.write([history.register("s", task_id) for task_id in ("old", "new", "left")])
    await journal.write([history.forget("s", "new"), history.forget("s", "old")])

    told = [(event.type, event.seq, event.count) for event in kept_events(path)]

    assert told == [(EventType.MISSED, 2, 2), (EventType.REGISTERED, 3, None)]
    assert [event.seq for event in kept_events(path, 2)] == [3]


async def test_a_replay_of_many_pages_is_told_once_what_is_gone(path: Path) -> None:
    async with LocalBackgroundTaskHost(SqliteJournal(path), retain_terminal=10_000) as host:
        async with anyio.create_task_group() as callers:
            for number in range(1500):
                callers.start_soon(host.register, "s", TaskSpec(id=f"t{number}"))
        for number in range(0, 1500, 2):
            await host.unregister_external("s", f"t{number}")

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        events = await take(host, 0, 1 + 750 + 750)

    assert [event.type for event in events].count(EventType.MISSED) == 1
    assert (events[0].type, events[0].count) == (EventType.MISSED, 1500)


async def test_opening_looks_at_the_tasks_that_are_left_and_not_at_those_that_were_pruned(
    path: Path, journal: SqliteJournal, history: History
) -> None:
    def steps() -> int:
        taken = 0

        def count() -> None:
            nonlocal taken
            taken += 1

        with closing(connect(path, "ro")) as reading:
            reading.set_progress_handler(count, 1)
            read_live(reading)
        return taken

    await journal.write([history.register("s", f"left{number}") for number in range(10)])
    before = steps()
    for number in range(20):
        ids = [f"t{number}-{place}" for place in range(100)]
        await journal.write([history.register("s", task_id) for task_id in ids])
        await journal.write([history.move("s", task_id, TaskState.FAILED) for task_id in ids])
        await journal.write([history.forget("s", task_id) for task_id in ids])

    assert steps() == before


async def test_a_task_handed_over_is_forgotten_whole_and_its_old_sessions_namesake_is_not(
    path: Path, journal: SqliteJournal, history: History
) -> None:
    await journal.write([history.register("s", "a"), history.transfer("s", "a", "t")])
    await journal.write([history.register("s", "a"), history.move("t", "a", TaskState.COMPLETED)])
    await journal.write([history.forget("t", "a")])

    assert [(event.session_id, event.seq) for event in kept_events(path)[1:]] == [("s", 3)]
    assert [record.session_id for record in kept_records(path)] == ["s"]


async def test_a_new_task_takes_the_place_of_a_finished_one_of_the_same_id(path: Path) -> None:
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        for _ in range(3):
            await host.register("s", TaskSpec(id="a"))
            await host.complete("a")

    assert [event.seq for event in kept_events(path)[1:]] == [5, 6]
    assert [record.seq for record in kept_records(path)] == [6]


async def test_params_are_kept_until_the_task_ends(
    path: Path, journal: SqliteJournal, history: History
) -> None:
    def params() -> list[str | None]:
        with closing(sqlite3.connect(path)) as file:
            return [row[0] for row in file.execute("SELECT params FROM tasks")]

    await journal.write([history.register("s", "a", {"n": 1})])
    await journal.write([history.transfer("s", "a", "t"), history.progress("t", "a")])
    assert params() == ['{"n":1}']

    await journal.write([history.move("t", "a", TaskState.FAILED)])
    assert params() == [None]


async def test_what_somebody_else_has_changed_is_not_written_over(
    path: Path, journal: SqliteJournal, history: History
) -> None:
    await journal.write([history.register("s", "a"), history.register("s", "b")])
    with closing(sqlite3.connect(path)) as stranger, stranger:
        stranger.execute("UPDATE tasks SET seq = 99 WHERE task = 'b'")

    with pytest.raises(JournalConflict, match="changed by somebody else"):
        await journal.write(
            [history.move("s", "a", TaskState.RUNNING), history.move("s", "b", TaskState.RUNNING)]
        )

    assert [event.seq for event in kept_events(path)] == [1, 2]


@pytest.mark.parametrize("before", TaskState)
async def test_the_file_accepts_the_moves_of_the_table_and_no_other(
    journal: SqliteJournal, history: History, before: TaskState
) -> None:
    async def accepts(after: TaskState) -> bool:
        await journal.write([history.register("s", after)])
        if before is not TaskState.PENDING:
            await journal.write([history.move("s", after, before)])
        record = history.records["s", after]
        history.seq += 1
        moved = attrs.evolve(record, state=after, seq=history.seq)
        event = TaskEvent(history.seq, 0.0, EventType.STATE_CHANGED, "s", after, moved)
        try:
            await journal.write([Append(event, record.seq)])
        except JournalConflict:
            return False
        return True

    same = {before} if before in LIVE - {TaskState.CANCEL_REQUESTED} else set()

    assert {after for after in TaskState if await accepts(after)} == MOVES[before] | same


@pytest.mark.parametrize("kind", ["progress", "transferred"])
async def test_a_task_that_has_ended_neither_progresses_nor_moves_on(
    journal: SqliteJournal, history: History, kind: str
) -> None:
    await journal.write([history.register("s", "a")])
    late = history.progress("s", "a") if kind == "progress" else history.transfer("s", "a", "t")
    history.records["s", "a"] = history.events[0].record  # type: ignore[assignment]
    history.seq = 1
    await journal.write([history.move("s", "a", TaskState.COMPLETED)])

    with pytest.raises(JournalConflict):
        await journal.write([late])


async def test_a_batch_is_kept_whole_or_not_at_all(
    path: Path, journal: SqliteJournal, history: History
) -> None:
    await journal.write([history.register("s", "a")])
    batch = [history.register("s", f"t{number}") for number in range(100)]

    late = history.move("s", "a", TaskState.RUNNING)

    with pytest.raises(JournalConflict):
        await journal.write([*batch, attrs.evolve(late, expected=7)])
    assert len(kept_records(path)) == 1

    await journal.write(batch)
    assert len(kept_records(path)) == 101


async def test_a_journal_that_is_not_open_says_so(path: Path) -> None:
    journal = SqliteJournal(path)
    with pytest.raises(JournalError, match="is not open"):
        await journal.read(0, 1, 1, Forgotten())
    await journal.aclose()
    await journal.open()
    with pytest.raises(JournalError, match="is open already"):
        await journal.open()
    await journal.aclose()


async def test_its_file_can_be_read_by_its_owner_alone(
    path: Path, journal: SqliteJournal, history: History
) -> None:
    await journal.write([history.register("s", "a")])

    files = {
        file.name: (await file.stat()).st_mode & 0o777 async for file in anyio.Path(path.parent).iterdir()
    }
    names = {"journal.sqlite3", "journal.sqlite3-wal", "journal.sqlite3-shm", "journal.sqlite3.lock"}
    assert files == dict.fromkeys(names, 0o600)


@pytest.mark.parametrize("name", ["a ?mode=memory", "#1", "100%25", "ünï.db", "a;b'c"])
async def test_any_file_name_will_do(tmp_path: Path, name: str, history: History) -> None:
    path = tmp_path / "deep" / name
    journal = SqliteJournal(path)
    await journal.open()
    await journal.write([history.register("s", "a")])

    assert [record.id for record in kept_records(path)] == ["a"]
    await journal.aclose()
    assert sorted(file.name for file in path.parent.iterdir()) == sorted([name, f"{name}.lock"])


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["register", "progress", "transfer", "forget", *TaskState]),
        st.sampled_from(["s", "t"]),
        st.sampled_from(["a", "b", "c"]),
    ),
    max_size=40,
)


def change(history: History, verb: str, session_id: str, task_id: str) -> list[Append | Forget]:
    """Return what a host would write for `verb`, nothing where it would refuse."""
    record = history.records.get((session_id, task_id))
    ended = record is not None and record.is_terminal
    if verb == "register":
        if record is not None and not ended:
            return []
        gone: list[Append | Forget] = [history.forget(session_id, task_id)] if ended else []
        return [*gone, history.register(session_id, task_id)]
    if record is None or (ended and verb != "forget"):
        return []
    if verb == "progress":
        return [history.progress(session_id, task_id, float(history.seq))]
    if verb == "forget":
        return [history.forget(session_id, task_id)]
    if verb == "transfer":
        to = {"s": "t", "t": "s"}[session_id]
        return [] if (to, task_id) in history.records else [history.transfer(session_id, task_id, to)]
    return (
        [history.move(session_id, task_id, TaskState(verb))] if TaskState(verb) in MOVES[record.state] else []
    )


def seq_of(record: TaskRecord) -> int:
    return record.seq


@settings(max_examples=60, deadline=None)
@given(batches=st.lists(STEPS, min_size=1, max_size=5))
async def test_a_history_reopened_has_the_records_that_its_events_fold_to(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[str, str, str]]]
) -> None:
    path, history = tmp_path_factory.mktemp("journal") / "j", History()
    last = 0
    for steps in batches:
        journal = SqliteJournal(path)
        live, last = await journal.open()
        finished = await journal.finished(TaskQuery(EVERY_STATE))
        kept = [task.record for task in (*live, *finished.tasks)]
        assert sorted(kept, key=seq_of) == sorted(history.records.values(), key=seq_of)
        assert [task.number for task in live] == sorted(task.number for task in live)
        assert last == finished.through == history.seq
        await journal.write([made for step in steps for made in change(history, *step)])
        await journal.aclose()

    records = {(record.session_id, record.id): record for record in kept_records(path)}
    events = [event for event in kept_events(path) if event.type is not EventType.MISSED]
    assert records == history.records == fold(events)
    assert [event for event in history.events if event in events] == events
