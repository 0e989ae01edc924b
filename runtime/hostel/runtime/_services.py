"""What runs beside the tasks of a runtime, from its opening to its closing: servers, listeners, watchers.

A service is not a task: nobody lists, cancels or transfers it. It is cancelled when its runtime closes
and waited for, at most 5 seconds. One that raises is over, and that is noted against the plugin that started
it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio

from ._plugins.apart import STOP_SECONDS, Apart

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = logging.getLogger("hostel.runtime")


class Services:
    """The services of one open runtime; `on_failure` is told what one raised."""

    def __init__(self, on_failure: Callable[[str | None, BaseException], None]) -> None:
        self._running: dict[Apart[object], str | None] = {}
        self._on_failure = on_failure

    def start(self, owner: str | None, func: Callable[[], Awaitable[object]]) -> None:
        """Run `func()` for a plugin, or for the application (None), until it returns or the runtime
        closes.
        """
        service = Apart(func, self._ended)
        self._running[service] = owner
        service.start()

    def cancel(self, owner: str) -> None:
        """Cancel the services of a plugin."""
        for service, started_by in self._running.items():
            if started_by == owner:
                service.cancel()

    async def drain(self) -> None:
        """Give services that end by themselves the time to do so."""
        with anyio.move_on_after(STOP_SECONDS, shield=True):
            for service in list(self._running):
                await service.wait()

    async def aclose(self) -> None:
        """Cancel what runs and wait for it."""
        for service in self._running:
            service.cancel()
        await self.drain()
        if self._running:
            log.warning("%d services ignore their cancellation", len(self._running))

    def _ended(self, service: Apart[object]) -> None:
        owner = self._running.pop(service)
        if service.outcome is not None and service.outcome.error is not None:
            log.error("a service of %s raised", owner or "the application", exc_info=service.outcome.error)
            self._on_failure(owner, service.outcome.error)
