"""The moments by which something must have happened, and the one task that notices when it has not: a
heartbeat that the owner of an external task promised, the end of a body in a thread.
"""

from __future__ import annotations

import heapq
import math
from itertools import count
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._tasks.entry import Entry


class Heartbeats:
    """A heap of moments (on the loop's clock) and the tasks that are late then."""

    def __init__(self, on_silence: Callable[[Entry], None]) -> None:
        self._on_silence = on_silence
        self._due: list[tuple[float, int, Entry]] = []
        self._order = count()
        self._changed = anyio.Event()
        self._closed = False

    def beat(self, entry: Entry) -> None:
        """Give the task another `heartbeat_ttl` seconds."""
        if entry.external is not None and entry.external.heartbeat_ttl is not None:
            self.expect(entry, entry.external.heartbeat_ttl)

    def expect(self, entry: Entry, seconds: float) -> None:
        """Give the task `seconds` from now."""
        entry.allowed, entry.silent_at = seconds, anyio.current_time() + seconds
        if not entry.watched:
            self._push(entry)
            self._changed.set()

    def dismiss(self, entry: Entry) -> None:
        """Expect nothing more of the task."""
        entry.silent_at = math.inf

    async def watch(self) -> None:
        """Report every task that is late, until closed."""
        while not self._closed:
            self._changed = anyio.Event()
            pause = self._due[0][0] - anyio.current_time() if self._due else None
            if pause is None or pause > 0:
                with anyio.move_on_after(pause):
                    await self._changed.wait()
            else:
                self._look(heapq.heappop(self._due)[2])

    def close(self) -> None:
        """End the watch."""
        self._closed = True
        self._changed.set()

    def _push(self, entry: Entry) -> None:
        entry.watched = True
        heapq.heappush(self._due, (entry.silent_at, next(self._order), entry))

    def _look(self, entry: Entry) -> None:
        entry.watched = False
        if not entry.live or entry.silent_at == math.inf:
            return
        if entry.silent_at <= anyio.current_time():
            self._on_silence(entry)
        else:
            self._push(entry)
