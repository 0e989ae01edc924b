"""Who waits for the next event: those with one filter wait together, and only those whom an event concerns
are woken. Idle subscribers of other sessions cost nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from .._events import TaskEvent
    from .._records import TaskFilter


class _Waiting:
    """Those who wait with one filter, until `seq` tells them the number of an event."""

    __slots__ = ("count", "event", "seq")

    def __init__(self) -> None:
        self.event = anyio.Event()
        self.seq = 0
        self.count = 0

    def wake(self, seq: int) -> None:
        self.seq = seq
        self.event.set()


class Waiters:
    """All who wait, by the session of their filter and by the filter."""

    def __init__(self) -> None:
        self._by_session: dict[str | None, dict[TaskFilter, _Waiting]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_session)

    def __len__(self) -> int:
        return sum(map(len, self._by_session.values()))

    async def next(self, filter: TaskFilter) -> int:
        """Wait for an event that matches; return its number, or what `wake` was given."""
        same_session = self._by_session.setdefault(filter.session_id, {})
        waiting = same_session.get(filter)
        if waiting is None:
            waiting = same_session[filter] = _Waiting()
        waiting.count += 1
        try:
            await waiting.event.wait()
        finally:
            waiting.count -= 1
            # the last one who was cancelled here takes the entry with it, unless an event has done so
            if not waiting.count and not waiting.seq:
                self._take(filter)
        return waiting.seq

    def wake(self, filter: TaskFilter, seq: int) -> None:
        """Let those who wait with `filter` go on at number `seq`."""
        waiting = self._take(filter)
        if waiting is not None:
            waiting.wake(seq)

    def tell(self, event: TaskEvent) -> None:
        """Wake those whom `event` concerns."""
        for session_id in {event.session_id, event.from_session_id, None}:
            same_session = self._by_session.get(session_id, {})
            for filter in [filter for filter in same_session if event.matches(filter)]:
                same_session.pop(filter).wake(event.seq)
            if not same_session:
                self._by_session.pop(session_id, None)

    def wake_all(self, seq: int) -> None:
        """Let all go on at number `seq`."""
        for same_session in self._by_session.values():
            for waiting in same_session.values():
                waiting.wake(seq)
        self._by_session.clear()

    def _take(self, filter: TaskFilter) -> _Waiting | None:
        same_session = self._by_session.get(filter.session_id, {})
        waiting = same_session.pop(filter, None)
        if not same_session:
            self._by_session.pop(filter.session_id, None)
        return waiting
