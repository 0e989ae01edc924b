"""A journal read from outside: by another process while a host writes to it, or by anybody afterwards."""

from __future__ import annotations

import sqlite3
from functools import partial
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple, cast

import anyio
import anyio.to_thread

from ._errors import JournalCorrupt, JournalError
from ._records import EVERYTHING
from ._replay import Losses
from ._sqlite_file import read_tasks, translating
from ._sqlite_rescue import is_damage, last_number, open_for_reading, page_left, tasks_left

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import TracebackType
    from typing import Self

    from ._events import TaskEvent
    from ._records import TaskFilter, TaskRecord

T = TypeVar("T")
Args = TypeVarTuple("Args")

PAGE_SIZE = 500
POLL_SECONDS = 0.1
UNKNOWN_END = 2**63 - 1


class JournalReader:
    """The journal at `path`, read without disturbing the host that writes to it; a context manager.

    Nothing in the journal is changed. The methods block while they read, but `follow` does not. Damaged parts
    are left out, lost events are told as `missed`, and `damage` says in words what was met.

    :raises JournalTooNew: on entering, if a newer version wrote it.
    :raises JournalCorrupt: on entering, if not even its first page can be read; `salvage_journal` may help.
    :raises JournalError: on entering, if there is no journal.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._connection: sqlite3.Connection | None = None
        self._turn = Lock()
        self._damage: dict[str, None] = {}

    def __enter__(self) -> Self:
        with translating(self.path):
            self._connection = open_for_reading(self.path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        with self._turn:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @property
    def damage(self) -> tuple[str, ...]:
        """What could not be read so far."""
        return tuple(self._damage)

    def records(self, filter: TaskFilter = EVERYTHING) -> list[TaskRecord]:
        """Return the records that match, by creation time, as `BackgroundTaskHost.list` does.

        Those of a host that died are as it left them: still `running` until the next host opens the
        journal."""
        ended = filter.include_terminal or (filter.state is not None and filter.state.is_terminal)
        records = [record for record in self._read(self._records) if ended or not record.is_terminal]
        matching = [record for record in records if filter.matches(record)]
        return sorted(matching, key=lambda record: (record.created_at, record.id))

    def events(
        self, after: int = 0, limit: int | None = None, *, filter: TaskFilter = EVERYTHING
    ) -> Iterator[TaskEvent]:
        """Yield the events after number `after` that match, at most `limit`, up to the last one there is.

        `missed` comes first if some of them were forgotten.
        """
        return islice((event for event in self._all(after) if event.matches(filter)), limit)

    async def follow(
        self,
        after: int | None = None,
        *,
        filter: TaskFilter = EVERYTHING,
        poll: float = POLL_SECONDS,
    ) -> AsyncIterator[TaskEvent]:
        """Yield the events after number `after` (None: from now on) that match, and go on for ever.

        Asks every `poll` seconds whether anything was written, which costs no disk access.
        """
        read = partial(self._read_in_thread, anyio.CapacityLimiter(1))
        cursor = await read(self._last_seq) if after is None else after
        while True:
            version = await read(_version)
            through, losses = await read(self._last_seq), Losses(cursor)
            while cursor < through:
                events = await read(self._page, cursor, through, losses)
                for event in events:
                    if event.matches(filter):
                        yield event
                cursor = events[-1].seq if events else through
            while await read(_version) == version:  # noqa: ASYNC110 - another process wakes nobody here
                await anyio.sleep(poll)

    def _all(self, after: int) -> Iterator[TaskEvent]:
        through, losses = self._read(self._last_seq), Losses(after)
        while after < through:
            events = self._read(self._page, after, through, losses)
            yield from events
            after = events[-1].seq if events else through

    def _read(self, func: Callable[[sqlite3.Connection, *Args], T], *args: *Args) -> T:
        with self._turn, translating(self.path):
            if self._connection is None:
                raise JournalError(str(self.path), "is not open")
            return func(self._connection, *args)

    async def _read_in_thread(
        self, turn: anyio.CapacityLimiter, func: Callable[[sqlite3.Connection, *Args], T], *args: *Args
    ) -> T:
        return await anyio.to_thread.run_sync(self._read, func, *args, limiter=turn)

    def _records(self, connection: sqlite3.Connection) -> list[TaskRecord]:
        try:
            return [kept.record for kept in read_tasks(self.path, connection)[0]]
        except (sqlite3.DatabaseError, JournalCorrupt) as error:
            self._note_damage(error)
        events = [task.event for task in tasks_left(connection, self._note)]
        return [event.record for event in events if event.record is not None]

    def _page(
        self, connection: sqlite3.Connection, after: int, through: int, losses: Losses
    ) -> list[TaskEvent]:
        page = page_left(connection, after, through, PAGE_SIZE, losses.known, self._note)
        return losses.told(page, through)

    def _last_seq(self, connection: sqlite3.Connection) -> int:
        last = last_number(connection)
        return UNKNOWN_END if last is None else last

    def _note_damage(self, error: Exception) -> None:
        if isinstance(error, sqlite3.Error):
            if not is_damage(error):
                raise error
            self._note(str(error))

    def _note(self, problem: str) -> None:
        self._damage[problem] = None


def _version(connection: sqlite3.Connection) -> int:
    """Return a number that changes with every write of somebody else."""
    return cast("int", connection.execute("PRAGMA data_version").fetchone()[0])
