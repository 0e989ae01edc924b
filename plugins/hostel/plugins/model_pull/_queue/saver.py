"""Writes the queue to disk after it changed: the latest state, one write at a time, in nobody's way."""

import logging
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread

from .._errors import StorageFailed
from .persistence import QueueStore
from .queue import Queue

log = logging.getLogger("hostel.model_pull")


class Saver:
    """Saves what `queue()` returns, each time it is told that there is something new.

    A disk that refuses is noted in the log once, and tried again at the next change.
    """

    def __init__(self, store: QueueStore, queue: Callable[[], Queue]) -> None:
        self._store, self._queue = store, queue
        self._changed, self._saved = anyio.Event(), anyio.Event()
        self._writing = anyio.Lock()
        self._asked = self._done = 0
        self._failing = False

    @property
    def folder(self) -> Path:
        """Return where the queue is kept."""
        return self._store.path.parent

    async def claim(self) -> bool:
        """Own the queue on disk until `aclose`; False if another process does."""
        if await anyio.to_thread.run_sync(self._store.claim):
            return True
        log.info("another process owns the queue in %s: this one is kept in memory only", self._store.path)
        return False

    async def load(self) -> Queue | None:
        """Return the queue that a former process left, None if there is none."""
        return await anyio.to_thread.run_sync(self._store.load)

    def touch(self) -> None:
        """Note that the queue has changed."""
        self._asked += 1
        self._changed.set()

    async def caught_up(self) -> None:
        """Wait until what was changed before this call has been written, or could not be."""
        asked = self._asked
        while self._done < asked:
            await self._saved.wait()

    async def run(self) -> None:
        """Save until cancelled."""
        while True:
            await self._changed.wait()
            self._changed = anyio.Event()
            await self.flush()

    async def flush(self) -> None:
        """Save now."""
        async with self._writing:
            asked = self._asked
            try:
                await anyio.to_thread.run_sync(self._store.save, self._queue())
                self._failing = False
            except StorageFailed as error:
                if not self._failing:
                    log.warning("the queue of downloads is not kept: %s", error)
                self._failing = True
            self._done = asked
        self._saved.set()
        self._saved = anyio.Event()

    async def aclose(self) -> None:
        """Save and let another process own the queue."""
        await self.flush()
        await anyio.to_thread.run_sync(self._store.release)
