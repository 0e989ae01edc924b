"""The plain connection: http.client over a socket of our own, so that it can be cut from outside.

http.client reads heads and chunked bodies; content of known length is received straight into the caller's
buffer, one receive at a time, so that a stall or a cut loses nothing. The socket is known before
it connects: `shutdown` wakes a thread in connect, handshake or receive alike.
"""

import contextlib
import errno
import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ..._errors import BadResponse
from ..._web import Origin, origin_of, target_of
from .connection import USER_AGENT, ConnectionBroken, Deadline, Reply
from .response import Headers

DRAIN = 64 << 10
Address = tuple[socket.AddressFamily, Any]
"""An address family and what `connect` takes there."""
FEWER_SECONDS = 3.0
TROUBLE = (OSError, http.client.HTTPException)
CUT_BY_PEER = {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ECONNREFUSED}


class SocketConnection:
    """One keep-alive connection, opened where it is asked to go.

    :param reached: where each origin answered last; shared, so that a dead address is tried once
    :param connect_timeout: seconds for the last of an origin's addresses; the others get fewer
    :param stall: seconds without a byte before the connection counts as broken
    """

    def __init__(
        self,
        tls: Callable[[], ssl.SSLContext],
        reached: dict[Origin, Address],
        *,
        connect_timeout: float = 10.0,
        stall: float = 15.0,
    ) -> None:
        self._tls, self._reached = tls, reached
        self._connect_timeout, self._stall = connect_timeout, stall
        self._deadline = Deadline(stall)
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._cut = False
        self._origin: Origin | None = None
        self._connection: http.client.HTTPConnection | None = None
        self._reply: _Reply | None = None

    def get(self, url: str, headers: Headers) -> Reply:
        origin = origin_of(url)
        used = self._ready(origin)
        try:
            return self._ask(origin, url, headers)
        except TROUBLE as error:
            # a server may close a kept connection at any time
            if used and isinstance(error, ConnectionError):
                raise ConnectionBroken("the kept connection was gone", stale=True) from error
            raise _translation(error, url) from error

    def close(self) -> None:
        connection, self._connection = self._connection, None
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.close()
        if connection is not None:
            connection.close()

    def cut(self) -> None:
        with self._lock:
            self._cut = True
            if self._socket is not None:
                _shut(self._socket)

    def expire(self, now: float) -> None:
        if self._deadline.passed(now):
            with self._lock:
                if self._socket is not None:
                    _shut(self._socket)

    def _ready(self, origin: Origin) -> bool:
        """Make the connection fit to be asked; True if it was used before."""
        # what is left of the last answer is read off if it is little, else the connection goes
        if self._reply is not None and not self._reply.isclosed() and not self._read_off(self._reply):
            self.close()
        self._reply = None
        if self._origin != origin:
            self.close()
        self._origin = origin
        return self._connection is not None and self._connection.sock is not None

    def _read_off(self, reply: "_Reply") -> bool:
        try:
            with self._deadline.awaiting():
                return reply.spent()
        except ConnectionBroken:
            return False

    def _ask(self, origin: Origin, url: str, headers: Headers) -> Reply:
        if self._connection is None:
            self._connection = _HttpConnection(origin, self._open)
        connection = self._connection
        if connection.sock is None:
            connection.connect()
        with self._deadline.awaiting():
            connection.putrequest("GET", target_of(url), skip_accept_encoding=True)
            for name, value in {"User-Agent": USER_AGENT, "Accept": "*/*", **headers}.items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
        self._reply = _Reply(response, url, self._deadline)
        return self._reply

    def _open(self, origin: Origin) -> socket.socket:
        sock = self._connected(origin)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if origin.scheme == "https":
            sock = self._wrapped(sock, origin.host)
        sock.settimeout(self._stall)
        return sock

    def _connected(self, origin: Origin) -> socket.socket:
        """Connect to the first address that answers."""
        addresses = list(dict.fromkeys(self._addresses(origin)))
        failure: OSError = OSError(errno.EHOSTUNREACH, "it has no address")
        # the last one gets all the time there is: there is no other to try
        for address in addresses:
            last = address == addresses[-1]
            try:
                sock = self._dialled(address, self._connect_timeout if last else FEWER_SECONDS)
            except OSError as error:
                failure = error
            else:
                self._reached[origin] = address
                return sock
        raise failure

    def _addresses(self, origin: Origin) -> Iterator[Address]:
        if origin in self._reached:
            yield self._reached[origin]
        for family, _, _, _, address in socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM):
            yield family, address

    def _dialled(self, address: Address, seconds: float) -> socket.socket:
        sock = socket.socket(address[0], socket.SOCK_STREAM)
        try:
            sock.settimeout(min(seconds, self._connect_timeout))
            self._hold(sock)
            sock.connect(address[1])
        except BaseException:
            sock.close()
            raise
        return sock

    def _wrapped(self, sock: socket.socket, host: str) -> ssl.SSLSocket:
        try:
            context = self._tls()
            # under the lock, so that a cut finds either this socket or the one beneath it
            with self._lock:
                secure = context.wrap_socket(
                    sock, server_hostname=host, do_handshake_on_connect=False, suppress_ragged_eofs=False
                )
                self._socket = secure
                cut = self._cut
        except BaseException:
            sock.close()
            raise
        try:
            if cut:
                raise ConnectionBroken("cut")
            secure.do_handshake()
        except BaseException:
            secure.close()
            raise
        return secure

    def _hold(self, sock: socket.socket) -> None:
        with self._lock:
            if self._cut:
                raise ConnectionBroken("cut")
            self._socket = sock


