"""The file itself: one host at a time, schemas old, new and foreign, a disk that is full."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from hostel.sessions import LocalBackgroundTaskHost, TaskSpec, TaskState
from hostel.sessions._journal.file import connect, connect_for_writing, create, migrate
from hostel.sessions._journal.schema import MIGRATIONS, SCHEMA
from hostel.sessions.journal import JournalError, JournalInUse, JournalReader, JournalTooNew, SqliteJournal

from .histories import EVERY_STATE, kept_events, kept_records

SCHEMA_1 = Path(__file__).with_name("schema_1.sql")

HOLD = """
import sys, anyio
from hostel.sessions.journal import SqliteJournal

async def hold():
    await SqliteJournal(sys.argv[1]).open()
    print("open", flush=True)
    await anyio.sleep_forever()

anyio.run(hold)
"""


async def test_a_second_host_is_refused_while_the_first_has_the_journal(path: Path) -> None:
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        await host.register("s", TaskSpec(id="a"))
        with pytest.raises(JournalInUse, match="is in use by another host"):
            async with LocalBackgroundTaskHost(SqliteJournal(path)):
                pytest.fail("entered")
        await host.complete("a")

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        assert await host.get("a") is not None


async def test_a_host_in_another_process_has_the_journal_until_it_dies(path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(path)]
    with anyio.fail_after(60):
        async with await anyio.open_process(command) as holder:
            assert holder.stdout is not None
            assert (await holder.stdout.receive()).startswith(b"open")
            with pytest.raises(JournalInUse):
                await SqliteJournal(path).open()
            with JournalReader(path) as reader:
                assert reader.records() == []
                assert reader.is_hosted
            holder.kill()
            await holder.wait()
            with JournalReader(path) as reader:
                assert not reader.is_hosted

    journal = SqliteJournal(path)
    await journal.open()
    await journal.aclose()


async def test_a_journal_that_could_not_be_opened_is_not_held(path: Path, journal: SqliteJournal) -> None:
    await journal.aclose()
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalTooNew):
        await SqliteJournal(path).open()
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(f"PRAGMA user_version = {SCHEMA}")

    await journal.open()


async def test_a_newer_schema_is_refused_in_one_sentence(path: Path, journal: SqliteJournal) -> None:
    await journal.aclose()
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(f"PRAGMA user_version = {SCHEMA + 1}")

    for opening in (SqliteJournal(path).open(), _entered(JournalReader(path))):
        with pytest.raises(JournalTooNew) as refused:
            await opening
        assert (refused.value.found, refused.value.known) == (SCHEMA + 1, SCHEMA)
        assert str(refused.value) == (
            f"journal {path}: has schema {SCHEMA + 1}, this version reads up to {SCHEMA}: upgrade hostel"
        )


async def _entered(reader: JournalReader) -> None:
    with reader:
        pytest.fail("entered")


async def test_somebody_elses_database_is_refused_and_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("CREATE TABLE recipes (name)")
    before = path.read_bytes()

    for opening in (SqliteJournal(path).open(), _entered(JournalReader(path))):
        with pytest.raises(JournalError, match="a database, but no journal of hostel"):
            await opening
    assert path.read_bytes() == before


@pytest.mark.parametrize("in_the_way", ["file", "folder"])
async def test_what_the_operating_system_refuses_is_a_journal_error(tmp_path: Path, in_the_way: str) -> None:
    path = tmp_path / "x" if in_the_way == "folder" else tmp_path / "x" / "journal"
    (tmp_path / "x").mkdir() if in_the_way == "folder" else (tmp_path / "x").touch()

    with pytest.raises(JournalError) as refused:
        await SqliteJournal(path).open()
    assert refused.value.path == str(path)


@pytest.mark.parametrize("part", ["shm", "wal"])
async def test_a_folder_where_no_write_ahead_log_can_be_is_refused_in_one_sentence(
    path: Path, part: str
) -> None:
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        await host.register("s", TaskSpec(id="before"))
        await host.complete("before")
    in_the_way = path.with_name(f"{path.name}-{part}")
    in_the_way.mkdir()

    with pytest.raises(JournalError) as refused:
        async with LocalBackgroundTaskHost(SqliteJournal(path)):
            pytest.fail("entered")
    assert str(refused.value).startswith(f"journal {path}: it cannot be ")
    assert "\n" not in str(refused.value)

    in_the_way.rmdir()
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        assert await host.get("before") is not None


def schema(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name").fetchall()
    pragmas = ("user_version", "application_id")
    return rows + [connection.execute(f"PRAGMA {pragma}").fetchone() for pragma in pragmas]


@pytest.mark.parametrize("found", range(1, SCHEMA + 1))
async def test_a_migrated_journal_has_the_schema_of_a_fresh_one_and_keeps_its_tasks(
    tmp_path: Path, found: int
) -> None:
    old = tmp_path / "old"
    with closing(sqlite3.connect(old)) as file:
        file.executescript(Path(__file__).with_name(f"schema_{found}.sql").read_text())
    with closing(connect(tmp_path / "fresh", "rwc")) as fresh:
        migrate(fresh, 0)
        expected = schema(fresh)

    async with LocalBackgroundTaskHost(SqliteJournal(old)) as host:
        states = {record.id: record.state for record in await host.list(EVERY_STATE)}

    assert states == {"done": TaskState.COMPLETED, "live": TaskState.ABANDONED}
    with closing(sqlite3.connect(old)) as file:
        assert schema(file) == expected


STEPS = (*MIGRATIONS, "ALTER TABLE events ADD COLUMN host TEXT", "CREATE TABLE hosts (id TEXT)")


def test_each_migration_is_recorded_with_what_it_does(tmp_path: Path) -> None:
    with closing(connect(tmp_path / "old", "rwc")) as old, closing(connect(tmp_path / "new", "rwc")) as new:
        for number in range(len(STEPS)):
            migrate(old, number, STEPS[: number + 1])
            assert old.execute("PRAGMA user_version").fetchone() == (number + 1,)
        migrate(new, 0, STEPS)

        assert schema(old) == schema(new)


def test_a_migration_that_fails_leaves_the_file_at_the_one_before(tmp_path: Path) -> None:
    with closing(connect(tmp_path / "old", "rwc")) as old:
        with pytest.raises(sqlite3.OperationalError):
            migrate(old, 0, (*STEPS[:-1], "CREATE TABLE hosts (id); SELECT nonsense;", STEPS[-1]))

        expected = len(STEPS) - 1
        assert old.execute("PRAGMA user_version").fetchone() == (expected,)
        assert "hosts" not in {row[1] for row in schema(old)[:-2]}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", disk], check=True)


async def fill(host: LocalBackgroundTaskHost) -> int:
    """Register tasks until the disk is full; return how many there were room for."""
    for count in range(1000):
        try:
            await host.register("s", TaskSpec(id=f"t{count}", label="x" * 2000))
        except JournalError as error:
            if "the disk is full" not in error.problem:
                raise
            return count
    pytest.fail("there was room for everything")


async def test_a_full_disk_is_told_to_who_waits_and_work_goes_on_when_there_is_room(small_disk: Path) -> None:
    ballast, path = anyio.Path(small_disk / "ballast"), small_disk / "journal"
    await ballast.write_bytes(bytes(1_000_000))
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        fitted = await fill(host)
        assert fitted > 10
        await ballast.unlink()
        await host.register("s", TaskSpec(id="after"))

        ids = {record.id for record in kept_records(path)}
    assert ids == {*(f"t{number}" for number in range(fitted + 1)), "after"}


async def test_a_file_that_may_not_grow_is_a_full_disk(path: Path) -> None:
    journal = SqliteJournal(path)
    async with LocalBackgroundTaskHost(journal) as host:
        assert journal._open is not None
        journal._open.writer.connection.execute("PRAGMA max_page_count = 30")
        fitted = await fill(host)
        assert 0 < fitted < 100
        journal._open.writer.connection.execute("PRAGMA max_page_count = 100000")
        await host.register("s", TaskSpec(id="after"))

    assert len(kept_records(path)) == fitted + 2
    assert [event.seq for event in kept_events(path)] == list(range(1, 2 * (fitted + 2) + 1))


async def test_a_host_that_closes_on_a_full_disk_says_so_and_keeps_what_was_acknowledged(path: Path) -> None:
    async def run() -> None:
        async with LocalBackgroundTaskHost(journal) as host:
            assert journal._open is not None
            journal._open.writer.connection.execute("PRAGMA max_page_count = 30")
            fitted.append(await fill(host))

    journal, fitted = SqliteJournal(path), list[int]()
    with pytest.raises(JournalError, match="the disk is full"):
        await run()

    records = kept_records(path)
    assert {record.id for record in records} == {f"t{number}" for number in range(fitted[0])}
    assert {record.state for record in records} == {TaskState.PENDING}


def test_every_commit_is_forced_to_the_disk(path: Path) -> None:
    create(path)
    with closing(connect_for_writing(path)) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
