"""Damaged files: refused and left as they are, readable as far as they go, saved into a whole journal."""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from hostel.sessions import EventType, LocalBackgroundTaskHost, TaskRecord, TaskSpec, TaskState
from hostel.sessions._event_log.gaps import Forgotten
from hostel.sessions.journal import (
    JournalCorrupt,
    JournalError,
    JournalInUse,
    JournalReader,
    SqliteJournal,
    salvage_journal,
)

from .histories import EVERY_STATE, History, kept_records

PAGE = 4096
TASKS = 60
DONE = {f"t{number}" for number in range(0, TASKS, 2)}


async def write_some(path: Path, history: History) -> None:
    """Keep tasks of which every other one has ended, the later half of the file being their ends."""
    journal = SqliteJournal(path)
    await journal.open()
    ids = [f"t{number}" for number in range(TASKS)]
    await journal.write([history.register("s", task_id, {"n": task_id}) for task_id in ids])
    await journal.write([history.move("s", task_id, TaskState.RUNNING) for task_id in ids])
    await journal.write([history.progress("s", task_id) for task_id in ids])
    await journal.write(
        [history.move("s", task_id, TaskState.COMPLETED) for task_id in ids if task_id in DONE]
    )
    await journal.aclose()


def page_of(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as file:
        root: int = file.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()[0]
    return root


def zero(path: Path, page: int) -> None:
    data = bytearray(path.read_bytes())
    data[(page - 1) * PAGE : page * PAGE] = bytes(PAGE)
    path.write_bytes(data)


def first_page_zeroed(path: Path) -> None:
    zero(path, 1)


def first_page_garbled(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(PAGE) + path.read_bytes()[PAGE:])


def header_garbled(path: Path) -> None:
    path.write_bytes(b"not SQLite format" + path.read_bytes()[17:])


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 100])


def tasks_zeroed(path: Path) -> None:
    zero(path, page_of(path, "tasks"))


def index_zeroed(path: Path) -> None:
    zero(path, page_of(path, "events_of_task"))


