"""What consumers of sessions have not acknowledged: the journal knows, else it is known here.

As in a journal, nothing is written when a task ends: what is unread follows from the tasks that have ended,
in that order, and from the number up to which a consumer has acknowledged everything."""

from __future__ import annotations

from collections import deque
from itertools import islice, takewhile
from typing import TYPE_CHECKING

import attrs

from .._journal.protocol import Kept, Unread

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .._events import TaskEvent
    from .._journal.protocol import Journal
    from .._records import TaskRecord
    from .session_tasks import SessionTasks

MOST_NOTICES = 1_000
"""How many notices that tasks gave themselves are kept of one session."""


@attrs.define
class Consumer:
    """Who reads the notices of a session, and how far."""

    through: int = 0
    """Up to this event everything is acknowledged."""
    acked: set[int] = attrs.Factory(set)
    """What is acknowledged beyond that."""
    missed: int = 0
    """How many were forgotten unread."""

    def has_read(self, seq: int) -> bool:
        """Tell whether event number `seq` is acknowledged."""
        return seq <= self.through or seq in self.acked


class Inboxes:
    """The consumers of one host's sessions, and what tasks told by themselves."""

    def __init__(self, journal: Journal | None = None) -> None:
        self._journal = journal
        self._consumers: dict[str, dict[str, Consumer]] = {}
        self._told: dict[str, deque[tuple[int, TaskEvent]]] = {}

    def tell(self, number: int, event: TaskEvent) -> None:
        """Keep what the task of that number tells its session."""
        told = self._told.setdefault(event.session_id, deque())
        told.append((number, event))
        if len(told) > MOST_NOTICES:
            self.lose(event.session_id, told.popleft()[1].seq)

    def lose(self, session_id: str, seq: int) -> None:
        """Forget event number `seq`, which consumers who have not read it have missed."""
        for consumer in self._consumers.get(session_id, {}).values():
            if consumer.has_read(seq):
                consumer.acked.discard(seq)
            else:
                consumer.missed += 1

    def forget(self, session_id: str) -> None:
        """Forget a session of which nothing is left, unless somebody is to hear what was missed."""
        self._told.pop(session_id, None)
        consumers = self._consumers.get(session_id)
        if consumers is not None and not any(consumer.missed for consumer in consumers.values()):
            del self._consumers[session_id]

    async def unread(
        self, session_id: str, session: SessionTasks | None, consumer: str, limit: int
    ) -> Unread:
        """Return what the consumer has not acknowledged, at most `limit` of each kind; it is known from now
        on.
        """
        if self._journal is not None:
            return await self._journal.unread(session_id, consumer, limit)
        reader = self._reader(session_id, consumer)
        ended = list(_ended(session, reader.through))
        told = [one for one in self._told.get(session_id, ()) if not reader.has_read(one[1].seq)]
        fresh = (Kept(*one) for one in reversed(ended) if not reader.has_read(one[1].seq))
        return Unread(list(islice(fresh, limit)), told[:limit], reader.missed)

    async def acknowledge(
        self,
        session_id: str,
        session: SessionTasks | None,
        consumer: str,
        seqs: Sequence[int],
        missed: int,
    ) -> None:
        """Do not give the consumer these again."""
        if self._journal is not None:
            await self._journal.acknowledge(session_id, consumer, seqs, missed)
            return
        reader = self._reader(session_id, consumer)
        reader.acked.update(seq for seq in seqs if seq > reader.through)
        reader.missed = max(0, reader.missed - missed)
        there = [record.seq for _, record in _ended(session, reader.through)]
        there += [event.seq for _, event in self._told.get(session_id, ())]
        unread = [seq for seq in there if not reader.has_read(seq)]
        reader.through = min(unread) - 1 if unread else max([reader.through, *reader.acked])
        reader.acked = {seq for seq in reader.acked if seq > reader.through}

    def _reader(self, session_id: str, consumer: str) -> Consumer:
        return self._consumers.setdefault(session_id, {}).setdefault(consumer, Consumer())


def _ended(session: SessionTasks | None, after: int) -> Iterable[tuple[int, TaskRecord]]:
    """Yield number and record of what ended after event number `after`, the latest first."""
    latest = reversed(session.finished.values()) if session is not None else iter(())
    ended = takewhile(lambda entry: entry.record.seq > after, latest)
    return ((entry.number, entry.record) for entry in ended)
