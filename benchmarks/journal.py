"""What durability costs: commits, registrations with a journal, opening a journal again and asking it.

    python benchmarks/journal.py [--finished 500000] [--folder .]

The folder should be on the disk one wants to know about; a memory file system knows no flush."""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import attrs
from rich.console import Console
from rich.table import Table

from hostel.sessions import (
    CancelPolicy,
    ClosePolicy,
    LocalBackgroundTaskHost,
    Priority,
    TaskAttempt,
    TaskFilter,
    TaskRecord,
    TaskSpec,
    TaskState,
)
from hostel.sessions import _transitions as changes
from hostel.sessions._journal.file import connect_for_writing, create
from hostel.sessions._journal.protocol import Append
from hostel.sessions._journal.schema import CHANGES
from hostel.sessions._journal.sqlite import write_changes
from hostel.sessions.journal import SqliteJournal

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 1.0
NOW = 1_800_000_000.123
BATCH = 500
LIVE = 1_000
OPEN_SECONDS = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--finished", type=int, default=500_000)
    parser.add_argument("--folder", type=Path, default=Path())
    chosen = parser.parse_args()
    console = Console(width=100)
    with tempfile.TemporaryDirectory(dir=chosen.folder, prefix="journal-") as folder:
        console.print(commits(Path(folder)))
        console.print(registrations(Path(folder)))
        console.print(anyio.run(reopening, Path(folder), chosen.finished))


def commits(folder: Path) -> Table:
    table = Table("synchronous", "1 change", "10 changes", "100 changes", title="One commit, ms")
    for level in ("FULL", "NORMAL", "OFF"):
        table.add_row(level, *(f"{1e3 * commit(folder, level, size):.2f}" for size in (1, 10, 100)))
    return table


def commit(folder: Path, level: str, size: int) -> float:
    path, task = folder / f"{level}-{size}", 0
    create(path)
    with closing(connect_for_writing(path)) as connection:
        connection.execute(f"PRAGMA synchronous = {level}")
        connection.executescript(CHANGES)
        count, end = 0, time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            write_changes(connection, [registered(task + number) for number in range(1, size + 1)])
            task += size
            count += 1
    return SECONDS / count


def registrations(folder: Path) -> Table:
    title = "Durable registrations per second, by concurrent callers"
    table = Table("loop", "1", "10", "100", "1000", "100, busy process", title=title)
    for loop in ("asyncio", "trio"):
        rates = [anyio.run(register, folder, callers, backend=loop) for callers in (1, 10, 100, 1000)]
        with busy_thread():
            rates.append(anyio.run(register, folder, 100, backend=loop))
        table.add_row(loop, *(f"{rate:,.0f}" for rate in rates))
    return table


async def register(folder: Path, callers: int) -> float:
    count = 0

    async def call(session_id: str) -> None:
        nonlocal count
        while time.perf_counter() < end:
            await host.register(session_id, TaskSpec(label="a label"))
            count += 1

    path = Path(tempfile.mkdtemp(dir=folder)) / "journal"
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        start = time.perf_counter()
        end = start + SECONDS
        async with anyio.create_task_group() as group:
            for number in range(callers):
                group.start_soon(call, f"s{number}")
        return count / (time.perf_counter() - start)


@contextmanager
def busy_thread() -> Iterator[None]:
    """Keep one thread of the process calculating."""
    over = threading.Event()

    def calculate() -> None:
        while not over.is_set():
            sum(range(1000))

    thread = threading.Thread(target=calculate)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


async def reopening(folder: Path, count: int) -> Table:
    path = folder / "many"
    journal = SqliteJournal(path)
    await journal.open()
    start = time.perf_counter()
    for first in range(0, count, BATCH):
        await journal.write(finished(first, BATCH))
    written = time.perf_counter() - start
    await journal.write([registered(2 * count + number) for number in range(1, LIVE + 1)])
    await journal.aclose()
    table = Table("", "s", "goal", title=f"A journal of {count:,} finished and {LIVE:,} live tasks")
    await times(path, table)
    size = (await anyio.Path(path).stat()).st_size
    table.caption = (
        f"{size / 1e6:,.0f} MB, written at {2 * count / written:,.0f} events/s in batches of {2 * BATCH}"
    )
    return table


async def times(path: Path, table: Table) -> None:
    """Add a row for each thing that one may ask of a journal."""
    journal = SqliteJournal(path)
    with timed(table, "open the journal", OPEN_SECONDS):
        live, _ = await journal.open()
    assert len(live) == LIVE
    await journal.aclose()
    host = LocalBackgroundTaskHost(SqliteJournal(path), retain_terminal=10**9)
    with timed(table, "open the host, which abandons what was live", OPEN_SECONDS):
        await host.__aenter__()
    every = TaskFilter(include_terminal=True)
    with timed(table, "get one finished task"):
        assert await host.get("task-0000000000000000001") is not None
    with timed(table, "list a session"):
        await host.list(attrs.evolve(every, session_id="session-1"))
    with timed(table, "a page of 100 of all"):
        await host.page(every)
    with timed(table, "all sessions at a glance"):
        await host.sessions()
    with timed(table, "list all"):
        await host.list(every)
    with timed(table, "prune all but 10 of each session"):
        await host.prune(keep=10)
    await host.__aexit__(None, None, None)


@contextmanager
def timed(table: Table, what: str, most: float | None = None) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    goal = "" if most is None else f"at most {most:g}" + (", missed" if seconds > most else "")
    table.add_row(what, f"{seconds:.3f}", goal)


def finished(first: int, count: int) -> list[Append]:
    """Return what becomes of `count` tasks from their registration to their end."""
    batch: list[Append] = []
    for number in range(first, first + count):
        before = registered(2 * number + 1)
        assert before.event.record is not None
        stamp = NOW, 2 * number + 2
        end = changes.ended(before.event.record, TaskState.COMPLETED, stamp)
        batch += [before, Append(end, before.event.seq)]
    return batch


def registered(seq: int) -> Append:
    record = TaskRecord(
        f"task-{seq:019d}", f"session-{seq % 500}", "other", "plugin", "a label", None, None,
        TaskState.RUNNING, CancelPolicy.COOPERATIVE, ClosePolicy.KEEP, TaskAttempt(),
        None, None, None, None, 0, Priority.NORMAL, None, None, None,
        NOW, NOW, NOW, None, "host-000000000000000000", seq,
    )  # fmt: skip
    return Append(changes.registered(record), None, {"n": 1})


if __name__ == "__main__":
    main()
