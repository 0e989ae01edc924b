"""Reading what is left of a damaged journal.

SQLite stops at the first page it cannot read. What lies behind it is found by asking again, from one number
further on, until it answers; the numbers asked for in vain are lost. Where the end of a table is damaged as
well, nobody knows how far to ask, so the search ends after many vain numbers in a row. Of a task whose
latest event is lost, the latest one that is left tells what it was and its own row in what state it is, so
that nothing that has ended comes back to life."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from .._errors import JournalError
from .._event_log.gaps import Forgotten, Page
from .._events import TaskEvent, missed
from .._folding import as_indexed
from ..states import TaskState
from .file import UNREADABLE, check_log, checked_schema, connect, event_from_text, read_page, readable
from .schema import (
    EVENT,
    EVENT_ROWS,
    EVENTS_OF_TASK,
    LAST_EVENT,
    LAST_SEQ,
    LAST_TASK,
    SCHEMA,
    TASK_ROWS,
)

if TYPE_CHECKING:
    from pathlib import Path

    from .._records import JsonValue

Note = Callable[[str], None]
"""Is told in words what could not be read."""

VAIN_NUMBERS = 10_000
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR)


class Rescued(NamedTuple):
    """A task of a damaged journal: its number, the event that tells how it is, its params."""

    born: int
    event: TaskEvent
    params: JsonValue


def is_damage(error: sqlite3.Error) -> bool:
    """Tell whether `error` says that the file is damaged."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open the journal at `path` as far as it can be read.

    :raises JournalTooNew: if a newer version wrote it.
    :raises JournalError: if there is none.
    """
    if not path.exists():
        raise JournalError(str(path), "it is not there")
    check_log(path)
    connection = connect(path, "ro")
    try:
        found = _schema_if_readable(path, connection)
        if found < SCHEMA:
            raise JournalError(str(path), f"it has schema {found}: a host must open it first")
    except BaseException:
        connection.close()
        raise
    return connection


def _schema_if_readable(path: Path, connection: sqlite3.Connection) -> int:
    try:
        return checked_schema(path, connection)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        connection.execute("PRAGMA writable_schema = ON")  # reads a file that is shorter than it should be
        return checked_schema(path, connection)


def page_left(
    connection: sqlite3.Connection, after: int, through: int, limit: int, known: Forgotten, note: Note
) -> Page:
    """Return a page as `Journal.read` does, with `missed` where events cannot be read."""
    try:
        return read_page(connection, after, through, limit, known)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        note(str(error))
    events = takewhile(lambda event: event.seq <= through, rescued_events(connection, after, note))
    return Page(list(islice(events, limit)), known)


def rescued_events(connection: sqlite3.Connection, after: int, note: Note) -> Iterator[TaskEvent]:
    """Yield the events after number `after` that are left, `missed` where some cannot be read."""
    for number, row in rows_left(connection, "events", EVENT_ROWS, after, note):
        if row is None:
            yield missed(after, number + 1, 0.0)
        else:
            yield readable(*row[:3])
        after = number


def tasks_left(
    connection: sqlite3.Connection, note: Note, keep: Callable[[int, TaskEvent], None] | None = None
) -> list[Rescued]:
    """Return the tasks that are left, and hand every event that is left to `keep` with its task's number."""
    latest: dict[int, TaskEvent] = {}
    for number, row in rows_left(connection, "events", EVENT_ROWS, 0, note):
        if row is None:
            continue
        event = readable(*row[:3])
        if event.record is None:
            note(f"event {number} cannot be read")
            continue
        latest[row[3]] = event
        if keep is not None:
            keep(row[3], event)
    tasks = list(_rows_of_tasks(connection, note))
    for task in tasks:
        latest.pop(task.born, None)
    return tasks + [Rescued(born, event, None) for born, event in latest.items()]


def _rows_of_tasks(connection: sqlite3.Connection, note: Note) -> Iterator[Rescued]:
    lost = []
    for _, row in rows_left(connection, "tasks", TASK_ROWS, 0, note):
        if row is None:
            continue
        born, session, task, seq, state, params = row[:6]
        event = _latest_event(connection, born, seq)
        if event is None:
            lost.append(f"{task!r} in session {session!r}")
        else:
            yield Rescued(born, as_indexed(event, seq, TaskState(state), session), _params(params))
    if lost:
        note(f"nothing is left of {len(lost)} tasks, the first one {lost[0]}")


def rows_left(
    connection: sqlite3.Connection, what: str, query: str, after: int, note: Note
) -> Iterator[tuple[int, tuple[Any, ...] | None]]:
    """Yield each row that can be read with its number, and None with the last number of each hole."""
    last, found = last_number(connection), after
    while after - found < VAIN_NUMBERS if last is None else after < last:
        # each damaged page ends the query; the next one starts behind it
        try:
            for row in connection.execute(query, (after,)):
                if row[0] <= after:  # what a torn page says
                    break
                if found < after:
                    note(f"{what} {found + 1} to {after} cannot be read")
                    yield after, None
                found = after = row[0]
                yield found, row
            else:
                break
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
        # nothing at this number: try the next, one by one, until a row is readable again
        after += 1
    if found < after:
        note(f"{what} from number {found + 1} on cannot be read")
        if last is not None:
            yield after, None


def last_number(connection: sqlite3.Connection) -> int | None:
    """Return the last number there is, None if that cannot be known."""
    for query in (LAST_SEQ, LAST_EVENT, LAST_TASK):
        try:
            return cast("int", connection.execute(query).fetchone()[0] or 0)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
    return None


def _latest_event(connection: sqlite3.Connection, born: int, seq: int) -> TaskEvent | None:
    # the index says which event is the latest; where that is gone an earlier one is better than none
    for number in (seq, *_numbers(connection, born)):
        try:
            event = event_from_text(connection.execute(EVENT, (number,)).fetchone()[0])
        except (sqlite3.DatabaseError, *UNREADABLE):
            continue
        if event.record is not None:
            return event
    return None


def _numbers(connection: sqlite3.Connection, born: int) -> list[int]:
    try:
        return [number for (number,) in connection.execute(EVENTS_OF_TASK, (born,))]
    except sqlite3.DatabaseError:
        return []


def _params(text: str | None) -> JsonValue:
    try:
        params: JsonValue = json.loads(text) if text else None
    except UNREADABLE:
        return None
    return params
