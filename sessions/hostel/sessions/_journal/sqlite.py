"""The journal of a host on one machine: one SQLite file, written by one thread.

Every commit is forced to the disk (WAL with `synchronous=FULL`): what was acknowledged survives `kill -9` and
a power cut. That costs one flush per batch, however many callers share it: 0.2 ms on a fast disk, 10 ms on
one that turns. Without it (`NORMAL`) a commit survives `kill -9` alone: one change takes 0.1 ms instead of
0.3, a hundred in a batch the same 3.4. With no flush at all (`OFF`) a power cut may take the whole file. So
neither is offered. `benchmarks/journal.py` measures all three."""

from __future__ import annotations

import logging
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

import anyio
import anyio.to_thread
import attrs

from .._errors import JournalError
from .._events import EventType
from .._json import event_to_text, to_text
from .file import (
    HostLock,
    connect,
    connect_for_writing,
    create,
    migrate,
    schema_of,
    translating,
)
from .protocol import Append, Finished, Forget, Kept, Summaries, TaskQuery, Unread
from .queries import (
    forget_finished,
    known_numbers,
    read_finished,
    read_live,
    read_summaries,
    read_surplus,
    read_value,
)
from .rescue import page_left
from .schema import CHANGES, FORGET, SCHEMA, insert_changes, storable
from .unread import FORGET_AFTER, acknowledge, forget_idle_consumers, know, read_unread

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence

    from .._event_log.gaps import Forgotten, Page
    from .._records import TaskRecord

T = TypeVar("T")
Args = TypeVarTuple("Args")

Value = str | int | float | None
CHUNKS = (64, 8, 1)
"""How many changes one statement carries out: few sizes, so that each is prepared once."""

PRUNED_AT_ONCE = 500
CLOSE_SECONDS = 10.0
"""How long to wait for a disk that hangs."""

log = logging.getLogger("hostel.sessions")


