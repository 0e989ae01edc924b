"""External tasks whose owners promised a heartbeat, and the one task that notices silence."""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._entry import Entry


class Heartbeats:
    """A heap of the moments (on the loop's clock) at which somebody's heartbeat runs out."""

    def __init__(self, on_silence: Callable[[Entry], None]) -> None:
        self._on_silence = on_silence
        self._due: list[tuple[float, int, Entry]] = []
        self._order = count()
        self._changed = anyio.Event()
        self._closed = False

    def beat(self, entry: Entry) -> None:
        """Give the task another `heartbeat_ttl` seconds."""
        if entry.heartbeat_ttl is None:
            return
        first = not entry.silent_at
        entry.silent_at = anyio.current_time() + entry.heartbeat_ttl
        if first:
            heapq.heappush(self._due, (entry.silent_at, next(self._order), entry))
            self._changed.set()

    async def watch(self) -> None:
        """Report every task that falls silent, until closed."""
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

    def _look(self, entry: Entry) -> None:
        if not entry.live:
            return
        if entry.silent_at <= anyio.current_time():
            self._on_silence(entry)
        else:
            heapq.heappush(self._due, (entry.silent_at, next(self._order), entry))
