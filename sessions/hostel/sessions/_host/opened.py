"""What all groups of verbs stand on: the open host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._errors import HostClosed

if TYPE_CHECKING:
    from anyio.lowlevel import EventLoopToken

    from .open_host import OpenHost


class OpenedHost:
    """A host that may be open."""

    _running: OpenHost | None = None
    _token: EventLoopToken

    @property
    def _host(self) -> OpenHost:
        if self._running is None:
            raise HostClosed
        return self._running

    async def _durable(self) -> None:
        if self._running is not None:
            await self._running.durable()