class _Lane:
    """One connection, and a place for the one thread that may use it."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._path = path
        self._turn = anyio.CapacityLimiter(1)

    async def run(self, func: Callable[[sqlite3.Connection, *Args], T], *args: *Args) -> T:
        """Call `func` with the connection and `args` in a worker thread, when it is their turn."""
        with translating(self._path):
            return await anyio.to_thread.run_sync(func, self.connection, *args, limiter=self._turn)

    async def close(self) -> None:
        """Close the connection when nobody uses it; whoever is cancelled meanwhile need not wait."""
        with translating(self._path):
            await anyio.to_thread.run_sync(self.connection.close, limiter=self._turn, abandon_on_cancel=True)


@attrs.frozen
class _Open:
    """What an open journal holds."""

    lock: HostLock
    writer: _Lane
    reader: _Lane
    lists: _Lane
    """For what may take long, so that nobody else waits for it."""


class SqliteJournal:
    """A journal in the SQLite file at `path`, made (readable by its owner alone) if it is not there.

    For `LocalBackgroundTaskHost(journal=...)`. Other processes read it with `JournalReader`. Beside the file
    lie `-wal` and `-shm` while it is open, `.lock`, which shows that a host has it, and the folder of what
    tasks have written. The folder must not
    be on a network file system. A file does not shrink when tasks are forgotten; their room is used again."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._open: _Open | None = None
        self._new_consumers = 0
        """How many came since it was last looked who has nothing to read any more."""

    @property
    def output_dir(self) -> Path:
        """Where hosts keep what tasks write: beside the file, `-output` for its suffix."""
        return self.path.with_name(f"{self.path.stem}-output")

    async def open(self) -> tuple[list[Kept], int]:
        """Take the journal for this host alone; return its live tasks, in the order they came, and
        the last sequence number.

        :raises JournalInUse: if another host has it.
        :raises JournalTooNew: if a newer version wrote it.
        :raises JournalCorrupt: if part of it cannot be read.
        :raises JournalError: if it cannot be opened.
        """
        if self._open is not None:
            raise JournalError(str(self.path), "is open already")
        with translating(self.path):
            (lock, *connections), tasks = await anyio.to_thread.run_sync(self._take)
        self._open = _Open(lock, *(_Lane(self.path, connection) for connection in connections))
        return tasks

    async def write(self, changes: Sequence[Append | Forget]) -> None:
        """Make `changes` durable, all or none, in order.

        :raises JournalConflict: if somebody else has changed one of the tasks.
        :raises JournalError: if that is not possible now.
        """
        await self._opened.writer.run(write_changes, changes)

    async def read(self, after: int, through: int, limit: int, known: Forgotten) -> Page:
        """Return at most `limit` events after number `after` up to `through`, `missed` where they cannot be
        read, and what is gone if that is more than `known`.
        """
        return await self._opened.reader.run(page_left, after, through, limit, known, _warn)

    async def finished(self, query: TaskQuery) -> Finished:
        """Return the finished tasks `query` asks for.

        :raises JournalCorrupt: if one of them cannot be read.
        """
        journal = self._opened
        # one task, one key and one family are found by an index; a list may read for seconds
        found = query.task_id, query.key, query.filter.parent_task_id
        lane = journal.lists if found == (None, None, None) else journal.reader
        return await lane.run(read_finished, query)

    async def summaries(self) -> Summaries:
        """Return the sessions that have finished tasks."""
        return await self._opened.lists.run(read_summaries)

    async def value(self, seq: int) -> str | None:
        """Return the JSON text of the value that came with the end of that number, None if it is gone."""
        return await self._opened.reader.run(read_value, seq)

    async def unread(self, session_id: str, consumer: str, limit: int) -> Unread:
        """Return what the consumer has not acknowledged of the session, oldest first, at most `limit` of
        each kind; it is known from now on.
        """
        journal = self._opened
        # to look takes no turn of the writer, which others wait for
        unread = await journal.reader.run(read_unread, session_id, consumer, limit)
        while unread is None:
            await self._count(await journal.writer.run(know, session_id, consumer))
            unread = await journal.reader.run(read_unread, session_id, consumer, limit)
        return unread

    async def acknowledge(self, session_id: str, consumer: str, seqs: Sequence[int], missed: int) -> None:
        """Do not give the consumer ends and notices of these numbers again, and forget that it `missed` so
        many.
        """
        await self._count(await self._opened.writer.run(acknowledge, session_id, consumer, seqs, missed))

    async def _count(self, is_new: bool) -> None:
        self._new_consumers += is_new
        if self._new_consumers >= FORGET_AFTER:
            self._new_consumers = 0
            await self._opened.writer.run(forget_idle_consumers)

    async def known(self, numbers: Sequence[int]) -> set[int]:
        """Return those numbers of registrations whose tasks are still known."""
        return await self._opened.reader.run(known_numbers, numbers)

    async def prune(self, session_id: str | None, keep: int, before: float | None) -> list[int]:
        """Forget the finished tasks beyond the `keep` latest of each session, or of that one, that ended
        before `before`; return the numbers of their ends.
        """
        journal, gone = self._opened, list[int]()
        surplus = await journal.lists.run(read_surplus, session_id, keep, before)
        # in pieces: between two of them the host's own writes get their turn
        for first in range(0, len(surplus), PRUNED_AT_ONCE):
            gone += await journal.writer.run(forget_finished, surplus[first : first + PRUNED_AT_ONCE])
        return gone

    async def aclose(self) -> None:
        """Give the journal back; a disk that hangs is waited for 10 s at most, and said to."""
        journal, self._open = self._open, None
        if journal is None:
            return
        with anyio.move_on_after(CLOSE_SECONDS, shield=True) as patience:
            for lane in (journal.lists, journal.reader, journal.writer):
                await lane.close()
            journal.lock.release()
        if patience.cancelled_caught:
            log.warning("journal %s: the disk does not answer, the file is left open", self.path)

    @property
    def _opened(self) -> _Open:
        if self._open is None:
            raise JournalError(str(self.path), "is not open")
        return self._open

    def _take(
        self,
    ) -> tuple[
        tuple[HostLock, sqlite3.Connection, sqlite3.Connection, sqlite3.Connection], tuple[list[Kept], int]
    ]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            lock = HostLock(self.path)
            stack.callback(lock.release)
            # the lock comes first, so that two hosts never migrate one file
            self._bring_up_to_date()
            reader = stack.enter_context(closing(connect(self.path, "ro")))
            tasks = read_live(reader)
            lists = stack.enter_context(closing(connect(self.path, "ro")))
            writer = stack.enter_context(closing(connect_for_writing(self.path)))
            writer.executescript(CHANGES)
            forget_idle_consumers(writer)
            # all is open: from here on aclose() owns it
            stack.pop_all()
        return (lock, writer, reader, lists), tasks

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
        return FORGET, change.seq, session, task, 0.0, session, change.seq, *NOTHING
    event = change.event
    record = event.record
    registers = event.type is EventType.REGISTERED
    return (
        event.type.value,
        event.seq,
        event.session_id,
        event.task_id,
        event.at,
        event.from_session_id or event.session_id,
        change.expected,
        record.state.value if record is not None else None,
        to_text(change.params) if registers and change.params is not None else None,
        event_to_text(event),
        *(_searched(record) if record is not None else (None, None, None)),
        change.value,
        change.retain,
        event.notify,
    )


NOTHING = (None,) * 9


def _searched(record: TaskRecord) -> Iterator[str | None]:
    for text in (record.kind, record.parent_task_id, record.attempt.idempotency_key):
        yield None if text is None else storable(text)


def _warn(problem: str) -> None:
    log.warning("reading back from the journal: %s", problem)
