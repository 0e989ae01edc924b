"""One read-only connection to a journal, for whichever thread's turn it is, and what it found damaged."""

from __future__ import annotations

import sqlite3
from threading import Lock
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple, cast

from .._errors import JournalError
from .file import Torn, translating
from .protocol import TaskQuery
from .queries import read_tasks
from .rescue import is_damage, last_number, open_for_reading, page_left, tasks_left

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .._event_log.gaps import Losses
    from .._events import TaskEvent
    from .._records import TaskFilter, TaskRecord

T = TypeVar("T")
Args = TypeVarTuple("Args")

PAGE_SIZE = 500
UNKNOWN_END = 2**63 - 1


class JournalView:
    """What can be read of the journal at `path`; the methods raise JournalError once it is closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: dict[str, None] = {}
        self._turn = Lock()
        with translating(path):
            self._connection: sqlite3.Connection | None = open_for_reading(path)

    def close(self) -> None:
        """Let go of the file."""
        with self._turn:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def records(self, filter: TaskFilter) -> list[TaskRecord]:
        """Return the records that match."""
        return self._read(self._records, filter)

    def page(self, after: int, through: int, losses: Losses) -> list[TaskEvent]:
        """Return the next events after number `after`, none if there are no more up to `through`."""
        page = self._read(page_left, after, through, PAGE_SIZE, losses.known, self._note)
        return losses.told(page, through)

    def last_seq(self) -> int:
        """Return the last sequence number."""
        last = self._read(last_number)
        return UNKNOWN_END if last is None else last

    def version(self) -> int:
        """Return a number that changes whenever somebody else has written."""
        return self._read(_version)

    def _read(self, func: Callable[[sqlite3.Connection, *Args], T], *args: *Args) -> T:
        with self._turn, translating(self.path):
            if self._connection is None:
                raise JournalError(str(self.path), "is not open")
            return func(self._connection, *args)

    def _records(self, connection: sqlite3.Connection, filter: TaskFilter) -> list[TaskRecord]:
        try:
            return [task.record for task in read_tasks(connection, TaskQuery(filter))]
        except Torn:
            pass
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._note(str(error))
        records = [task.event.record for task in tasks_left(connection, self._note)]
        return [record for record in records if record is not None and filter.lists(record)]

    def _note(self, problem: str) -> None:
        self.damage[problem] = None


def _version(connection: sqlite3.Connection) -> int:
    return cast("int", connection.execute("PRAGMA data_version").fetchone()[0])
