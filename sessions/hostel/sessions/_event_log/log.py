"""One log of events, many cursors.

Publishing appends once, however many subscribers there are. A subscriber is a cursor: the number of the
last event it has seen. It reads forward from there, and when nothing is left it waits with all who have
the same filter, until an event that matches wakes them.

What is kept is counted by session: at most `retain` events of each, and at most `retain_bytes` of all. A
session that has too many loses its own: first progress that newer progress of the same task has overtaken
(coalescing), then its oldest events (loss). When all have too much, the largest loses. So a noisy session
never costs a quiet one its history. A cursor behind what was lost and might have concerned it reads on from
the journal if there is one; else it receives one `missed` event. Events become visible when they are durable:
`append` takes them in, `release` shows them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from .._outcomes import lightened, value_size_of
from .._retention import RETAIN_BYTES, Shares
from .gaps import Forgotten, Page
from .session_events import Lost, SessionEvents, kind_of
from .waiters import Waiters

if TYPE_CHECKING:
    from .._events import TaskEvent
    from .._records import TaskFilter

Replay = Callable[[int, int, int, Forgotten], Awaitable[Page]]
"""The `read` of a journal."""

SMALL = 1024
"""Bytes of a value that may stay in an event whose task is forgotten."""
GARBAGE = 50
"""Dropped events that may stay in the list of all before it is made anew."""


class EventLog:
    """The latest events of a host, and those who wait for the next."""

    def __init__(
        self,
        retain: int,
        retain_bytes: int = RETAIN_BYTES,
        *,
        last_seq: int = 0,
        replay: Replay | None = None,
    ) -> None:
        self.last_seq = last_seq
        self.visible_seq = last_seq
        self.closed = False
        self.replay = replay
        self.generation = 0
        self.losses = 0
        """How many events were lost in each session, in all."""
        self.events: list[TaskEvent] = []
        """All that are kept, and some that are not any more."""
        self._retain = max(1, retain)
        self._shares = Shares(retain_bytes)
        self._sessions: dict[str, SessionEvents] = {}
        self._start = last_seq
        self._before = Lost(last_seq, last_seq)
        """What was lost in sessions of which nothing is kept."""
        self._losses: dict[str | None, Lost] = {}
        """What was lost in any session, by kind."""
        self._garbage = self._garbage_bytes = 0
        self._retain_bytes = retain_bytes
        self.waiters = Waiters()

    def append(self, event: TaskEvent, weight: int, value_size: int = 0) -> None:
        """Take in the next event without showing it yet: it takes about `weight` bytes, and the value in its
        record has `value_size` bytes of JSON text.
        """
        self.last_seq = event.seq
        self.events.append(event)
        self._take_in(event.session_id, event, weight, value_size)
        if event.from_session_id is not None:
            self._take_in(event.from_session_id, event, weight, value_size)
        if self._shares.exceeded:
            self._make_room(event)
        # dropping from the middle of a list costs its length, so gaps are closed only when they are many
        if self._garbage and (
            self._garbage > max(GARBAGE, len(self.events) // 4)
            or self._garbage_bytes > self._retain_bytes // 2
        ):
            self._collect()

    def lost(self, filter: TaskFilter) -> Lost:
        """Return what is known of events that `filter` could match."""
        if filter.session_id is None:
            return self._lost(filter.kind)
        session = self._sessions.get(filter.session_id)
        return session.lost(filter.kind) if session is not None else self._before

    def kept(self, filter: TaskFilter) -> int:
        """Return how many events are kept that `filter` could match; 0 if it names no session."""
        session = self._sessions.get(filter.session_id) if filter.session_id is not None else None
        return session.kept(filter.kind) if session is not None else 0

    def keeps(self, event: TaskEvent) -> bool:
        """Tell whether `event`, which is in the list, is kept."""
        if not self._garbage:
            return True
        return any(
            session is not None and event.seq > session.floor
            for session in (
                self._sessions.get(event.session_id),
                self._sessions.get(event.from_session_id or ""),
            )
        )

    def lighten(self, seq: int) -> None:
        """Leave out the value that came with the end of that number, if it is not small."""
        place = self.position(seq - 1)
        if place == len(self.events) or self.events[place].seq != seq:
            return
        event = self.events[place]
        size = value_size_of(event)
        if size <= SMALL or event.record is None:
            return
        light = self.events[place] = lightened(event, size)
        session = self._sessions.get(event.session_id)
        if session is not None:
            self._shares.add(event.session_id, -session.lighten(light))

    def release(self, event: TaskEvent) -> None:
        """Show everything up to `event` and wake those whom it concerns."""
        self.visible_seq = event.seq
        if self.waiters:
            self.waiters.tell(event)

    def close(self) -> None:
        """Let every subscription end once it has read what is there."""
        self.closed = True
        self.waiters.wake_all(self.visible_seq + 1)

    def position(self, cursor: int) -> int:
        """Return the index in `events` of the first event after `cursor`."""
        return bisect_right(self.events, cursor, key=lambda event: event.seq)

    def wake(self, filter: TaskFilter) -> None:
        """Let those who wait with `filter` look again."""
        self.waiters.wake(filter, self.visible_seq + 1)

    def _take_in(self, session_id: str, event: TaskEvent, weight: int, value_size: int) -> None:
        session = self._sessions.get(session_id)
        if session is None:
            session = self._sessions[session_id] = SessionEvents(self._before)
        session.add(event, value_size)
        self._shares.add(session_id, weight)
        if len(session.events) <= self._retain:
            return
        # worth a pass over the session only if it frees a quarter of it
        if session.overtaken * 4 > self._retain:
            before = len(session.events)
            freed = session.coalesce()
            self._discard(session_id, before - len(session.events), freed)
        else:
            self._drop_oldest(session_id)

    def _make_room(self, latest: TaskEvent) -> None:
        # who keeps the most loses first, so that a noisy session cannot cost a quiet one its history
        while self._shares.exceeded:
            largest = self._shares.largest()
            if self._sessions[largest].events[0] is latest:  # larger than all that may be kept
                return
            self._drop_oldest(largest)

    def _drop_oldest(self, session_id: str) -> None:
        event, weight, is_loss = self._sessions[session_id].drop_oldest()
        self.losses += is_loss
        if is_loss and event.session_id == session_id:
            for lost in (self._lost(None), self._lost(kind_of(event))):
                lost.through = max(lost.through, event.seq)
                lost.count += 1
        self._discard(session_id, 1, weight)

    def _discard(self, session_id: str, count: int, weight: int) -> None:
        self._shares.add(session_id, -weight)
        self._garbage += count
        self._garbage_bytes += weight

    def _lost(self, kind: str | None) -> Lost:
        found = self._losses.get(kind)
        if found is None:
            found = self._losses[kind] = Lost(self._start, self._start)
        return found

    def _collect(self) -> None:
        """Make the list of all anew from what is kept."""
        kept = {event.seq: event for session in self._sessions.values() for event in session.events}
        self.events = [kept[seq] for seq in sorted(kept)]
        self._garbage = self._garbage_bytes = 0
        self.generation += 1
        for id in [id for id, session in self._sessions.items() if not session.events]:
            gone = self._sessions.pop(id).lost(None)
            self._before = Lost(max(self._before.through, gone.through), self._before.count + gone.count)
