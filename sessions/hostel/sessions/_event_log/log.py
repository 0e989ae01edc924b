"""One log of events, many cursors.

Publishing appends once, however many subscribers there are. A subscriber is a cursor: the number of the
last event it has seen. It reads forward from there, and when nothing is left it waits at a *bell* it shares
with all who wait with the same filter; only bells whose filter matches a new event are rung, and idle
subscribers of other sessions cost nothing.

What is kept is counted by session: at most `retain` events of each, and at most `retain_bytes` of all. A
session that has too many loses its own: first progress that newer progress of the same task has overtaken
(coalescing), then its oldest events (loss). When all have too much, the largest loses. So a noisy session
never costs a quiet one its history. A cursor behind what was lost and might have concerned it reads on from
the journal if there is one; else it receives one `missed` event. Events become visible when they are durable:
`append` takes them in, `release` shows them."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import attrs

from .._errors import JournalError
from .._events import EventType, TaskEvent, missed
from .._outcomes import lightened, value_size_of
from .._records import TaskFilter
from .._retention import RETAIN_BYTES, Shares, weight_of
from .gaps import Forgotten, Losses, Page

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

Replay = Callable[[int, int, int, Forgotten], Awaitable[Page]]
"""The `read` of a journal."""

_NEW_PLACE = {EventType.REGISTERED, EventType.TRANSFERRED}

REPLAY_PAGE = 500
BREATH = 100
SMALL = 1024
"""Bytes of a value that may stay in an event whose task is forgotten."""
GARBAGE = 50
"""Dropped events that may stay in the list of all before it is made anew."""


class _Bell:
    __slots__ = ("event", "seq", "waiting")

    def __init__(self) -> None:
        self.event = anyio.Event()
        self.seq = 0
        self.waiting = 0

    def ring(self, seq: int) -> None:
        self.seq = seq
        self.event.set()


@attrs.define
class _Tally:
    """Of the events that a filter by session and kind could match: how many were `lost`, up to number
    `through`.
    """

    through: int
    lost: int


class _SessionEvents:
    """The latest events of one session, oldest first."""

    def __init__(self, before: _Tally) -> None:
        self.events: deque[TaskEvent] = deque()
        self.values: dict[int, int] = {}
        """How many bytes of JSON text came as a value with an event, by its number."""
        self.floor = before.through
        """Those up to here are no longer kept."""
        self.progress: dict[str, tuple[int, int]] = {}
        """The first and the latest progress of each task, in its present place and life."""
        self.overtaken = 0
        self._before = before
        self._tallies: dict[str | None, _Tally] = {}
        self._kept: dict[str, int] = {}
        """How many are kept of the kinds that somebody has asked for."""

    def kept(self, kind: str | None) -> int:
        """Return how many events of that kind are kept, of all kinds if None."""
        if kind is None:
            return len(self.events)
        if kind not in self._kept:
            self._kept[kind] = sum(_kind_of(event) == kind for event in self.events)
        return self._kept[kind]

    def tally(self, kind: str | None) -> _Tally:
        """Return the tally of events of that kind, of all kinds if None."""
        found = self._tallies.get(kind)
        if found is None:
            found = self._tallies[kind] = _Tally(self._before.through, self._before.lost)
        return found

    def add(self, event: TaskEvent, value_size: int) -> None:
        """Take in the next event."""
        self.events.append(event)
        if value_size:
            self.values[event.seq] = value_size
        if self._kept:
            self._count(event, 1)
        if event.type is EventType.PROGRESS:
            known = self.progress.get(event.task_id)
            self.overtaken += known is not None
            self.progress[event.task_id] = known[0] if known is not None else event.seq, event.seq
        elif self.progress and event.type in _NEW_PLACE:
            self.progress.pop(event.task_id, None)

    def weight(self, event: TaskEvent) -> int:
        """Return about how many bytes `event` takes."""
        return weight_of(event.record, self.values.get(event.seq, 0)) if event.record is not None else 0

    def is_overtaken(self, event: TaskEvent) -> bool:
        """Tell whether newer progress of the same task makes `event` superfluous."""
        if event.type is not EventType.PROGRESS:
            return False
        first, latest = self.progress.get(event.task_id, (0, 0))
        return first <= event.seq < latest

    def lighten(self, light: TaskEvent) -> int:
        """Put `light`, which has no value, in the place of the event of its number; return how much it is
        lighter.
        """
        place = bisect_left(self.events, light.seq, key=_number)
        if place == len(self.events) or self.events[place].seq != light.seq:
            return 0
        before = self.weight(self.events[place])
        self.values.pop(light.seq, None)
        self.events[place] = light
        return before - self.weight(light)

    def coalesce(self) -> int:
        """Drop the progress that is overtaken; return how much that weighed."""
        before, self.events, self.overtaken = self.events, deque(), 0
        freed = 0
        for event in before:
            if self.is_overtaken(event):
                freed += self._gone(event)
            else:
                self.events.append(event)
        return freed

    def drop_oldest(self) -> tuple[TaskEvent, int, bool]:
        """Drop the oldest event; return it, what it weighed, and whether that is a loss."""
        event = self.events.popleft()
        self.floor = event.seq
        overtaken = self.is_overtaken(event)
        weight = self._gone(event)
        if overtaken:
            self.overtaken -= 1
            return event, weight, False
        for tally in (self.tally(None), self.tally(_kind_of(event))):
            tally.through = event.seq
            tally.lost += 1
        if self.progress.get(event.task_id, (0, 0))[1] == event.seq:
            del self.progress[event.task_id]
        return event, weight, True

    def _gone(self, event: TaskEvent) -> int:
        weight = self.weight(event)
        self.values.pop(event.seq, None)
        self._count(event, -1)
        return weight

    def _count(self, event: TaskEvent, more: int) -> None:
        kind = _kind_of(event)
        if kind in self._kept:
            self._kept[kind] += more


def _kind_of(event: TaskEvent) -> str:
    return event.record.kind if event.record is not None else ""


class EventLog:
    """The latest events of a host, and the bells of those who wait for the next."""

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
        self._sessions: dict[str, _SessionEvents] = {}
        self._start = last_seq
        self._before = _Tally(last_seq, last_seq)
        """What was lost in sessions of which nothing is kept."""
        self._tallies: dict[str | None, _Tally] = {}
        """What was lost in any session, by kind."""
        self._garbage = self._garbage_bytes = 0
        self._retain_bytes = retain_bytes
        self._bells: dict[str | None, dict[TaskFilter, _Bell]] = {}

    def subscribe(self, filter: TaskFilter, after: int | None) -> LogSubscription:
        """Return a subscription in force from now, or from after the event number `after`."""
        return LogSubscription(self, filter, after)

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
        if self._garbage and (
            self._garbage > max(GARBAGE, len(self.events) // 4)
            or self._garbage_bytes > self._retain_bytes // 2
        ):
            self._collect()

    def tally(self, filter: TaskFilter) -> _Tally:
        """Return what is known of events that `filter` could match."""
        if filter.session_id is None:
            return self._tally(filter.kind)
        session = self._sessions.get(filter.session_id)
        return session.tally(filter.kind) if session is not None else self._before

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
        """Show everything up to `event` and ring the bells it concerns."""
        self.visible_seq = event.seq
        if self._bells:
            for session_id in {event.session_id, event.from_session_id, None}:
                self._ring(session_id, event)

    def close(self) -> None:
        """Let every subscription end once it has read what is there."""
        self.closed = True
        for bells in self._bells.values():
            for bell in bells.values():
                bell.ring(self.visible_seq + 1)
        self._bells.clear()

    def position(self, cursor: int) -> int:
        """Return the index in `events` of the first event after `cursor`."""
        return bisect_right(self.events, cursor, key=lambda event: event.seq)

    async def next(self, filter: TaskFilter) -> int:
        """Wait for the next event matching `filter`; return its number, or the next one after a wake-up."""
        bells = self._bells.setdefault(filter.session_id, {})
        bell = bells.get(filter)
        if bell is None:
            bell = bells[filter] = _Bell()
        bell.waiting += 1
        try:
            await bell.event.wait()
        finally:
            bell.waiting -= 1
            if not bell.waiting and not bell.seq:
                self._take_down(filter)
        return bell.seq

    def wake(self, filter: TaskFilter) -> None:
        """Let those who wait with `filter` look again."""
        bell = self._take_down(filter)
        if bell is not None:
            bell.ring(self.visible_seq + 1)

    def _take_down(self, filter: TaskFilter) -> _Bell | None:
        bells = self._bells.get(filter.session_id)
        if bells is None:
            return None
        bell = bells.pop(filter, None)
        if not bells:
            del self._bells[filter.session_id]
        return bell

    def _ring(self, session_id: str | None, event: TaskEvent) -> None:
        bells = self._bells.get(session_id)
        if not bells:
            return
        for filter in [filter for filter in bells if event.matches(filter)]:
            bells.pop(filter).ring(event.seq)
        if not bells:
            del self._bells[session_id]

    def _take_in(self, session_id: str, event: TaskEvent, weight: int, value_size: int) -> None:
        session = self._sessions.get(session_id)
        if session is None:
            session = self._sessions[session_id] = _SessionEvents(self._before)
        session.add(event, value_size)
        self._shares.add(session_id, weight)
        if len(session.events) <= self._retain:
            return
        if session.overtaken * 4 > self._retain:
            before = len(session.events)
            freed = session.coalesce()
            self._discard(session_id, before - len(session.events), freed)
        else:
            self._drop_oldest(session_id)

    def _make_room(self, latest: TaskEvent) -> None:
        while self._shares.exceeded:
            largest = self._shares.largest()
            if self._sessions[largest].events[0] is latest:  # larger than all that may be kept
                return
            self._drop_oldest(largest)

    def _drop_oldest(self, session_id: str) -> None:
        event, weight, lost = self._sessions[session_id].drop_oldest()
        self.losses += lost
        if lost and event.session_id == session_id:
            for tally in (self._tally(None), self._tally(_kind_of(event))):
                tally.through = max(tally.through, event.seq)
                tally.lost += 1
        self._discard(session_id, 1, weight)

    def _discard(self, session_id: str, count: int, weight: int) -> None:
        self._shares.add(session_id, -weight)
        self._garbage += count
        self._garbage_bytes += weight

    def _tally(self, kind: str | None) -> _Tally:
        found = self._tallies.get(kind)
        if found is None:
            found = self._tallies[kind] = _Tally(self._start, self._start)
        return found

    def _collect(self) -> None:
        """Make the list of all anew from what is kept."""
        kept = {event.seq: event for session in self._sessions.values() for event in session.events}
        self.events = [kept[seq] for seq in sorted(kept)]
        self._garbage = self._garbage_bytes = 0
        self.generation += 1
        for id in [id for id, session in self._sessions.items() if not session.events]:
            gone = self._sessions.pop(id).tally(None)
            self._before = _Tally(max(self._before.through, gone.through), self._before.lost + gone.lost)


def _number(event: TaskEvent) -> int:
    return event.seq


class LogSubscription:
    """A cursor in a host's events: an async iterator and an async context manager.

    It is in force as soon as it exists. It ends when the host closes, after everything published before has
    been read. Reading late costs nobody else anything; falling behind what is retained yields one `missed`
    event and goes on, and so does an `after` this host has not reached: a cursor of another host. Use it in
    one task."""

    def __init__(self, log: EventLog, filter: TaskFilter, after: int | None) -> None:
        self._log = log
        self._filter = filter
        self._unknown = after is not None and after > log.last_seq
        self._cursor = log.last_seq if after is None or self._unknown else max(0, after)
        self._closed = False
        self._page: list[TaskEvent] = []
        self._position = 0
        self._generation = -1
        self._unbroken = 0

        self._scope = TaskFilter(filter.session_id, filter.kind)
        """The part of the filter by which losses are counted."""
        self._known = 0
        """How many events in that scope are read or known to be lost; without a session, only the latter."""
        self._checked = -1
        """The count of losses when there was none ahead."""
        self._losses: Losses | None = None
        """What is known to be gone of the stretch that is being read back from a journal."""
        self._through = 0
        """Where that stretch ends."""
        if after is None or self._unknown:
            self._catch_up()

    @property
    def cursor(self) -> int:
        """The number of the last event seen; pass it as `after` to go on from here."""
        return self._cursor

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> TaskEvent:
        event = await self._following()
        if event is None:
            raise StopAsyncIteration
        return event

    async def read(self, limit: int = BREATH) -> list[TaskEvent]:
        """Wait for the next event; return it and those that are there already, at most `limit`, or [] at the
        end.
        """
        events: list[TaskEvent] = []
        event = await self._following()
        while event is not None:
            events.append(event)
            event = self._next() if len(events) < limit else None
        self._unbroken += len(events)
        return events

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the subscription; whoever waits in it stops waiting."""
        self._closed = True
        self._log.wake(self._filter)

    async def _following(self) -> TaskEvent | None:
        """Return the next event, None at the end. Whoever is cancelled here has lost nothing: an event is
        taken only when there is nothing left to wait for.
        """
        await self._breathe()
        while not self._closed:
            event = self._next()
            if event is not None:
                return event
            if self._is_behind():
                await self._read_back()
            elif self._log.closed:
                return None
            else:
                await self._wait()
        return None

    async def _breathe(self) -> None:
        self._unbroken += 1
        if self._unbroken > BREATH:  # reading a long backlog must not hold up the loop
            await anyio.lowlevel.checkpoint()
            self._unbroken = 1

    def _next(self) -> TaskEvent | None:
        if self._unknown:
            self._unknown = False
            return missed(self._cursor, self._cursor + 1, time.time())
        event = self._from_page()
        if event is None and not self._is_behind():
            event = self._from_memory()
        return event

    def _is_behind(self) -> bool:
        """Tell whether something is lost ahead that could match and that is not told of."""
        log = self._log
        if self._checked == log.losses:
            return False
        tally = log.tally(self._scope)
        if self._cursor < min(tally.through, log.visible_seq) and (log.replay or tally.lost > self._known):
            return True
        self._checked = log.losses
        return False

    def _catch_up(self) -> None:
        """Note that everything up to now is read."""
        self._known = self._log.tally(self._scope).lost + self._log.kept(self._scope)

    def _from_memory(self) -> TaskEvent | None:
        log = self._log
        if self._generation != log.generation:
            self._position, self._generation = log.position(self._cursor), log.generation
        events, visible, filter = log.events, log.visible_seq, self._filter
        while self._position < len(events):
            event = events[self._position]
            if event.seq > visible:
                return None
            self._position += 1
            self._cursor = event.seq
            if not log.keeps(event):
                continue
            matches = event.matches(filter)
            if filter.session_id is not None and (matches or event.matches(self._scope)):
                self._known += 1
            if matches:
                return event
        return None

    def _from_page(self) -> TaskEvent | None:
        while self._page:
            event = self._page.pop()
            self._cursor = event.seq
            if event.matches(self._filter):
                return event
        return None

    async def _read_back(self) -> None:
        log = self._log
        self._generation = -1
        if self._losses is None or self._cursor >= self._through:
            through = min(log.tally(self._scope).through, log.visible_seq)
            self._losses, self._through = Losses(self._cursor), through
        page = await self._page_of_journal(self._losses)
        if page is None:
            page = [self._missed()]
            self._losses = None
        self._page = page[::-1]
        if not page:
            self._cursor, self._losses = self._through, None

    def _missed(self) -> TaskEvent:
        """Tell how many are lost ahead that could have matched, and where it goes on."""
        log, cursor = self._log, self._cursor
        tally = log.tally(self._scope)
        count = min(max(1, tally.lost - self._known), tally.through - cursor)
        self._known = tally.lost
        for place in range(log.position(cursor), len(log.events)):
            event = log.events[place]
            if event.seq > log.visible_seq or (log.keeps(event) and event.matches(self._filter)):
                return missed(cursor, min(event.seq, log.visible_seq + 1), time.time(), count)
        return missed(cursor, max(cursor, tally.through) + 1, time.time(), count)

    async def _page_of_journal(self, losses: Losses) -> list[TaskEvent] | None:
        log = self._log
        if log.replay is None or log.closed:
            return None
        try:
            page = await log.replay(self._cursor, self._through, REPLAY_PAGE, losses.known)
        except JournalError:
            if log.closed:
                return None
            raise
        return losses.told(page, self._through)

    async def _wait(self) -> None:
        self._unbroken = 0
        self._catch_up()
        seq = await self._log.next(self._filter)
        if seq - 1 > self._cursor:  # nothing in between could match
            self._cursor = seq - 1
            self._generation = -1
