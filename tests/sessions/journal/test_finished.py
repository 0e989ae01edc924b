"""Finished tasks, which are the journal's: found, listed and forgotten as if they had never left memory."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import attrs
import pytest
from anyio.lowlevel import checkpoint

from hostel.sessions import (
    AmbiguousTaskId,
    IllegalTransition,
    LocalBackgroundTaskHost,
    TaskFilter,
    TaskHandle,
    TaskRecord,
    TaskSpec,
    TaskState,
)
from hostel.sessions._journal.file import connect
from hostel.sessions._journal.queries import read_live
from hostel.sessions.journal import JournalError, SqliteJournal

from .histories import EVERY_STATE, History, kept_records

SCHEMA_1 = Path(__file__).with_name("schema_1.sql")
LARGE = "x" * 100_000


@pytest.fixture
async def reopened(path: Path) -> AsyncIterator[LocalBackgroundTaskHost]:
    """A host of which everything has ended before it was opened."""
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        for task_id in "abcd":
            await host.register("s", TaskSpec(id=task_id, kind=task_id, idempotency_key=f"key of {task_id}"))
        await host.register("t", TaskSpec(id="a", parent_task_id="b"))
        for task_id in "cab":
            await host.complete(task_id, session_id="s", value=task_id)
        await host.complete("d", TaskState.FAILED, summary="broken")
        await host.complete("a", session_id="t", value=LARGE)
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        yield host


def in_memory(host: LocalBackgroundTaskHost) -> int:
    return len(host._host.table.index)


def steps(path: Path) -> int:
    """Return how much work it is to read what a host reads when it opens."""
    taken = 0

    def count() -> None:
        nonlocal taken
        taken += 1

    with closing(connect(path, "ro")) as reading:
        reading.set_progress_handler(count, 1)
        read_live(reading)
    return taken


async def test_opening_looks_at_what_is_live_and_not_at_what_has_ended(
    path: Path, journal: SqliteJournal, history: History
) -> None:
    await journal.write([history.register("s", f"live{number}") for number in range(10)])
    await journal.write([history.register("s", "a"), history.move("s", "a", TaskState.COMPLETED)])
    before = steps(path)
    for number in range(20):
        ids = [f"t{number}-{place}" for place in range(100)]
        await journal.write([history.register("s", task_id) for task_id in ids])
        await journal.write([history.move("s", task_id, TaskState.FAILED) for task_id in ids])

    assert steps(path) == before


async def test_what_has_ended_is_not_in_memory(path: Path) -> None:
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        for number in range(50):
            await host.register(f"s{number}", TaskSpec(id="a"))
            await host.complete("a", session_id=f"s{number}")

        assert in_memory(host) == 0
        assert len(await host.list(EVERY_STATE)) == 50


async def test_a_finished_task_is_found_by_session_and_id(reopened: LocalBackgroundTaskHost) -> None:
    record = await reopened.get("b")

    assert record is not None
    assert record.result is not None
    assert (record.session_id, record.state, record.result.value) == ("s", TaskState.COMPLETED, "b")
    assert await reopened.get("a", session_id="s") is not None
    assert await reopened.get("a", session_id="nowhere") is None
    with pytest.raises(AmbiguousTaskId, match=r"\(s, t\)"):
        await reopened.get("a")
    whole = await reopened.get("a", session_id="t")
    assert whole is not None
    assert whole.result is not None
    assert whole.result.value == LARGE


async def test_verbs_take_a_finished_task_for_what_it_is(reopened: LocalBackgroundTaskHost) -> None:
    record = await reopened.get("b")

    assert await reopened.wait("b") == record
    assert await reopened.complete("b", TaskState.FAILED) == record
    assert await reopened.request_cancel("b") == record
    assert await reopened.cancel_managed("s", "b") == record
    await reopened.mark_terminal("s", "b", TaskState.FAILED)
    for change in (reopened.update("b", state=TaskState.RUNNING), reopened.transfer("b", "t")):
        with pytest.raises(IllegalTransition):
            await change
    await reopened.unregister_external("s", "b")
    assert await reopened.get("b") is None


async def test_lists_follow_every_field_of_a_filter(reopened: LocalBackgroundTaskHost) -> None:
    await reopened.register("s", TaskSpec(id="live", kind="a"))

    async def ids(filter: TaskFilter) -> list[str]:
        listed = [record.id for record in await reopened.list(filter)]
        paged = [record.id for record in (await reopened.page(filter)).records]
        assert paged == listed
        return listed

    assert await ids(TaskFilter()) == ["live"]
    assert await ids(EVERY_STATE) == ["a", "b", "c", "d", "a", "live"]
    assert await ids(TaskFilter("t", include_terminal=True)) == ["a"]
    assert await ids(TaskFilter(kind="a", include_terminal=True)) == ["a", "live"]
    assert await ids(TaskFilter(state=TaskState.FAILED)) == ["d"]
    assert await ids(TaskFilter(state=TaskState.PENDING, include_terminal=True)) == ["live"]
    assert await ids(TaskFilter(parent_task_id="b", include_terminal=True)) == ["a"]
    assert await ids(TaskFilter("\ud800", kind="\ud800", include_terminal=True)) == []


async def test_pages_hold_every_task_once_in_the_order_they_came(reopened: LocalBackgroundTaskHost) -> None:
    await reopened.register("s", TaskSpec(id="e"))
    pages: list[list[str]] = []
    after = None
    while not pages or after is not None:
        page = await reopened.page(EVERY_STATE, limit=2, after=after)
        pages.append([record.id for record in page.records])
        after = page.next

    assert pages == [["a", "b"], ["c", "d"], ["a", "e"]]


async def test_a_cursor_of_a_page_holds_across_a_restart(path: Path) -> None:
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        for number in range(5):
            await host.register("s", TaskSpec(id=f"t{number}"))
        first = await host.page(limit=3)
        await host.complete("t3")

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        rest = await host.page(EVERY_STATE, after=first.next)

    assert [record.id for record in rest.records] == ["t3", "t4"]


async def test_an_idempotency_key_leads_to_a_task_that_has_ended(reopened: LocalBackgroundTaskHost) -> None:
    assert (await reopened.register("s", TaskSpec(idempotency_key="key of c"))).id == "c"
    handle: TaskHandle[object] = await reopened.spawn_managed(
        "s", TaskSpec(idempotency_key="key of a"), anyio.sleep, 0
    )
    assert (handle.id, await handle.wait()) == ("a", "a")
    assert (await reopened.register("t", TaskSpec(idempotency_key="key of c"))).id != "c"


async def test_one_key_used_by_many_at_once_starts_one_task(path: Path) -> None:
    runs: list[int] = []

    async def body() -> None:
        runs.append(1)

    async def start(number: int) -> None:
        spec = TaskSpec(idempotency_key=f"key {number % 5}")
        await (await host.spawn_managed("s", spec, body)).wait()

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        async with anyio.create_task_group() as callers:
            for number in range(100):
                callers.start_soon(start, number)
        for number in range(10):
            await start(number)

    assert len(runs) == 5


async def test_a_new_task_takes_the_place_of_one_that_ended_long_ago(
    reopened: LocalBackgroundTaskHost, path: Path
) -> None:
    await reopened.register("s", TaskSpec(id="c"))
    record = await reopened.get("c")
    assert record is not None
    assert record.state is TaskState.PENDING
    await reopened.register("u", TaskSpec(id="d"))
    await reopened.transfer("d", "s", session_id="u")

    states = {(record.session_id, record.id): record.state for record in kept_records(path)}
    assert states[("s", "c")] is states[("s", "d")] is TaskState.PENDING
    assert len(states) == 5
    assert (await reopened.register("s", TaskSpec(idempotency_key="key of c"))).id not in ("c", "d")


async def test_sessions_count_what_ended_before(reopened: LocalBackgroundTaskHost) -> None:
    one, two = await reopened.sessions()
    assert (one.id, one.counts) == ("s", {TaskState.COMPLETED: 3, TaskState.FAILED: 1})
    assert (two.id, two.counts) == ("t", {TaskState.COMPLETED: 1})

    await reopened.register("s", TaskSpec(id="e"))
    one = (await reopened.sessions())[0]
    assert one.counts == {TaskState.COMPLETED: 3, TaskState.FAILED: 1, TaskState.PENDING: 1}
    await reopened.unregister_external("t", "a")
    assert [summary.id for summary in await reopened.sessions()] == ["s"]


async def test_pruning_reaches_what_ended_before(reopened: LocalBackgroundTaskHost, path: Path) -> None:
    assert await reopened.prune(older_than=3600) == 0
    assert await reopened.prune(keep=2) == 2
    assert sorted(record.id for record in kept_records(path)) == ["a", "b", "d"]
    assert await reopened.prune("t") == 1
    assert await reopened.prune() == 2
    assert await reopened.sessions() == []
    with closing(sqlite3.connect(path)) as file:
        for table in ("tasks", "ended", "results", "moves"):
            assert file.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


async def test_each_session_keeps_its_latest_also_of_what_ended_before(path: Path) -> None:
    for retain, expected in ((100, "abcde"), (3, "de1")):
        async with LocalBackgroundTaskHost(SqliteJournal(path), retain_terminal=retain) as host:
            for task_id in expected if retain == 100 else "1":
                await host.register("s", TaskSpec(id=task_id))
                await host.complete(task_id)

            assert [record.id for record in await host.list_managed("s")] == list(expected)


async def test_a_session_that_a_task_has_left_leads_to_it_after_a_restart(path: Path) -> None:
    def resumable(task_id: str) -> TaskSpec:
        return TaskSpec(id=task_id, resumable=True)

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        for task_id in ("ended", "live"):
            await host.register_external("s", resumable(task_id))
            await host.transfer(task_id, "t")
        await host.complete("ended")

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        for task_id in ("ended", "live"):
            record = await host.get(task_id, session_id="s")
            assert record is not None
            assert record.session_id == "t"
        await host.complete("live", session_id="s")
        assert (await host.wait("live", session_id="s")).session_id == "t"
        await host.register("s", TaskSpec(id="ended"))
        own = await host.get("ended", session_id="s")
        assert own is not None
        assert own.session_id == "s"


def schema_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as file:
        version: int = file.execute("PRAGMA user_version").fetchone()[0]
    return version


async def test_a_journal_of_an_older_schema_is_asked_as_any_other(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.executescript(SCHEMA_1.read_text())

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        assert schema_of(path) > 1
        for session_id in ("t", "s"):
            record = await host.get("done", session_id=session_id)
            assert record is not None
            assert (record.session_id, record.state) == ("t", TaskState.COMPLETED)
        assert [record.id for record in await host.list(TaskFilter("t", "other", include_terminal=True))] == [
            "done"
        ]
        counts = {summary.id: summary.counts for summary in await host.sessions()}
        assert counts["t"] == {TaskState.COMPLETED: 1}
        assert await host.prune("t") == 1
        assert await host.get("done") is None


async def test_whoever_lists_while_tasks_end_sees_each_of_them_once(path: Path) -> None:
    count, ended = 150, anyio.Event()
    expected = [f"t{number:03}" for number in range(count)]

    async def end() -> None:
        for task_id in expected:
            await host.transfer(task_id, "t")
            await host.complete(task_id)
        ended.set()

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        for task_id in expected:
            await host.register("s", TaskSpec(id=task_id))
        async with anyio.create_task_group() as others:
            others.start_soon(end)
            while not ended.is_set():
                listed = [record.id for record in await host.list(EVERY_STATE)]
                assert sorted(listed) == expected
                assert sum(sum(one.counts.values()) for one in await host.sessions()) == count
                paged, after = list[TaskRecord](), None
                while True:
                    page = await host.page(EVERY_STATE, limit=20, after=after)
                    paged, after = paged + page.records, page.next
                    if after is None:
                        break
                assert [record.id for record in paged] == expected
                record = await host.get("t075")
                assert record is not None


@asynccontextmanager
async def unreadable(path: Path) -> AsyncIterator[LocalBackgroundTaskHost]:
    """A host with a finished task whose journal cannot be read any more."""
    journal = SqliteJournal(path)
    async with LocalBackgroundTaskHost(journal) as host:
        await host.register("s", TaskSpec(id="a"))
        await host.complete("a")
        assert journal._open is not None
        for lane in (journal._open.lists, journal._open.reader):
            lane.connection.set_progress_handler(lambda: 1, 1)
        yield host
        for lane in (journal._open.lists, journal._open.reader):
            lane.connection.set_progress_handler(None, 1)


async def test_what_cannot_be_read_back_is_an_error_and_what_lives_goes_on(path: Path) -> None:
    async with unreadable(path) as host:
        for asking in (host.list(EVERY_STATE), host.get("a"), host.sessions(), host.page(EVERY_STATE)):
            with pytest.raises(JournalError, match="interrupted"):
                await asking
        with pytest.raises(JournalError):
            await host.register("s", TaskSpec(idempotency_key="k"))
        await host.register("s", TaskSpec(id="b"))
        assert [record.id for record in await host.list()] == ["b"]
        assert await host.get("b") is not None


async def test_a_replay_that_cannot_be_read_back_is_an_error(path: Path) -> None:
    async with unreadable(path) as host:
        for number in range(3):
            await host.register("s", TaskSpec(id=f"t{number}"))
        host._host.table.log._drop_oldest("s")
        with pytest.raises(JournalError, match="interrupted"):
            await anext(host.subscribe(after=0))


async def test_a_task_that_ends_while_its_id_is_taken_again_does_not_take_the_new_one_along(
    path: Path,
) -> None:
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        for number in range(30):
            spec = TaskSpec(id="a", idempotency_key=f"k{number}")
            await host.register("s", spec)
            async with anyio.create_task_group() as callers:
                callers.start_soon(host.complete, "a")
                await checkpoint()
                callers.start_soon(host.register, "s", attrs.evolve(spec, idempotency_key=f"new {number}"))
            record = await host.get("a", session_id="s")
            assert record is not None
            assert record.state is TaskState.PENDING
            assert (await host.register("s", TaskSpec(idempotency_key=f"new {number}"))).id == "a"
            await host.complete("a")
