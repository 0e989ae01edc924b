"""Reading a journal from outside, while its host writes and after it is gone."""

import json
import sys
from pathlib import Path

import anyio
import pytest
from anyio.streams.text import TextReceiveStream

from hostel.sessions import EventType, LocalBackgroundTaskHost, TaskEvent, TaskFilter, TaskSpec, TaskState
from hostel.sessions.journal import JournalError, JournalReader, SqliteJournal

from .histories import EVERY_STATE, History

FOLLOW = """
import json, sys, anyio
from hostel.sessions.journal import JournalReader

async def follow():
    with JournalReader(sys.argv[1]) as reader:
        print(json.dumps([record.id for record in reader.records()]), flush=True)
        async for event in reader.follow(0, poll=0.01):
            print(json.dumps([event.seq, event.type, event.task_id]), flush=True)

anyio.run(follow)
"""


async def take(reader: JournalReader, count: int, after: int | None = 0) -> list[TaskEvent]:
    taken: list[TaskEvent] = []
    with anyio.fail_after(60):
        async for event in reader.follow(after, poll=0.01):
            taken.append(event)
            if len(taken) == count:
                break
    return taken


async def test_another_process_follows_live_what_a_host_writes(path: Path) -> None:
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        await host.register("s", TaskSpec(id="early"))
        with anyio.fail_after(60):
            async with await anyio.open_process([sys.executable, "-c", FOLLOW, str(path)]) as follower:
                assert follower.stdout is not None
                lines = TextReceiveStream(follower.stdout)
                text = ""
                while text.count("\n") < 2:
                    text += await lines.receive()
                await host.register("s", TaskSpec(id="late"))
                await host.complete("late")
                while text.count("\n") < 4:
                    text += await lines.receive()
                follower.kill()

    assert [json.loads(line) for line in text.splitlines()] == [
        ["early"],
        [1, "registered", "early"],
        [2, "registered", "late"],
        [3, "completed", "late"],
    ]


async def test_records_are_listed_as_a_host_lists_them(path: Path) -> None:
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        for number in range(4):
            await host.register("st"[number % 2], TaskSpec(id=f"t{number}", kind="k" if number else "other"))
        await host.update("t2", state=TaskState.WAITING)
        await host.complete("t1")
        filters = [
            TaskFilter(),
            EVERY_STATE,
            TaskFilter("s"),
            TaskFilter(kind="k"),
            TaskFilter(state=TaskState.COMPLETED),
            TaskFilter(state=TaskState.WAITING),
            TaskFilter("nobody"),
        ]
        with JournalReader(path) as reader:
            for filter in filters:
                assert reader.records(filter) == await host.list(filter)


async def test_events_are_read_from_where_one_was_and_no_further_than_one_wants(
    path: Path, journal: SqliteJournal, history: History
) -> None:
    await journal.write([history.register("s", "a"), history.register("t", "a"), history.register("s", "b")])
    await journal.write([history.move("t", "a", TaskState.RUNNING), history.transfer("s", "a", "u")])

    with JournalReader(path) as reader:
        assert list(reader.events()) == history.events
        assert list(reader.events(2)) == history.events[2:]
        assert list(reader.events(1, 2)) == history.events[1:3]
        assert list(reader.events(5)) == list(reader.events(99)) == []
        assert [event.seq for event in reader.events(filter=TaskFilter("s"))] == [1, 3, 5]


async def test_many_pages_of_events_are_read_whole(
    path: Path, journal: SqliteJournal, history: History
) -> None:
    await journal.write([history.register("s", f"t{number}") for number in range(1201)])

    with JournalReader(path) as reader:
        assert list(reader.events()) == history.events
        assert await take(reader, 1201) == history.events


