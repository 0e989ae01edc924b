"""HTTP/1.1 to a model endpoint: one exchange at a time, and nothing left of it before the next.

Whoever answers twice, or more than was asked, would have the next request answered with what belongs to this
one. So everything between the socket and the reader can be asked whether it holds bytes beyond the answer:
h11, and TLS, which is spoken here because a TLS stream that buffers does not tell. Reads are larger than what
a loop delivers at once, so no bytes wait in between.
"""

from __future__ import annotations

import select
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, TypeVar

import anyio
import h11
from anyio.abc import ByteStream, SocketAttribute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

T = TypeVar("T")

READ_BYTES = 1024 * 1024
HEAD_BYTES = 100 * 1024


class Tls(ByteStream):
    """TLS over another stream, which tells what it holds."""

    def __init__(self, stream: ByteStream, context: ssl.SSLContext, host: str) -> None:
        self._stream = stream
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._to_send, server_hostname=host)

    @classmethod
    async def wrap(cls, stream: ByteStream, context: ssl.SSLContext, host: str) -> Self:
        """Shake hands.

        :raises ssl.SSLError: if the other side is not who it should be
        """
        tls = cls(stream, context, host)
        await tls._run(tls._tls.do_handshake)
        return tls

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return self._stream.extra_attributes

    def has_more(self) -> bool:
        """Tell whether bytes have arrived that nobody has read, and use them up."""
        with suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError, ssl.SSLEOFError):
            if self._tls.read(1):
                return True
        return self._received.pending > 0 or has_more(self._stream)

    async def receive(self, max_bytes: int = READ_BYTES) -> bytes:
        data = b""
        with suppress(ssl.SSLZeroReturnError, ssl.SSLEOFError):
            data = await self._run(self._tls.read, max_bytes)
        if not data:
            raise anyio.EndOfStream
        return data

    async def send(self, item: bytes) -> None:
        await self._run(self._tls.write, item)

    async def send_eof(self) -> None:
        raise NotImplementedError("a request ends by itself")

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def _run(self, call: Callable[..., T], *arguments: object) -> T:
        while True:
            try:
                result = call(*arguments)
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        if self._to_send.pending:
            await self._stream.send(self._to_send.read())

    async def _fill(self) -> None:
        try:
            self._received.write(await self._stream.receive(READ_BYTES))
        except anyio.EndOfStream:
            self._received.write_eof()


def has_more(stream: ByteStream) -> bool:
    """Tell whether a stream holds bytes that nobody has read."""
    return isinstance(stream, Tls) and stream.has_more()


class Connection:
    """A connection that serves one request after the other.

    :param base: what a proxy wants before the path of a request
    :param headers: what a proxy wants beside the headers of a request
    """

    def __init__(
        self, stream: ByteStream, base: bytes = b"", headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        self._stream, self._base, self._headers = stream, base, headers
        self._state = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
        self._kept_at = anyio.current_time()
        self._answer_id: bytes | None = None

    async def ask(self, request: h11.Request, body: bytes = b"") -> h11.Response:
        """Send a request and read the head of its answer.

        :raises h11.RemoteProtocolError: if the answer is none, or the one to the request before
        :raises OSError, anyio.BrokenResourceError: if the connection breaks
        """
        if self._base:
            headers = [*request.headers, *self._headers]
            request = h11.Request(method=request.method, target=self._base + request.target, headers=headers)
        events = (request, h11.Data(data=body), h11.EndOfMessage())
        with suppress(anyio.BrokenResourceError):  # an answer may have come before
            await self._stream.send(b"".join(self._state.send(event) or b"" for event in events))
        while not isinstance(event := await self._next(), h11.Response):
            pass
        answer_id = dict(event.headers).get(b"x-request-id")
        # a proxy that repeats an answer would shift every later one by a request
        if answer_id is not None and answer_id == self._answer_id:
            raise h11.RemoteProtocolError("the answer before has come again")
        self._answer_id = answer_id
        return event

    async def body(self) -> AsyncIterator[bytes]:
        """Read the body of the answer, to its end.

        :raises h11.RemoteProtocolError: if it ends too early, or bytes follow that were not asked for
        """
        while not isinstance(event := await self._next(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                yield bytes(event.data)
        if self._state.trailing_data[0] or has_more(self._stream):
            raise h11.RemoteProtocolError("bytes follow the answer")

    def keep(self) -> bool:
        """Make ready for the next request; tell whether that is possible."""
        if not self._state.our_state is self._state.their_state is h11.DONE:
            return False
        self._state.start_next_cycle()
        self._kept_at = anyio.current_time()
        return True

    def is_quiet(self, for_seconds: float) -> bool:
        """Tell whether the other side has said nothing and not hung up since, and not too long ago."""
        if anyio.current_time() - self._kept_at > for_seconds or has_more(self._stream):
            return False
        # a server that has hung up, or speaks out of turn, makes the socket readable
        looked = select.poll()
        looked.register(self._stream.extra(SocketAttribute.raw_socket).fileno(), select.POLLIN)
        return not looked.poll(0)

    async def aclose(self) -> None:
        """Close it, whatever state it is in."""
        with anyio.CancelScope(shield=True):
            await self._stream.aclose()

    async def _next(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while (event := self._state.next_event()) is h11.NEED_DATA:
            self._state.receive_data(await self._receive())
        return event

    async def _receive(self) -> bytes:
        try:
            return await self._stream.receive(READ_BYTES)
        except anyio.EndOfStream:
            return b""
