"""A subscriber's place in the log: what it reads next, from memory or the journal, and what it missed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio.lowlevel

from .._errors import JournalError
from .._events import TaskEvent, missed
from .._records import TaskFilter
from .gaps import Losses

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from .log import EventLog

REPLAY_PAGE = 500
BREATH = 100
"""How many events one reads without letting others run."""


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
        # asked for every event: one comparison answers as long as nothing was lost anywhere
        if self._checked == log.losses:
            return False
        lost = log.lost(self._scope)
        if self._cursor < min(lost.through, log.visible_seq) and (log.replay or lost.count > self._known):
            return True
        self._checked = log.losses
        return False

    def _catch_up(self) -> None:
        """Note that everything up to now is read."""
        self._known = self._log.lost(self._scope).count + self._log.kept(self._scope)

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
            through = min(log.lost(self._scope).through, log.visible_seq)
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
        lost = log.lost(self._scope)
        count = min(max(1, lost.count - self._known), lost.through - cursor)
        self._known = lost.count
        for place in range(log.position(cursor), len(log.events)):
            event = log.events[place]
            if event.seq > log.visible_seq or (log.keeps(event) and event.matches(self._filter)):
                return missed(cursor, min(event.seq, log.visible_seq + 1), time.time(), count)
        return missed(cursor, max(cursor, lost.through) + 1, time.time(), count)

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
        seq = await self._log.waiters.next(self._filter)
        if seq - 1 > self._cursor:  # nothing in between could match
            self._cursor = seq - 1
            self._generation = -1
