"""What a journal is, and what travels to and from one.

A journal keeps events. A host hands them over in order, each saying which record it expects to follow, so
that two hosts on one journal notice each other. What has ended is the journal's to list: it says as of which
event its answer is true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .._event_log.gaps import Forgotten, Page
    from .._events import TaskEvent
    from .._records import JsonValue, SessionSummary, TaskFilter, TaskRecord


@attrs.frozen
class Append:
    """Keep `event`. `expected` is the `seq` of the record it follows (None: a registration).

    A registration takes the place of a finished task of the same id. An end may come with the JSON text of
    the `value` that is too large for its record; it makes the session forget its finished tasks beyond the
    `retain` latest.
    """

    event: TaskEvent
    expected: int | None
    params: JsonValue = None
    value: str | None = None
    retain: int | None = None


@attrs.frozen
class Forget:
    """Forget a task and its events, unless that was done already; `seq` is its record's."""

    session_id: str
    task_id: str
    seq: int


@attrs.frozen
class Kept:
    """One task as a journal knows it: its `number` is that of its registration, `params` are what it was
    given to keep until the task ends, `left` the sessions from which a live one has moved.
    """

    number: int
    record: TaskRecord
    params: JsonValue = None
    left: tuple[str, ...] = ()


@attrs.frozen
class TaskQuery:
    """Which tasks to read from a journal: those a list by `filter` has, of that id, of that idempotency
    key, that came after number `after`, at most `limit`. A task of that id is found in a session that it has
    left as well.

    With `before` those that ended before the event of that number, the latest first. Then only so many ends
    are looked at as can be in a moment, and the answer says how far that was.
    """

    filter: TaskFilter
    task_id: str | None = None
    key: str | None = None
    after: int = 0
    limit: int | None = None
    before: int | None = None


@attrs.frozen
class Finished:
    """Finished tasks in the order they came, as of event number `through`; with `TaskQuery.before` the latest
    end first: all ends from the event number `reached` on were looked at, 0 if none is left.
    """

    tasks: Sequence[Kept] = ()
    through: int = 0
    reached: int = 0


@attrs.frozen
class Summaries:
    """Sessions at a glance, counting their finished tasks as of event number `through`."""

    sessions: Mapping[str, SessionSummary] = attrs.Factory(dict)
    through: int = 0


@attrs.frozen
class Unread:
    """What one consumer of a session has not acknowledged, oldest first: tasks that ended in it, events of
    which the session is to be told; `missed` more are forgotten.
    """

    ended: Sequence[Kept] = ()
    told: Sequence[tuple[int, TaskEvent]] = ()
    """Each with the number of its task's registration."""
    missed: int = 0


class Journal(Protocol):
    """Durable storage of one host's events. Opened and closed once, on asyncio or trio.

    What ends is the journal's: a host keeps in memory what is live and what is not durable yet, and asks
    the journal for the rest. What is read says as of which event it is true."""

    @property
    def output_dir(self) -> Path | None:
        """Where hosts keep what tasks write; None if they do not outlive their tasks' ends."""
        ...

    async def open(self) -> tuple[list[Kept], int]:
        """Take the journal for this host alone; return its live tasks, in the order they came, and the last
        sequence number.

        :raises JournalInUse: if another host has it.
        :raises JournalTooNew, JournalCorrupt: if it cannot be read.
        """
        ...

    async def write(self, changes: Sequence[Append | Forget]) -> None:
        """Make `changes` durable, all or none, in order.

        :raises JournalConflict: if somebody else has changed one of the tasks.
        :raises JournalError: if that is not possible now.
        """
        ...

    async def read(self, after: int, through: int, limit: int, known: Forgotten) -> Page:
        """Return at most `limit` events after number `after` up to `through`, and what is gone if that is
        more than `known`.
        """
        ...

    async def finished(self, query: TaskQuery) -> Finished:
        """Return the finished tasks `query` asks for.

        :raises JournalCorrupt: if one of them cannot be read.
        """
        ...

    async def summaries(self) -> Summaries:
        """Return the sessions that have finished tasks."""
        ...

    async def value(self, seq: int) -> str | None:
        """Return the JSON text of the value that came with the end of that number, None if it is gone."""
        ...

    async def unread(self, session_id: str, consumer: str, limit: int) -> Unread:
        """Return what the consumer has not acknowledged of the session, at most `limit` of each kind; it is
        known from now on: what is forgotten before it has acknowledged it is counted.
        """
        ...

    async def acknowledge(self, session_id: str, consumer: str, seqs: Sequence[int], missed: int) -> None:
        """Do not give the consumer ends and notices of these numbers again, and forget that it `missed` so
        many.
        """
        ...

    async def known(self, numbers: Sequence[int]) -> set[int]:
        """Return those numbers of registrations whose tasks are still known."""
        ...

    async def prune(self, session_id: str | None, keep: int, before: float | None) -> list[int]:
        """Forget the finished tasks beyond the `keep` latest of each session, or of that one, that ended
        before `before`; return the numbers of their ends.
        """
        ...

    async def aclose(self) -> None:
        """Give the journal back."""
        ...
