"""The store of a runtime while it is open.

One service polls the unfinished batches; whoever else follows a batch is given what the poll found. The store
closes while services and tasks still run: they read through this class, which never asks a closed database
and answers None instead.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ._daemon.daemon import Daemon
    from ._model.ids import BatchId
    from ._model.records import Batch
    from ._store.store import SqlStorage

POLL_SECONDS = 0.5
LATE_SECONDS = 2 * POLL_SECONDS
"""How long to wait for a poll before reading oneself: the service may be starting again, or be gone."""


class OpenStore:
    """A store, and what wakes those who wait for changes in it.

    :param daemon: returns the daemon that sends requests from here at present, if there is one
    """

    def __init__(self, storage: SqlStorage, daemon: Callable[[], Daemon | None]) -> None:
        self.storage = storage
        self._daemon = daemon
        self._changed, self._polled = anyio.Event(), anyio.Event()
        self._unfinished: dict[BatchId, Batch] = {}
        self._reading = anyio.Lock()
        self._is_closed = False

    def wake(self) -> None:
        """Poll, and let the daemon claim, now."""
        self._changed.set()
        daemon = self._daemon()
        if daemon is not None:
            daemon.wake()

    async def wait(self) -> None:
        """Wait for a change; changes by other processes wake nobody and are found by polling."""
        with anyio.move_on_after(POLL_SECONDS):
            await self._changed.wait()

    async def get(self, batch_id: BatchId) -> Batch | None:
        """Read a batch; None once the store is closed.

        :raises NotFound: if it was deleted.
        """
        async with self._reading:
            return None if self._is_closed else await self.storage.get_batch(batch_id)

    async def poll(self) -> list[Batch] | None:
        """List the batches that are not finished, for all who follow one; None once the store is closed."""
        async with self._reading:
            self._changed = anyio.Event()
            # replaced before reading: what changes while the store is read wakes the next wait
            found = [] if self._is_closed else await self.storage.list_unfinished()
        if self._is_closed:
            return None
        self._unfinished = {batch.id: batch for batch in found}
        self._polled.set()
        self._polled = anyio.Event()
        return found

    async def next(self, batch_id: BatchId) -> Batch | None:
        """Wait for the next poll and return a batch as it is then; None once the store is closed.

        :raises NotFound: if it was deleted.
        """
        with anyio.move_on_after(LATE_SECONDS) as late:
            await self._polled.wait()
        # a batch that the poll did not list is finished, or new
        found = None if late.cancelled_caught else self._unfinished.get(batch_id)
        return await self.get(batch_id) if found is None else found

    async def cancel(self, batch_id: BatchId) -> None:
        """Cancel a batch behind the back of its task, which will see it."""
        await self.storage.cancel_batch(batch_id)
        self.wake()

    async def sweep(self, stale_after: float) -> None:
        """Do what daemons do beside sending, unless one runs here: end what is late, free what the dead hold.

        :param stale_after: seconds of silence after which a daemon is taken for dead
        """
        async with self._reading:
            if self._daemon() is None and not self._is_closed:
                await self.storage.sweep(stale_after)

    @asynccontextmanager
    async def closing(self) -> AsyncIterator[None]:
        """Keep everybody from reading, now and after the context, in which the store is to be closed."""
        self._is_closed = True
        self._unfinished.clear()
        self._polled.set()
        async with self._reading:
            yield