def last_page_zeroed(path: Path) -> None:
    zero(path, path.stat().st_size // PAGE)


def row_garbled(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE events SET json = '{' || json WHERE seq = (SELECT max(seq) FROM events)")


def row_emptied(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE events SET json = 'null' WHERE seq = (SELECT max(seq) FROM events)")


def event_missing(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)")


Damage = Callable[[Path], None]
DAMAGES: list[Damage] = [
    first_page_zeroed,
    first_page_garbled,
    header_garbled,
    cut_in_half,
    tasks_zeroed,
    index_zeroed,
    last_page_zeroed,
    row_garbled,
    row_emptied,
    event_missing,
]
HEADLESS = (first_page_zeroed, first_page_garbled, header_garbled)
ENDS = (row_garbled, row_emptied, event_missing)
"""What concerns a finished task alone."""
each_damage = pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)


def holds_true(records: list[TaskRecord], history: History) -> bool:
    """Tell whether `records` say nothing false: no ended task lives, no progress is made up."""
    last = {record.id: record for record in history.records.values()}
    return all(record.state is last[record.id].state for record in records)


@pytest.mark.parametrize("damage", [d for d in DAMAGES if d not in ENDS], ids=lambda d: d.__name__)
async def test_a_damaged_journal_is_refused_and_left_as_it_is(
    path: Path, history: History, damage: Damage
) -> None:
    await write_some(path, history)
    damage(path)
    before = path.read_bytes()

    with pytest.raises(JournalCorrupt, match="salvage_journal"):
        await SqliteJournal(path).open()
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ENDS, ids=lambda damage: damage.__name__)
async def test_a_finished_task_that_is_damaged_is_told_when_somebody_asks_for_it(
    path: Path, history: History, damage: Damage
) -> None:
    await write_some(path, history)
    damage(path)

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        assert (await host.register("s", TaskSpec(id="new"))).state is TaskState.PENDING
        with pytest.raises(JournalCorrupt, match=r"'t58' in session 's' cannot be read.*salvage_journal"):
            await host.list(EVERY_STATE)
        with pytest.raises(JournalCorrupt):
            await host.get("t58")
        assert await host.get("t56") is not None
        assert [record.id for record in await host.list()] == ["new"]


@pytest.mark.parametrize("damage", [d for d in DAMAGES if d not in HEADLESS], ids=lambda d: d.__name__)
async def test_what_can_be_read_of_a_damaged_journal_is_listed_and_what_cannot_is_told(
    path: Path, history: History, damage: Damage
) -> None:
    await write_some(path, history)
    damage(path)

    with JournalReader(path) as reader:
        records, events = reader.records(EVERY_STATE), list(reader.events())

        assert len(records) > TASKS / 3
        assert holds_true(records, history)
        assert [event for event in events if event.type is not EventType.MISSED] == [
            event for event in history.events if event in events
        ]
        whole = (
            len(events) == len([event for event in history.events if event in events])
            and len(records) == TASKS
        )
        assert whole or reader.damage or EventType.MISSED in {event.type for event in events}
        assert [event.seq for event in events] == sorted({event.seq for event in events})


@each_damage
async def test_a_damaged_journal_is_salvaged_into_one_that_a_host_opens(
    path: Path, tmp_path: Path, history: History, damage: Damage
) -> None:
    await write_some(path, history)
    damage(path)
    before = path.read_bytes()

    saved = salvage_journal(path, tmp_path / "saved")

    assert path.read_bytes() == before
    assert saved.tasks > TASKS / 3
    records = kept_records(tmp_path / "saved")
    assert len(records) == saved.tasks
    assert holds_true(records, history)
    async with LocalBackgroundTaskHost(SqliteJournal(tmp_path / "saved")) as host:
        states = {record.id: record.state for record in await host.list(EVERY_STATE)}
    assert set(states.values()) == {TaskState.COMPLETED, TaskState.ABANDONED}
    assert {task_id for task_id, state in states.items() if state is TaskState.COMPLETED} <= DONE


async def test_params_are_salvaged(path: Path, tmp_path: Path, history: History) -> None:
    await write_some(path, history)
    first_page_zeroed(path)

    salvage_journal(path, tmp_path / "saved")
    journal = SqliteJournal(tmp_path / "saved")
    kept, last = await journal.open()
    await journal.aclose()

    assert {task.record.id: task.params for task in kept if task.record.state is TaskState.RUNNING} == {
        f"t{number}": {"n": f"t{number}"} for number in range(1, TASKS, 2)
    }
    assert last == history.seq


async def test_a_salvaged_journal_tells_subscribers_that_events_are_missing(
    path: Path, tmp_path: Path, history: History
) -> None:
    await write_some(path, history)
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE events SET json = '?' WHERE seq IN (70, 80)")
    salvage_journal(path, tmp_path / "saved")

    with JournalReader(tmp_path / "saved") as reader:
        first = next(reader.events())

    assert (first.type, first.count) == (EventType.MISSED, 2)


async def test_a_host_that_opened_before_it_was_damaged_tells_subscribers_what_is_lost(
    path: Path, history: History, caplog: pytest.LogCaptureFixture
) -> None:
    await write_some(path, history)
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE events SET json = '?' WHERE seq = 3")
    journal = SqliteJournal(path)
    await journal.open()
    page = await journal.read(0, 5, 500, Forgotten())
    await journal.aclose()

    assert [(event.type, event.seq, event.count) for event in page.events[1:4]] == [
        (EventType.REGISTERED, 2, None),
        (EventType.MISSED, 3, 1),
        (EventType.REGISTERED, 4, None),
    ]


@pytest.mark.parametrize(
    "content", [b"hello", b"\0" * 20_000, b"SQLite format 3\0"], ids=["text", "zeros", "head"]
)
async def test_a_file_with_nothing_of_a_journal_in_it_is_refused_by_everybody(
    path: Path, tmp_path: Path, content: bytes
) -> None:
    path.write_bytes(content)

    with pytest.raises(JournalCorrupt):
        await SqliteJournal(path).open()
    with pytest.raises(JournalCorrupt), JournalReader(path):
        pytest.fail("entered")
    with pytest.raises(JournalError, match="nothing of it can be read"):
        salvage_journal(path, tmp_path / "saved")
    assert sorted(file.name for file in tmp_path.iterdir()) == [path.name, f"{path.name}.lock"]


async def test_a_journal_that_was_emptied_keeps_its_log(path: Path, tmp_path: Path, history: History) -> None:
    journal = SqliteJournal(path)
    await journal.open()
    await journal.write([history.register("s", "a")])
    left, log = tmp_path / "left", tmp_path / "left-wal"
    left.touch()
    log.write_bytes(Path(f"{path}-wal").read_bytes())
    await journal.aclose()
    before = log.read_bytes()

    with pytest.raises(JournalCorrupt, match="it is empty, but left-wal beside it is not"):
        await SqliteJournal(left).open()
    with pytest.raises(JournalCorrupt), JournalReader(left):
        pytest.fail("entered")
    assert log.read_bytes() == before
    assert salvage_journal(left, tmp_path / "saved").tasks == 1


async def test_salvaging_overwrites_nothing_and_disturbs_no_host(
    path: Path, tmp_path: Path, journal: SqliteJournal
) -> None:
    with pytest.raises(JournalInUse):
        salvage_journal(path, tmp_path / "saved")
    with pytest.raises(JournalError, match="it is there already"):
        salvage_journal(tmp_path / "x", path)
    with pytest.raises(JournalError, match="it is not there"):
        salvage_journal(tmp_path / "x", tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
