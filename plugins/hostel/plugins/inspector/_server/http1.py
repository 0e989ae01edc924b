"""An HTTP/1.1 server for one ASGI application, on whichever loop is running.

h11 knows the protocol and `_http` what of it is refused; this file moves bytes between them and sockets: one
task per connection, one request at a time on each. The servers that run on both loops wait without limit for
a peer that does not read, also when they are to stop; here every wait has a limit and `serve` ends soon after
it is told to. Memory per connection is bounded: a response is written as fast as its peer reads, and no
faster. So is their number, far below what the process may open: the descriptors belong to the application
around us. When there is no room, the connection that has waited longest for its peer makes some."""

from __future__ import annotations

import errno
import resource
from contextlib import contextmanager, suppress
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote

import anyio
import h11
from anyio.abc import SocketAttribute

from .._http.chunks import Chunks
from .._http.heads import HEAD_BYTES, Ahead, check_head, target_of
from .._http.unfit import Unfit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from anyio.abc import Listener, SocketStream, TaskGroup
    from anyio.streams.stapled import MultiListener

    from hostel.runtime import AsgiApp, AsgiMessage

IDLE_SECONDS = 60.0
HEAD_SECONDS = 15.0
"""How long a head may take from its first byte on."""
BODY_SECONDS = 30.0
BODY_RATE = 1024
"""Bytes of a body that buy its peer another second."""
WRITE_BYTES = 256 * 1024
WRITE_SECONDS = 30.0
LINGER_SECONDS = 1.0
STOP_SECONDS = 1.0
MOST_CONNECTIONS = 1_200
FULL = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED}
NO_ROOM_SECONDS = 0.2


class PeerGone(OSError):
    """The peer has closed the connection or does not read what it asked for."""


def connection_limit() -> int:
    """Return how many connections a server takes: a quarter of the files its process may open, at most
    1,200.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(1, min(MOST_CONNECTIONS, soft // 4))


async def serve(
    listener: MultiListener[SocketStream],
    app: AsgiApp,
    stop: anyio.Event,
    on_error: Callable[[Exception], None],
    limit: int,
) -> None:
    """Answer on `listener` until `stop` is set, then close it and give running requests a second.

    There are at most `limit` connections at a time. `on_error` is told what `app` raises; the peer is told
    500 if it was told nothing yet.
    """

    places = _Places(limit)

    async def handle(stream: SocketStream) -> None:
        try:
            async with stream:
                with places.one() as is_free:
                    if is_free:
                        await _Connection(stream, app, stop, places).run()
                    else:
                        await stream.send(FULL)
        except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError, h11.ProtocolError):
            pass
        except Exception as error:  # noqa: BLE001 - the boundary of a request: it must not end the others
            on_error(error)

    async with listener, anyio.create_task_group() as connections:
        async with anyio.create_task_group() as accepting:
            for each in listener.listeners:
                accepting.start_soon(_accept, each, handle, connections)
            await stop.wait()
            accepting.cancel_scope.cancel()
        await listener.aclose()
        # connections between two requests have nothing to finish
        places.give_up_waiting()
        connections.cancel_scope.deadline = anyio.current_time() + STOP_SECONDS


async def _accept(
    listener: Listener[SocketStream],
    handle: Callable[[SocketStream], Awaitable[None]],
    connections: TaskGroup,
) -> None:
    while True:
        try:
            await listener.serve(handle, connections)
        except (OSError, anyio.BrokenResourceError) as error:
            if getattr(error.__cause__ or error, "errno", None) not in NO_ROOM:
                raise
        await anyio.sleep(NO_ROOM_SECONDS)


class _Places:
    """The places for connections; those of connections that wait for their peer can be given to others."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._waiting: dict[anyio.CancelScope, None] = {}

    @contextmanager
    def one(self) -> Iterator[bool]:
        """Take a place, and tell whether there was one."""
        if self._free <= 0 and not self._give_up_longest():
            yield False
            return
        self._free -= 1
        try:
            yield True
        finally:
            self._free += 1

    @contextmanager
    def waiting(self, seconds: float) -> Iterator[anyio.CancelScope]:
        """Wait for a peer, as long as there is time and nobody needs the place."""
        with anyio.move_on_after(seconds) as scope:
            self._waiting[scope] = None
            try:
                yield scope
            finally:
                self._waiting.pop(scope, None)

    def give_up_waiting(self) -> None:
        """End all waits."""
        while self._give_up_longest():
            pass

    def _give_up_longest(self) -> bool:
        scope = next(iter(self._waiting), None)
        if scope is None:
            return False
        del self._waiting[scope]
        scope.cancel()
        return True


