"""What a journal keeps for inboxes, and the SQL of it.

Nothing is written when a task ends: what is unread by a consumer follows from the tasks that have ended in
its session. A consumer is a row: up to the event number `through` it has acknowledged everything, and `acks`
names what it has acknowledged beyond. Each acknowledgement moves `through` as far as it can, so that reading
costs by what is unread and not by what ever ended. Only what a task tells by itself is kept beside, in
`notices`. What is forgotten unread (a task beyond those a session retains) is counted by a trigger and
told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..states import TERMINAL
from .file import UNREADABLE, Torn, event_from_text
from .protocol import Kept, Unread

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from .._events import TaskEvent

_ENDED = f"state IN ({', '.join(repr(state.value) for state in sorted(TERMINAL))})"
_AFTER = "seq > (SELECT through FROM consumers WHERE session = :session AND consumer = :consumer)"
_NOT_ACKED = "seq NOT IN (SELECT seq FROM acks WHERE session = :session AND consumer = :consumer)"
_UNREAD = f"session = :session AND {_AFTER} AND {_NOT_ACKED}"

MOST_LOST = 1_000
"""How many consumers are remembered who missed something in sessions of which nothing is left."""
FORGET_AFTER = 1_000
"""How many new consumers there may be before those are looked for who have nothing to read any more."""

KNOW = "INSERT OR IGNORE INTO consumers (session, consumer) VALUES (:session, :consumer)"
ENDED = f"""
SELECT born, (SELECT json FROM events WHERE events.seq = tasks.seq)
FROM tasks INDEXED BY ended_tasks WHERE {_ENDED} AND {_UNREAD} ORDER BY seq LIMIT :limit
"""
TOLD = f"SELECT born, json FROM notices WHERE {_UNREAD} ORDER BY seq LIMIT :limit"
MISSED = "SELECT missed FROM consumers WHERE session = :session AND consumer = :consumer"

ACK = f"""
INSERT OR IGNORE INTO acks SELECT :session, :consumer, :seq
WHERE EXISTS (SELECT 1 FROM tasks WHERE session = :session AND seq = :seq AND {_ENDED})
    OR EXISTS (SELECT 1 FROM notices WHERE session = :session AND seq = :seq)
"""
FORGIVE = """
UPDATE consumers SET missed = max(0, missed - :missed) WHERE session = :session AND consumer = :consumer
"""
ADVANCE = f"""
UPDATE consumers SET through = max(through, coalesce(
    (SELECT min(seq) - 1 FROM (
        SELECT * FROM (SELECT seq FROM tasks INDEXED BY ended_tasks
            WHERE {_ENDED} AND {_UNREAD} ORDER BY seq LIMIT 1)
        UNION ALL
        SELECT * FROM (SELECT seq FROM notices WHERE {_UNREAD} ORDER BY seq LIMIT 1)
    )),
    (SELECT max(seq) FROM acks WHERE session = :session AND consumer = :consumer),
    0
)) WHERE session = :session AND consumer = :consumer
"""
FORGET_ACKS = f"DELETE FROM acks WHERE session = :session AND consumer = :consumer AND NOT {_AFTER}"
_OF_NOTHING = """
    NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.session = consumers.session)
    AND NOT EXISTS (SELECT 1 FROM notices WHERE notices.session = consumers.session)
"""
FORGET_IDLE = f"DELETE FROM consumers WHERE missed = 0 AND {_OF_NOTHING}"
FORGET_LOST = f"""
DELETE FROM consumers WHERE (session, consumer) IN (
    SELECT session, consumer FROM consumers WHERE {_OF_NOTHING} ORDER BY through DESC LIMIT -1 OFFSET :most
)
"""
FORGET_IDLE_ACKS = "DELETE FROM acks WHERE session NOT IN (SELECT session FROM consumers)"


def read_unread(connection: sqlite3.Connection, session: str, consumer: str, limit: int) -> Unread | None:
    """Return what a consumer has not acknowledged, at most `limit` of each kind; None if it is not known."""
    who = {"session": session, "consumer": consumer, "limit": limit}
    connection.execute("BEGIN")
    try:
        found = connection.execute(MISSED, who).fetchone()
        ended = connection.execute(ENDED, who).fetchall()
        told = connection.execute(TOLD, who).fetchall()
    finally:
        connection.rollback()
    events = [(born, _event(text)) for born, text in ended]
    return (
        None
        if found is None
        else Unread(
            [Kept(born, event.record) for born, event in events if event.record is not None],
            [(born, _event(text)) for born, text in told],
            found[0],
        )
    )


def know(connection: sqlite3.Connection, session: str, consumer: str) -> bool:
    """Count from now on what a consumer misses; tell whether it is new."""
    return connection.execute(KNOW, {"session": session, "consumer": consumer}).rowcount > 0


def _event(text: str | None) -> TaskEvent:
    try:
        return event_from_text(text or "")
    except UNREADABLE as error:
        raise Torn("what it has of a notice cannot be read") from error


def acknowledge(
    connection: sqlite3.Connection, session: str, consumer: str, seqs: Sequence[int], missed: int
) -> bool:
    """Note that a consumer has dealt with ends and notices of these numbers, where there are such, and with
    what it missed; tell whether it is new.
    """
    who = {"session": session, "consumer": consumer}
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        is_new = connection.execute(KNOW, who).rowcount > 0
        connection.executemany(ACK, [{**who, "seq": seq} for seq in seqs])
        connection.execute(FORGIVE, {**who, "missed": missed})
        connection.execute(ADVANCE, who)
        connection.execute(FORGET_ACKS, who)
    return is_new


def forget_idle_consumers(connection: sqlite3.Connection) -> None:
    """Forget who has nothing to read, in sessions of which nothing is left; of those who have missed
    something there, some stay.
    """
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(FORGET_IDLE)
        connection.execute(FORGET_LOST, {"most": MOST_LOST})
        connection.execute(FORGET_IDLE_ACKS)