async def test_what_was_forgotten_is_told_before_what_is_left(
    path: Path, journal: SqliteJournal, history: History
) -> None:
    await journal.write([history.register("s", "a"), history.register("s", "b"), history.register("s", "c")])
    await journal.write([history.move("s", "b", TaskState.FAILED), history.forget("s", "b")])

    with JournalReader(path) as reader:
        told = [(event.type, event.count, event.next_seq) for event in reader.events()]
        assert told[0] == (EventType.MISSED, 2, 1)
        assert [event.seq for event in reader.events()][1:] == [1, 3]
        assert [event.seq for event in await take(reader, 3)] == [0, 1, 3]


async def test_a_follower_hears_of_what_was_written_and_forgotten_between_its_looks(
    path: Path, journal: SqliteJournal, history: History
) -> None:
    await journal.write([history.register("s", "a")])
    with JournalReader(path) as reader, anyio.fail_after(60):
        events = reader.follow(0, poll=0.01)
        first = await anext(events)
        await journal.write(
            [history.register("s", "b"), history.forget("s", "b"), history.register("s", "c")]
        )
        rest = [await anext(events), await anext(events)]

    assert first.seq == 1
    assert [(event.type, event.seq, event.count) for event in rest] == [
        (EventType.MISSED, 2, 1),
        (EventType.REGISTERED, 3, None),
    ]


async def test_following_from_now_on_leaves_out_the_past(
    path: Path, journal: SqliteJournal, history: History
) -> None:
    await journal.write([history.register("s", "a")])
    with JournalReader(path) as reader:
        async with anyio.create_task_group() as writers:
            seen: list[int] = []

            async def watch() -> None:
                seen.extend([event.seq for event in await take(reader, 1, None)])

            writers.start_soon(watch)
            while not seen:
                await journal.write([history.register("s", f"t{history.seq}")])
                await anyio.lowlevel.checkpoint()

    assert seen[0] > 1


async def test_following_is_over_when_it_is_cancelled(
    path: Path, journal: SqliteJournal, history: History
) -> None:
    await journal.write([history.register("s", "a")])
    with JournalReader(path) as reader, anyio.move_on_after(0.1) as scope:
        async for event in reader.follow(0, poll=0.01):
            assert event.seq == 1

    assert scope.cancelled_caught


async def test_reading_changes_nothing_in_the_file(
    path: Path, journal: SqliteJournal, history: History
) -> None:
    await journal.write([history.register("s", "a"), history.register("s", "b")])
    files = [anyio.Path(path), anyio.Path(f"{path}-wal")]
    before = [await file.read_bytes() for file in files]

    with JournalReader(path) as reader:
        reader.records()
        list(reader.events())
        await take(reader, 2)

    assert [await file.read_bytes() for file in files] == before


async def test_a_reader_does_not_keep_a_host_from_writing_or_opening(path: Path) -> None:
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        await host.register("s", TaskSpec(id="a"))
        with JournalReader(path) as reader:
            events = reader.events()
            next(events)
            await host.register("s", TaskSpec(id="b"))
            assert [event.task_id for event in reader.events(1)] == ["b"]

            await host.complete("a")
    with JournalReader(path) as reader:
        async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
            await host.register("s", TaskSpec(id="c"))

            assert [record.id for record in reader.records()] == ["c"]


async def test_what_a_host_left_when_it_was_killed_can_be_read(
    path: Path, journal: SqliteJournal, history: History, tmp_path: Path
) -> None:
    await journal.write([history.register("s", "a"), history.move("s", "a", TaskState.RUNNING)])
    for suffix in ("", "-wal"):
        left = await anyio.Path(f"{path}{suffix}").read_bytes()
        await anyio.Path(tmp_path / f"left{suffix}").write_bytes(left)

    with JournalReader(tmp_path / "left") as reader:
        assert [record.state for record in reader.records()] == [TaskState.RUNNING]


def test_a_journal_that_is_not_there_is_not_made(path: Path) -> None:
    with pytest.raises(JournalError, match="it is not there"), JournalReader(path):
        pytest.fail("entered")

    assert not path.exists()


async def test_a_reader_that_was_closed_says_so(path: Path, journal: SqliteJournal) -> None:
    with JournalReader(path) as reader:
        pass
    with pytest.raises(JournalError, match="is not open"):
        reader.records()
