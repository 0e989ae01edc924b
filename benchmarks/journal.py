"""What durability costs: commits, registrations with a journal, and opening a journal again.

    python benchmarks/journal.py [--events 1000000] [--folder .]

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
from rich.console import Console
from rich.table import Table

from hostel.sessions import (
    CancelPolicy,
    ClosePolicy,
    LocalBackgroundTaskHost,
    SqliteJournal,
    TaskAttempt,
    TaskRecord,
    TaskSpec,
    TaskState,
)
from hostel.sessions import _reducer as changes
from hostel.sessions._journal import Append, Forget
from hostel.sessions._sqlite import write_changes
from hostel.sessions._sqlite_file import connect_for_writing, create
from hostel.sessions._sqlite_schema import CHANGES

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 1.0
NOW = 1_800_000_000.123
BATCH = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path())
    chosen = parser.parse_args()
    console = Console(width=100)
    with tempfile.TemporaryDirectory(dir=chosen.folder, prefix="journal-") as folder:
        console.print(commits(Path(folder)))
        console.print(registrations(Path(folder)))
        console.print(anyio.run(reopening, Path(folder), chosen.events))


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


async def reopening(folder: Path, events: int) -> Table:
    path = folder / "many"
    table = Table("journal", "tasks", "file, MB", "open, s", title="Opening a journal again")
    journal = SqliteJournal(path)
    await journal.open()
    start = time.perf_counter()
    last = [end for first in range(0, events // 2, BATCH) for end in await finished(journal, first, BATCH)]
    written = time.perf_counter() - start
    await journal.aclose()
    table.add_row(f"{events:,} events", *await opened(path))
    await journal.open()
    for first in range(0, len(last) - 1000, BATCH):
        await journal.write(last[first : first + BATCH])
    await journal.aclose()
    table.add_row("all but 1,000 tasks pruned", *await opened(path))
    table.caption = f"written at {events / written:,.0f} events/s, in batches of {2 * BATCH}"
    return table


async def finished(journal: SqliteJournal, first: int, count: int) -> list[Forget]:
    """Keep `count` tasks from their registration to their end; return how to forget them."""
    batch: list[Append] = []
    for number in range(first, first + count):
        before = registered(2 * number + 1)
        assert before.event.record is not None
        stamp = NOW, 2 * number + 2
        batch += [
            before,
            Append(changes.ended(before.event.record, TaskState.COMPLETED, stamp), before.event.seq),
        ]
    await journal.write(batch)
    return [Forget(end.event.session_id, end.event.task_id, end.event.seq) for end in batch[1::2]]


async def opened(path: Path) -> tuple[str, str, str]:
    journal = SqliteJournal(path)
    start = time.perf_counter()
    tasks, _ = await journal.open()
    seconds = time.perf_counter() - start
    await journal.aclose()
    size = (await anyio.Path(path).stat()).st_size
    return f"{len(tasks):,}", f"{size / 1e6:,.0f}", f"{seconds:.3f}"


def registered(seq: int) -> Append:
    record = TaskRecord(
        f"task-{seq:019d}", f"session-{seq % 500}", "other", "plugin", "a label", None, None,
        TaskState.RUNNING, CancelPolicy.COOPERATIVE, ClosePolicy.KEEP, TaskAttempt(),
        None, None, None, None, None, NOW, NOW, NOW, None, "host-000000000000000000", seq,
    )  # fmt: skip
    return Append(changes.registered(record), None, {"n": 1})


if __name__ == "__main__":
    main()
