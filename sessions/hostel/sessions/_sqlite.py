"""The journal of a host on one machine: one SQLite file, written by one thread.

Every commit is forced to the disk (WAL with `synchronous=FULL`): what was acknowledged survives `kill -9` and
a power cut. That costs one flush per batch, however many callers share it: 0.2 ms on a fast disk, 10 ms on
one that turns. Without it (`NORMAL`) a commit survives `kill -9` alone: one change takes 0.1 ms instead of
0.3, a hundred in a batch the same 3.4. With no flush at all (`OFF`) a power cut may take the whole file. So
neither is offered. `benchmarks/journal.py` measures all three."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

import anyio
import anyio.to_thread
import attrs

from ._errors import JournalError
from ._events import EventType
from ._journal import Append, Forget, Kept
from ._json import event_to_text, to_text
from ._sqlite_file import (
    HostLock,
    connect,
    connect_for_writing,
    create,
    migrate,
    read_tasks,
    schema_of,
    translating,
)
from ._sqlite_rescue import page_left
from ._sqlite_schema import CHANGES, FORGET, SCHEMA, insert_changes

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence

    from ._replay import Forgotten, Page

T = TypeVar("T")
Args = TypeVarTuple("Args")

Value = str | int | float | None
CHUNKS = (64, 8, 1)
"""How many changes one statement carries out: few sizes, so that each is prepared once."""

log = logging.getLogger("hostel.sessions")


@attrs.frozen
class _Open:
    """What an open journal holds."""

    lock: HostLock
    writing: sqlite3.Connection
    reading: sqlite3.Connection
    writer: anyio.CapacityLimiter
    reader: anyio.CapacityLimiter


class SqliteJournal:
    """A journal in the SQLite file at `path`, made (readable by its owner alone) if it is not there.

    For `LocalBackgroundTaskHost(journal=...)`. Other processes read it with `JournalReader`. Beside the file
    lie `-wal` and `-shm` while it is open, and `.lock`, which shows that a host has it. The folder must not
    be on a network file system. A file does not shrink when tasks are forgotten; their room is used again."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._open: _Open | None = None

    async def open(self) -> tuple[list[Kept], int]:
        """Take the journal for this host alone; return its tasks and the last sequence number.

        :raises JournalInUse: if another host has it.
        :raises JournalTooNew: if a newer version wrote it.
        :raises JournalCorrupt: if part of it cannot be read.
        :raises JournalError: if it cannot be opened.
        """
        if self._open is not None:
            raise JournalError(str(self.path), "is open already")
        writer, reader = anyio.CapacityLimiter(1), anyio.CapacityLimiter(1)
        connections, tasks = await self._run(writer, self._take)
        self._open = _Open(*connections, writer, reader)
        return tasks

    async def write(self, changes: Sequence[Append | Forget]) -> None:
        """Make `changes` durable, all or none, in order.

        :raises JournalConflict: if somebody else has changed one of the tasks.
        :raises JournalError: if that is not possible now.
        """
        journal = self._opened
        await self._run(journal.writer, write_changes, journal.writing, changes)

    async def read(self, after: int, through: int, limit: int, known: Forgotten) -> Page:
        """Return at most `limit` events after number `after` up to `through`, `missed` where they cannot be
        read, and what is gone if that is more than `known`.
        """
        journal = self._opened
        return await self._run(
            journal.reader, page_left, journal.reading, after, through, limit, known, _warn
        )

    async def aclose(self) -> None:
        """Give the journal back."""
        journal, self._open = self._open, None
        if journal is not None:
            with anyio.CancelScope(shield=True):
                async with journal.reader:
                    await self._run(journal.writer, _release, journal)

    @property
    def _opened(self) -> _Open:
        if self._open is None:
            raise JournalError(str(self.path), "is not open")
        return self._open

    async def _run(self, limiter: anyio.CapacityLimiter, func: Callable[[*Args], T], *args: *Args) -> T:
        with translating(self.path):
            return await anyio.to_thread.run_sync(func, *args, limiter=limiter)

    def _take(
        self,
    ) -> tuple[tuple[HostLock, sqlite3.Connection, sqlite3.Connection], tuple[list[Kept], int]]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = HostLock(self.path)
        opened: list[sqlite3.Connection] = []
        try:
            self._bring_up_to_date()
            opened.append(connect(self.path, "ro"))
            tasks = read_tasks(self.path, opened[0])
            opened.append(connect_for_writing(self.path))
            opened[1].executescript(CHANGES)
        except BaseException:
            for connection in opened:
                connection.close()
            lock.release()
            raise
        return (lock, opened[1], opened[0]), tasks

    def _bring_up_to_date(self) -> None:
        found = schema_of(self.path)
        if found == 0:
            create(self.path)
        elif found < SCHEMA:
            with closing(connect_for_writing(self.path)) as connection:
                migrate(connection, found)


def write_changes(connection: sqlite3.Connection, changes: Sequence[Append | Forget]) -> None:
    """Carry out `changes` in one transaction."""
    rows = [_row(change) for change in changes]
    try:
        connection.execute("BEGIN IMMEDIATE")
        for chunk in _chunks(rows):
            connection.execute(insert_changes(len(chunk)), [value for row in chunk for value in row])
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def _chunks(rows: list[tuple[Value, ...]]) -> Iterator[list[tuple[Value, ...]]]:
    start = 0
    for size in CHUNKS:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


def _row(change: Append | Forget) -> tuple[Value, ...]:
    """Return the values of the view `change`."""
    if isinstance(change, Forget):
        session, task = change.session_id, change.task_id
        return FORGET, change.seq, session, task, 0.0, session, change.seq, None, None, None
    event = change.event
    registers = event.type is EventType.REGISTERED
    return (
        event.type.value,
        event.seq,
        event.session_id,
        event.task_id,
        event.at,
        event.from_session_id or event.session_id,
        change.expected,
        event.record.state.value if event.record is not None else None,
        to_text(change.params) if registers and change.params is not None else None,
        event_to_text(event),
    )


def _warn(problem: str) -> None:
    log.warning("reading back from the journal: %s", problem)


def _release(journal: _Open) -> None:
    journal.reading.close()
    journal.writing.close()
    journal.lock.release()
