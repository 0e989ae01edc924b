"""What consumers of sessions have not acknowledged: the journal knows, else it is known here.

As in a journal, nothing is written when a task ends: what is unread follows from the tasks that have ended,
in that order, and from the number up to which a consumer has acknowledged everything."""

from __future__ import annotations

from itertools import islice, takewhile
from typing import TYPE_CHECKING

import attrs

from .._journal.protocol import Kept, Unread

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .._events import TaskEvent
    from .._journal.protocol import Journal
    from .._records import TaskRecord
    from .session_tasks import SessionTasks

MOST_NOTICES = 1_000
"""How many notices that tasks gave themselves are kept of one session."""
MOST_LOST = 1_000
"""How many sessions are remembered of which nothing is left but that somebody missed something."""
FORGET_AFTER = 1_000
"""How many new consumers there may be before those are looked for who have nothing to read any more."""


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

    def __init__(self, sessions: Mapping[str, SessionTasks], journal: Journal | None = None) -> None:
        self.used = False
        """Whether anybody has read or told anything: most hosts' tasks end without."""
        self._sessions = sessions
        """Those of which something is left."""
        self._journal = journal
        self._consumers: dict[str, dict[str, Consumer]] = {}
        self._new_consumers = 0
        """How many came since it was last looked who has nothing to read any more."""
        self._told: dict[str, dict[int, tuple[int, TaskEvent]]] = {}
        """What tasks told each session, by the number of the event."""
        self._tellers: dict[int, list[tuple[str, int]]] = {}
        """Which of that each task told."""

    def tell(self, number: int, event: TaskEvent) -> None:
        """Keep what the task of that number tells its session."""
        self.used = True
        told = self._told.setdefault(event.session_id, {})
        told[event.seq] = number, event
        self._tellers.setdefault(number, []).append((event.session_id, event.seq))
        if len(told) > MOST_NOTICES:
            oldest = next(iter(told))
            self._tellers[told[oldest][0]].remove((event.session_id, oldest))
            self._lose_told(event.session_id, oldest)

    def lose_told_by(self, number: int) -> None:
        """Forget what the task of that number told."""
        for session_id, seq in self._tellers.pop(number, ()):
            self._lose_told(session_id, seq)
            if session_id not in self._sessions:
                self.forget(session_id)

    def _lose_told(self, session_id: str, seq: int) -> None:
        told = self._told[session_id]
        del told[seq]
        if not told:
            del self._told[session_id]
        self.lose(session_id, seq)

    def lose(self, session_id: str, seq: int) -> None:
        """Forget event number `seq`, which consumers who have not read it have missed."""
        for consumer in self._consumers.get(session_id, {}).values():
            if consumer.has_read(seq):
                consumer.acked.discard(seq)
            else:
                consumer.missed += 1

    def forget(self, session_id: str) -> None:
        """Forget a session of which nothing is left, unless somebody is to hear of it still."""
        consumers = self._consumers.get(session_id)
        if consumers is None or session_id in self._told:
            return
        if not any(consumer.missed for consumer in consumers.values()):
            del self._consumers[session_id]

    def _forget_idle(self) -> None:
        """Forget who has nothing to read, where nothing is left; of those who have missed something there,
        the latest stay.
        """
        self._new_consumers = 0
        gone = [id for id in self._consumers if id not in self._sessions and id not in self._told]
        for session_id in gone:
            self.forget(session_id)
        lost = [session_id for session_id in gone if session_id in self._consumers]
        for session_id in lost[: max(0, len(lost) - MOST_LOST)]:
            del self._consumers[session_id]

    async def unread(self, session_id: str, consumer: str, limit: int) -> Unread:
        """Return what the consumer has not acknowledged, at most `limit` of each kind; it is known from now
        on.
        """
        if self._journal is not None:
            return await self._journal.unread(session_id, consumer, limit)
        reader = self._reader(session_id, consumer)
        ended = list(self._ended(session_id, reader.through))
        told = [one for one in self._told.get(session_id, {}).values() if not reader.has_read(one[1].seq)]
        fresh = (Kept(*one) for one in reversed(ended) if not reader.has_read(one[1].seq))
        return Unread(list(islice(fresh, limit)), told[:limit], reader.missed)

    async def acknowledge(self, session_id: str, consumer: str, seqs: Sequence[int], missed: int) -> None:
        """Do not give the consumer these again."""
        if self._journal is not None:
            await self._journal.acknowledge(session_id, consumer, seqs, missed)
            return
        reader = self._reader(session_id, consumer)
        reader.missed = max(0, reader.missed - missed)
        there = {record.seq for _, record in self._ended(session_id, reader.through)}
        there.update(self._told.get(session_id, ()))
        reader.acked |= there.intersection(seqs)
        unread = [seq for seq in there if not reader.has_read(seq)]
        reader.through = min(unread) - 1 if unread else max([reader.through, *reader.acked])
        reader.acked = {seq for seq in reader.acked if seq > reader.through}

    def _reader(self, session_id: str, consumer: str) -> Consumer:
        self.used = True
        known = self._consumers.setdefault(session_id, {})
        if consumer not in known:
            known[consumer] = Consumer()
            self._new_consumers += 1
            if self._new_consumers >= FORGET_AFTER:
                reader = known[consumer]
                self._forget_idle()
                self._consumers.setdefault(session_id, known)[consumer] = reader
        return known[consumer]

    def _ended(self, session_id: str, after: int) -> Iterable[tuple[int, TaskRecord]]:
        """Yield number and record of what ended after event number `after`, the latest first."""
        session = self._sessions.get(session_id)
        latest = reversed(session.finished.values()) if session is not None else iter(())
        ended = takewhile(lambda entry: entry.record.seq > after, latest)
        return ((entry.number, entry.record) for entry in ended)