class _Connection:
    def __init__(self, stream: SocketStream, app: AsgiApp, stop: anyio.Event, places: _Places) -> None:
        self._stream = stream
        self._app = app
        self._stop = stop
        self._places = places
        self._ahead = Ahead()
        self._chunks: Chunks | None = None
        self._http = h11.Connection(h11.SERVER)

    async def run(self) -> None:
        """Answer one request after the other until one side closes."""
        while not self._stop.is_set():
            try:
                request = await self._request()
                if request is None or not await self._answer(request):
                    return
            except h11.RemoteProtocolError as error:
                await self._refuse(error.error_status_hint)
                return
            except Unfit as error:
                await self._refuse(error.status)
                return
            self._ahead = Ahead(self._http.trailing_data[0])

    async def _request(self) -> h11.Request | None:
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
        head = None
        with self._places.waiting(IDLE_SECONDS) as scope:
            head = await self._head(scope)
        if head is None:
            return None
        self._chunks = Chunks() if check_head(head) else None
        self._http.receive_data(head)
        request = self._http.next_event()
        self._receive(self._ahead.rest())
        return request if isinstance(request, h11.Request) else None

    async def _head(self, scope: anyio.CancelScope) -> bytes | None:
        has_begun = False
        while (head := self._ahead.take()) is None:
            # an idle connection may wait long, a head that has begun may not
            if not has_begun and self._ahead:
                has_begun = True
                scope.deadline = min(scope.deadline, anyio.current_time() + HEAD_SECONDS)
            data = await self._read()
            if not data:
                if self._ahead:
                    raise Unfit(400)
                return None
            self._ahead.feed(data)
        return head

    def _receive(self, data: bytes) -> None:
        """Take in what came of the body, or behind it.

        :raises Unfit: if it is no body.
        """
        if self._chunks is not None:
            self._chunks.feed(data)
        if data:
            self._http.receive_data(data)

    async def _answer(self, request: h11.Request) -> bool:
        scope = _scope(self._stream, request)
        exchange = _Exchange(self, self._http, is_head=request.method == b"HEAD")
        try:
            await self._app(scope, exchange.receive, exchange.send)
        finally:
            await self._refuse(exchange.complaint)
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            return True
        await self._linger()
        return False

    async def _refuse(self, status: int) -> None:
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        head = [("content-length", "0"), ("connection", "close"), ("date", formatdate(usegmt=True))]
        response = h11.Response(status_code=status, headers=head, reason=HTTPStatus(status).phrase)
        await self.write((self._http.send(response) or b"") + (self._http.send(h11.EndOfMessage()) or b""))
        await self._linger()

    async def _linger(self) -> None:
        """Let the peer read our last words: closing on unread bytes would reset the connection."""
        with self._places.waiting(LINGER_SECONDS), suppress(anyio.BrokenResourceError, OSError):
            await self._stream.send_eof()
            while await self._read():
                pass

    async def _read(self) -> bytes:
        try:
            return await self._stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return b""

    async def more(self) -> int:
        """Read more of the request's body and return how many bytes came."""
        data = await self._read()
        self._receive(data)
        if not data:
            self._http.receive_data(b"")  # says that it is cut
        return len(data)

    async def write(self, data: bytes) -> None:
        """Send `data` to the peer.

        :raises PeerGone: if it does not take it.
        """
        try:
            # piece by piece, so that the limit is one of speed: a slow peer is served, one that stops is not
            for start in range(0, len(data), WRITE_BYTES):
                with anyio.fail_after(WRITE_SECONDS):
                    await self._stream.send(data[start : start + WRITE_BYTES])
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, TimeoutError) as error:
            raise PeerGone from error

    async def gone(self) -> None:
        """Wait until the peer has closed its side; what it sends ahead is kept for the next request."""
        # a client may send its next request early; more than a head of it is not kept
        ahead = len(self._http.trailing_data[0])
        while ahead <= HEAD_BYTES and (data := await self._read()):
            ahead += len(data)
            self._http.receive_data(data)