class _Response(http.client.HTTPResponse):
    """A response whose content can be taken one receive at a time."""

    def receive(self, view: memoryview) -> int:
        if self.chunked:
            data = self.read1(len(view))
            view[: len(data)] = data
            return len(data)
        if self.fp is None or not len(view):
            return 0
        if self.length is not None:
            # never beyond this answer, into the next one on the same connection
            view = view[: self.length]
        count = self.fp.readinto1(view)
        if self.length is not None:
            self.length -= count
        if count == 0 or self.length == 0:
            self.close()
        return count


class _HttpConnection(http.client.HTTPConnection):
    response_class = _Response

    def __init__(self, origin: Origin, opening: Callable[[Origin], socket.socket]) -> None:
        self.default_port = 443 if origin.scheme == "https" else 80
        super().__init__(origin.host, origin.port)
        self._where, self._opening = origin, opening

    def connect(self) -> None:
        self.sock = self._opening(self._where)


class _Reply:
    def __init__(self, response: http.client.HTTPResponse, url: str, deadline: Deadline) -> None:
        if not isinstance(response, _Response):
            raise TypeError(f"{response!r} cannot be received")
        self._response, self._url, self._deadline = response, url, deadline
        self.status = response.status
        self.headers: Headers = {name.lower(): value for name, value in response.headers.items()}

    def readinto(self, view: memoryview) -> int:
        try:
            with self._deadline.awaiting():
                return self._response.receive(view)
        except TROUBLE as error:
            raise _translation(error, self._url) from error

    def isclosed(self) -> bool:
        """Return whether all content was received."""
        return self._response.isclosed()

    def close(self) -> None:
        """Close the content, which outlives its connection if it ends with it."""
        self._response.close()

    def spent(self) -> bool:
        """Read off what little content is left; False if it is not worth it."""
        left = self._response.length
        if left is None or left > DRAIN:
            return False
        with contextlib.suppress(*TROUBLE):
            self._response.read()
        return self._response.isclosed()


def _translation(error: Exception, url: str) -> Exception:
    """Return what an error of sockets, TLS or http.client means here."""
    match error:
        case ssl.SSLCertVerificationError():
            return BadResponse(url, f"its certificate is not trusted ({error.verify_message})")
        case TimeoutError():
            return ConnectionBroken("it was silent for too long")
        case http.client.RemoteDisconnected():
            return ConnectionBroken("it hung up without an answer", reset=True)
        case socket.gaierror():
            return ConnectionBroken(f"its name cannot be resolved ({error.strerror})")
        case ssl.SSLError() if not isinstance(error, ssl.SSLEOFError):
            return ConnectionBroken(f"it does not speak TLS ({error.reason})", nonsense=True)
        case OSError():
            return ConnectionBroken(error.strerror or str(error), reset=error.errno in CUT_BY_PEER)
        case http.client.IncompleteRead():
            return ConnectionBroken("the content ended early")
        case _:
            return ConnectionBroken(f"it does not speak HTTP ({type(error).__name__})", nonsense=True)


def _shut(sock: socket.socket) -> None:
    """Shut down beneath TLS: `SSLSocket.shutdown` would pull the TLS state from under the reader."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
