"""What a journal's file knows of tasks: the live ones at its opening, the finished ones when they are asked
for.

Whatever is read says as of which event it is true. So a host can put together what it has in memory and
what the file has: a task that ended by then is the file's, any other is its own."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import attrs

from .._records import SessionSummary, TaskFilter
from ..states import TaskState
from .file import UNREADABLE, Torn, event_from_text
from .protocol import Finished, Kept, Summaries, TaskQuery
from .schema import (
    IS_KNOWN,
    LAST_SEQ,
    LEFT_BEHIND,
    PROBES,
    PRUNE,
    SCANNED,
    SUMMARIES,
    SURPLUS,
    VALUE,
    select_latest,
    select_tasks,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

LIVE_ONES = TaskQuery(TaskFilter())


def read_tasks(connection: sqlite3.Connection, query: TaskQuery, *, ended: bool = False) -> list[Kept]:
    """Return the tasks `query` asks for in the order they came, or only those that have `ended`.

    :raises Torn: if one of them cannot be read.
    """
    return [_kept(*row) for row in connection.execute(*select_tasks(query, ended=ended))]


def _kept(number: int, session: str, task: str, params: str | None, text: str) -> Kept:
    try:
        record = event_from_text(text).record
        if record is None or (record.session_id, record.id) != (session, task):
            raise ValueError("an event of something else")
        return Kept(number, record, json.loads(params) if params else None)
    except UNREADABLE as error:
        raise Torn(f"what it has of task {task!r} in session {session!r} cannot be read") from error


def read_live(connection: sqlite3.Connection) -> tuple[list[Kept], int]:
    """Return the live tasks in the order they came, and the last number ever used.

    :raises Torn: if one of them cannot be read.
    """
    with _snapshot(connection) as last:
        for probe in PROBES:
            connection.execute(probe).fetchone()
        left: dict[int, tuple[str, ...]] = {}
        for number, session in connection.execute(LEFT_BEHIND):
            left[number] = (*left.get(number, ()), session)
        tasks = read_tasks(connection, LIVE_ONES)
    return [attrs.evolve(task, left=left.get(task.number, ())) for task in tasks], last


def read_finished(connection: sqlite3.Connection, query: TaskQuery) -> Finished:
    """Return the finished tasks `query` asks for.

    :raises Torn: if one of them cannot be read.
    """
    with _snapshot(connection) as last:
        if query.before is None:
            return Finished(read_tasks(connection, query, ended=True), last)
        return _read_latest(connection, query, last)


def _read_latest(connection: sqlite3.Connection, query: TaskQuery, last: int) -> Finished:
    wanted, extent, values = select_latest(query)
    tasks = [_kept(*row) for row in connection.execute(wanted, values)]
    if query.limit is not None and len(tasks) == query.limit:
        return Finished(tasks, last, tasks[-1].record.seq if tasks else 0)
    seen, reached = connection.execute(extent, values).fetchone()
    return Finished(tasks, last, reached if seen == SCANNED else 0)


def read_summaries(connection: sqlite3.Connection) -> Summaries:
    """Return the sessions that have finished tasks."""
    sessions: dict[str, SessionSummary] = {}
    with _snapshot(connection) as last:
        for session, state, count, first, latest in connection.execute(SUMMARIES):
            known = sessions.get(session)
            counts = {TaskState(state): count, **(known.counts if known is not None else {})}
            if known is not None:
                first, latest = min(first, known.first_activity), max(latest, known.last_activity)
            sessions[session] = SessionSummary(session, counts, 0, first, latest)
    return Summaries(sessions, last)


def read_value(connection: sqlite3.Connection, seq: int) -> str | None:
    """Return the JSON text of the value that came with the end of that number, None if it is gone."""
    row = connection.execute(VALUE, (seq,)).fetchone()
    return cast("str", row[0]) if row is not None else None


def known_numbers(connection: sqlite3.Connection, numbers: Sequence[int]) -> set[int]:
    """Return those numbers of registrations whose tasks are still known."""
    return {number for number in numbers if connection.execute(IS_KNOWN, (number,)).fetchone()}


def read_surplus(
    connection: sqlite3.Connection, session: str | None, keep: int, before: float | None
) -> list[tuple[int, int]]:
    """Return number and end of the finished tasks beyond the `keep` latest of each session that ended before
    `before`.
    """
    wanted = {"session": session, "keep": keep, "before": before}
    return connection.execute(SURPLUS, wanted).fetchall()


def forget_finished(connection: sqlite3.Connection, tasks: Sequence[tuple[int, int]]) -> list[int]:
    """Forget tasks by number and end, in one transaction; return the ends of those that were there."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        gone = [task[1] for task in tasks if connection.execute(PRUNE, task).rowcount]
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    return gone


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[int]:
    """Let everything inside be read as of one moment: the event of that number."""
    connection.execute("BEGIN")
    try:
        yield cast("int", connection.execute(LAST_SEQ).fetchone()[0])
    finally:
        connection.rollback()