class _Exchange:
    """One request and its response, as the application sees them."""

    def __init__(self, connection: _Connection, http: h11.Connection, *, is_head: bool) -> None:
        self._connection = connection
        self._http = http
        self._is_head = is_head
        self._held = b""
        self._read_all = False
        self._received = 0
        self._waited = 0.0
        self._next: object = http.next_event()
        self._is_cut = False
        self.complaint = 500
        """The status to close with if the application says nothing; of half a body it has nothing to say."""

    async def receive(self) -> AsgiMessage:
        """Return the next part of the body, then wait for the peer to go."""
        if self._read_all:
            await self._connection.gone()
            return {"type": "http.disconnect"}
        try:
            body = await self._part()
        except h11.RemoteProtocolError as error:
            self._complain(error.error_status_hint)
        except Unfit as error:
            self._complain(error.status)
        except TimeoutError:
            self._complain(408)
        else:
            self._read_all = body is None
            return {"type": "http.request", "body": body or b"", "more_body": body is not None}
        return {"type": "http.disconnect"}

    def _complain(self, status: int) -> None:
        self.complaint = status
        self._is_cut = True

    async def _part(self) -> bytes | None:
        if self._http.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            await self._connection.write(self._http.send(go_on) or b"")
        while True:
            event, self._next = self._next or self._http.next_event(), None
            if isinstance(event, h11.Data):
                return bytes(event.data)
            if isinstance(event, h11.EndOfMessage):
                return None
            await self._more()

    async def _more(self) -> None:
        begun = anyio.current_time()
        # each KiB buys time, so large bodies may take long but never trickle
        with anyio.fail_after(BODY_SECONDS + self._received / BODY_RATE - self._waited):
            self._received += await self._connection.more()
        self._waited += anyio.current_time() - begun

    async def send(self, message: AsgiMessage) -> None:
        """Send the head with the first part of the body, and each further part as it comes.

        :raises PeerGone: if the peer does not take it.
        """
        if self._is_cut and self._http.our_state is h11.SEND_RESPONSE:
            return
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), (b"date", formatdate(usegmt=True).encode())]
            if self._http.their_state is not h11.DONE:
                headers.append((b"connection", b"close"))  # nobody will read the rest of the body
            self._held = self._http.send(h11.Response(status_code=message["status"], headers=headers)) or b""
            return
        data, self._held = self._held, b""
        body = message.get("body", b"")
        if body and not self._is_head:
            data += self._http.send(h11.Data(data=body)) or b""
        if not message.get("more_body", False):
            data += self._http.send(h11.EndOfMessage()) or b""
        if data:
            await self._connection.write(data)


def _scope(stream: SocketStream, request: h11.Request) -> AsgiMessage:
    target = target_of(request.target)
    headers = list(request.headers)
    if target.authority is not None:  # what a request says twice, its target says (RFC 9112 3.2.2)
        headers = [(b"host", target.authority), *(pair for pair in headers if pair[0] != b"host")]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": request.http_version.decode(),
        "method": request.method.decode(),
        "scheme": "http",
        "path": unquote(target.path.decode()),
        "raw_path": target.path,
        "query_string": target.query,
        "root_path": "",
        "headers": headers,
        "client": stream.extra(SocketAttribute.remote_address, None),
        "server": stream.extra(SocketAttribute.local_address, None),
    }
