"""Transfers, one per artefact, shared by all who want it.

Who asks for a blob that is on its way joins and is told at once how far it is. Leaving concerns nobody
else; the last to leave stops the transfer and waits until it has stopped, and who asks meanwhile waits
for that and begins anew. So a blob never has two writers in this process. Other processes, and a partial
that is being discarded, are kept apart by the lock of its file, which each transfer holds. Of the limiters
of all who want it the loosest holds.
"""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol

import anyio
import anyio.lowlevel

from .._cache.layout import record_of
from .._engine import ConnectionBudget, Fetched, FetchProgress, Limiter, Loosest, Pace, discard_partial, fetch
from .._errors import TransferFailed
from .._sources.remote_file import RemoteFile
from .shared import Shared, joinable

Listener = Callable[[FetchProgress], None]


class Network:
    """What the transfers of a process have in common; by itself the plain way to fetch a file.

    :param connections: how many there may be to a host, and which of them are good
    :param limiter: bytes per second where a caller names no limiter, None for no limit
    """

    def __init__(
        self, *, connections: ConnectionBudget | None = None, limiter: Limiter | None = None
    ) -> None:
        self._connections, self._limiter = connections, limiter

    async def fetch(
        self, file: RemoteFile, blob: Path, *, on_progress: Listener, limiter: Pace | None = None
    ) -> Fetched:
        """Fetch a file to its blob.

        :raises PullError: if it cannot be had
        """
        return await fetch(
            file,
            blob,
            budget=self._connections,
            limiter=limiter or self._limiter,
            record=record_of(blob.parent),
            on_progress=on_progress,
        )


UNLIMITED = Network()


class StartSoon(Protocol):
    """Starts a task that somebody owns."""

    def __call__(self, func: Callable[..., Coroutine[Any, Any, None]], *args: object) -> None: ...


class _Transfer(Shared[Fetched]):
    def __init__(self) -> None:
        super().__init__()
        self.listeners: dict[object, Listener] = {}
        self.pace = Loosest()
        self.latest: FetchProgress | None = None

    def tell(self, news: FetchProgress) -> None:
        self.latest = news
        for listener in list(self.listeners.values()):
            listener(news)


class Transfers:
    """The transfers of one process.

    :param start_soon: owns their tasks
    """

    def __init__(self, network: Network, start_soon: StartSoon) -> None:
        self._network, self._start_soon = network, start_soon
        self._running: dict[Path, _Transfer] = {}

    def __len__(self) -> int:
        return len(self._running)

    async def fetch(
        self, file: RemoteFile, blob: Path, *, on_progress: Listener, limiter: Limiter | None = None
    ) -> Fetched:
        """Fetch a file to its blob, together with everybody else who wants it.

        :param limiter: how fast this caller wants it at most, None for no limit
        :raises PullError: if it cannot be had
        """
        transfer = await joinable(lambda: self._running.get(blob))
        if transfer is None:
            transfer = self._running[blob] = _Transfer()
            self._start_soon(self._run, transfer, file, blob)
        return await self._attend(transfer, file, on_progress, limiter or Limiter(None))

    async def discard(self, blob: Path) -> bool:
        """Remove the partial of a blob unless somebody wants it; True if there was one."""
        return blob not in self._running and await discard_partial(blob)

    async def _attend(
        self, transfer: _Transfer, file: RemoteFile, on_progress: Listener, limiter: Limiter
    ) -> Fetched:
        me = object()
        transfer.listeners[me] = on_progress
        transfer.pace.add(limiter)
        # who joins late is told where it stands, not only what moves next
        if transfer.latest is not None:
            on_progress(transfer.latest)
        try:
            await transfer.done.wait()
        finally:
            del transfer.listeners[me]
            if transfer.listeners:
                transfer.pace.remove(limiter)
            elif not transfer.done.is_set():
                await transfer.stop()
        if isinstance(transfer.outcome, Fetched):
            return transfer.outcome
        await anyio.lowlevel.checkpoint()
        # no outcome and nobody left it: its owner, the manager, has stopped it
        raise transfer.outcome or TransferFailed(file.path, "it was stopped", 0)

    async def _run(self, transfer: _Transfer, file: RemoteFile, blob: Path) -> None:
        try:
            with transfer.scope:
                transfer.outcome = await self._network.fetch(
                    file, blob, on_progress=transfer.tell, limiter=transfer.pace
                )
        except Exception as error:  # noqa: BLE001 - raised again in everyone who waits for it
            transfer.outcome = error
        finally:
            del self._running[blob]
            transfer.done.set()
