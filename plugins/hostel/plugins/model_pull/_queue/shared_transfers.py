"""Transfers, one per artefact, shared by all who want it.

Who asks for a blob that is on its way joins and is told at once how far it is. Leaving concerns nobody
else; the last to leave stops the transfer and waits until it has stopped, and who asks meanwhile waits
for that and begins anew. So a blob never has two writers in this process, and what happens to its
partial happens under the lock of its name. Of the limiters of all who want it the loosest holds.
"""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol

import anyio
import anyio.lowlevel

from .._engine import Fetched, FetchProgress, Limiter, Loosest, Pace, discard_partial
from .._errors import TransferFailed
from .._sources.remote_file import RemoteFile
from .keyed_lock import KeyedLock

Listener = Callable[[FetchProgress], None]


class Carrier(Protocol):
    """Carries the bytes of one file to its blob."""

    async def __call__(
        self, file: RemoteFile, blob: Path, *, on_progress: Listener, limiter: Pace | None = None
    ) -> Fetched: ...


class StartSoon(Protocol):
    """Starts a task that somebody owns."""

    def __call__(self, func: Callable[..., Coroutine[Any, Any, None]], *args: object) -> None: ...


class _Transfer:
    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self.listeners: dict[object, Listener] = {}
        self.pace = Loosest()
        self.latest: FetchProgress | None = None
        self.outcome: Fetched | Exception | None = None
        self.done = anyio.Event()
        self.stopping = False

    def tell(self, news: FetchProgress) -> None:
        self.latest = news
        for listener in list(self.listeners.values()):
            listener(news)


class Transfers:
    """The transfers of one process.

    :param start_soon: owns their tasks
    """

    def __init__(self, carrier: Carrier, start_soon: StartSoon) -> None:
        self._carrier, self._start_soon = carrier, start_soon
        self._running: dict[Path, _Transfer] = {}
        self._locks = KeyedLock[Path]()

    def __len__(self) -> int:
        return len(self._running)

    async def bring(
        self, file: RemoteFile, blob: Path, *, on_progress: Listener, limiter: Limiter | None = None
    ) -> Fetched:
        """Bring a file to its blob, together with everybody else who wants it.

        :param limiter: how fast this caller wants it at most, None for no limit
        :raises PullError: if it cannot be had
        """
        while (transfer := self._running.get(blob)) is not None and transfer.stopping:
            await transfer.done.wait()
        if transfer is None:
            transfer = self._running[blob] = _Transfer()
            self._start_soon(self._run, transfer, file, blob)
        return await self._attend(transfer, file, on_progress, limiter or Limiter(None))

    async def discard(self, blob: Path) -> bool:
        """Remove the partial of a blob unless somebody wants it; True if there was one."""
        if blob in self._running:
            return False
        async with self._locks.hold(blob):
            return await discard_partial(blob)

    async def _attend(
        self, transfer: _Transfer, file: RemoteFile, on_progress: Listener, limiter: Limiter
    ) -> Fetched:
        me = object()
        transfer.listeners[me] = on_progress
        transfer.pace.add(limiter)
        if transfer.latest is not None:
            on_progress(transfer.latest)
        try:
            await transfer.done.wait()
        finally:
            del transfer.listeners[me]
            if transfer.listeners:
                transfer.pace.remove(limiter)
            if not transfer.listeners and not transfer.done.is_set():
                transfer.stopping = True
                transfer.scope.cancel()
                with anyio.CancelScope(shield=True):
                    await transfer.done.wait()
        if isinstance(transfer.outcome, Fetched):
            return transfer.outcome
        await anyio.lowlevel.checkpoint()
        raise transfer.outcome or TransferFailed(file.path, "it was stopped", 0)

    async def _run(self, transfer: _Transfer, file: RemoteFile, blob: Path) -> None:
        try:
            with transfer.scope:
                async with self._locks.hold(blob):
                    transfer.outcome = await self._carrier(
                        file, blob, on_progress=transfer.tell, limiter=transfer.pace
                    )
        except Exception as error:  # noqa: BLE001 - raised again in everyone who waits for it
            transfer.outcome = error
        finally:
            del self._running[blob]
            transfer.done.set()
