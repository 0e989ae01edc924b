"""One log of events, many cursors.

Publishing appends once, however many subscribers there are. A subscriber is a cursor: the number of the
last event it has seen. It reads forward from there, and when nothing is left it waits at a *bell* it shares
with all who wait with the same filter; only bells whose filter matches a new event are rung, and idle
subscribers of other sessions cost nothing.

At most `retain` events are kept. When the log is full, progress that newer progress of the same task has
overtaken goes first (coalescing), then the oldest event goes (loss). A cursor behind what was lost reads on
from the journal if there is one; else it receives one `missed` event. Events become visible when they are
durable: `append` takes them in, `release` shows them."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from ._errors import JournalError
from ._events import EventType, TaskEvent, missed
from ._replay import Forgotten, Losses, Page

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from ._records import TaskFilter

Replay = Callable[[int, int, int, Forgotten], Awaitable[Page]]
"""The `read` of a journal."""

_NEW_PLACE = {EventType.REGISTERED, EventType.TRANSFERRED}

REPLAY_PAGE = 500
BREATH = 100


class _Bell:
    __slots__ = ("event", "seq", "waiting")

    def __init__(self) -> None:
        self.event = anyio.Event()
        self.seq = 0
        self.waiting = 0

    def ring(self, seq: int) -> None:
        self.seq = seq
        self.event.set()


class EventLog:
    """The latest events of a host, and the bells of those who wait for the next."""

    def __init__(self, retain: int, *, last_seq: int = 0, replay: Replay | None = None) -> None:
        self.last_seq = last_seq
        self.visible_seq = last_seq
        self.floor = last_seq
        """Events up to here are no longer in memory."""
        self.closed = False
        self.replay = replay
        self.generation = 0
        self.events: list[TaskEvent] = []
        self._retain = max(1, retain)
        self._start = 0
        self._progress: dict[tuple[str, str], tuple[int, int]] = {}
        """The first and the latest progress of each task, in its present place and life."""
        self._overtaken = 0
        self._bells: dict[str | None, dict[TaskFilter, _Bell]] = {}

    def subscribe(self, filter: TaskFilter, after: int | None) -> Subscription:
        """Return a subscription in force from now, or from after the event number `after`."""
        return Subscription(self, filter, after)

    def append(self, event: TaskEvent) -> None:
        """Take in the next event without showing it yet."""
        self.last_seq = event.seq
        self.events.append(event)
        if event.type is EventType.PROGRESS:
            self._note_progress(event)
        elif self._progress and event.type in _NEW_PLACE:
            self._progress.pop((event.from_session_id or event.session_id, event.task_id), None)
        if len(self.events) - self._start > self._retain:
            self._make_room()

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
        return bisect_right(self.events, cursor, lo=self._start, key=lambda event: event.seq)

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

    def _note_progress(self, event: TaskEvent) -> None:
        key = (event.session_id, event.task_id)
        known = self._progress.get(key)
        if known is not None:
            self._overtaken += 1
        self._progress[key] = known[0] if known is not None else event.seq, event.seq

    def _make_room(self) -> None:
        if self._overtaken * 4 > self._retain:
            self._coalesce()
        if len(self.events) - self._start > self._retain:
            self._drop_oldest()

    def _coalesce(self) -> None:
        self.events = [event for event in self.events[self._start :] if not self._is_overtaken(event)]
        self._start = 0
        self._overtaken = 0
        self.generation += 1

    def _drop_oldest(self) -> None:
        oldest = self.events[self._start]
        if self._is_overtaken(oldest):
            self._overtaken -= 1
        else:
            self.floor = oldest.seq
            key = (oldest.session_id, oldest.task_id)
            if key in self._progress and self._progress[key][1] == oldest.seq:
                del self._progress[key]
        self._start += 1
        if self._start > self._retain:
            del self.events[: self._start]
            self._start = 0
            self.generation += 1

    def _is_overtaken(self, event: TaskEvent) -> bool:
        if event.type is not EventType.PROGRESS:
            return False
        first, latest = self._progress.get((event.session_id, event.task_id), (0, 0))
        return first <= event.seq < latest


class Subscription:
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

        self._losses: Losses | None = None
        """What is known to be gone of the stretch that is being read back."""
        self._through = 0
        """Where that stretch ends."""

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
            if self._cursor < min(self._log.floor, self._log.visible_seq):
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
        if event is None and self._cursor >= self._log.floor:
            event = self._from_memory()
        return event

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
            if event.matches(filter):
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
            self._losses, self._through = Losses(self._cursor), min(log.floor, log.visible_seq)
        page = await self._page_of_journal(self._losses)
        if page is None:
            page = [missed(self._cursor, log.floor + 1, time.time())]
            self._losses = None
        self._page = page[::-1]
        if not page:
            self._cursor, self._losses = self._through, None

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
        seq = await self._log.next(self._filter)
        if seq - 1 > self._cursor:  # nothing in between could match
            self._cursor = seq - 1
            self._generation = -1
