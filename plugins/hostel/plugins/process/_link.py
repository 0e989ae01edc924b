"""The connection to a keeper: JSON objects, one per line, in both directions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
from anyio.abc import UNIXSocketStream

if TYPE_CHECKING:
    from collections.abc import Mapping
    from socket import socket
    from typing import Self

    from hostel.sessions import JsonValue

GONE = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)
_CHUNK = 64 * 1024


class KeeperLink:
    """A connection to a keeper."""

    def __init__(self, stream: UNIXSocketStream) -> None:
        self._stream = stream
        self._received = b""
        self._lines: list[bytes] = []
        self._sending = anyio.Lock()

    @classmethod
    async def over(cls, sock: socket) -> Self:
        """Return a connection over a connected socket, which it closes."""
        return cls(await UNIXSocketStream.from_socket(sock))

    @classmethod
    async def to(cls, path: str) -> Self:
        """Connect to the keeper that listens at `path`.

        :raises OSError: if none does.
        """
        return cls(await anyio.connect_unix(path))

    async def aclose(self) -> None:
        """Close it."""
        await self._stream.aclose()

    async def send(self, message: Mapping[str, JsonValue]) -> bool:
        """Send a message; tell whether there is still a keeper to take it."""
        try:
            async with self._sending:
                await self._stream.send(json.dumps(message).encode() + b"\n")
        except GONE:
            return False
        return True

    async def receive(self) -> dict[str, Any] | None:
        """Wait for the next message; None if no more will come."""
        while not self._lines:
            try:
                self._received += await self._stream.receive(_CHUNK)
            except GONE:
                return None
            *self._lines, self._received = self._received.split(b"\n")
        message: dict[str, Any] = json.loads(self._lines.pop(0))
        return message
