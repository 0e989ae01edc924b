"""The connection through a proxy: httpx, which knows tunnels, proxy authentication and SOCKS.

httpcore's trace tells each socket as soon as it is connected, which is what makes the connection cuttable.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Mapping

import httpx

from ..._errors import BadResponse
from .connection import USER_AGENT, ConnectionBroken, Deadline, Reply
from .response import Headers

TROUBLE = (ImportError, httpx.HTTPError, httpx.StreamError, httpx.InvalidURL)
CONNECTED = ".connect_tcp.complete"


class ProxyConnection:
    """One connection through `proxy`."""

    def __init__(
        self,
        proxy: str,
        tls: Callable[[], ssl.SSLContext],
        *,
        connect_timeout: float = 10.0,
        stall: float = 15.0,
    ) -> None:
        self._proxy, self._tls = proxy, tls
        self._timeout = httpx.Timeout(stall, connect=connect_timeout)
        self._deadline = Deadline(stall + connect_timeout)
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._response: httpx.Response | None = None
        self._sockets: list[socket.socket] = []
        self._cut = False

    def get(self, url: str, headers: Headers) -> Reply:
        self._give_up_reply()
        try:
            if self._client is None:
                self._client = self._opened()
            sent = {"User-Agent": USER_AGENT, **headers}
            request = self._client.build_request("GET", url, headers=sent, extensions={"trace": self._traced})
            with self._deadline.awaiting():
                self._response = self._client.send(request, stream=True)
        except TROUBLE as error:
            raise _translation(error, url) from error
        return _Reply(self._response, url, self._deadline)

    def _opened(self) -> httpx.Client:
        return httpx.Client(proxy=self._proxy, verify=self._tls(), timeout=self._timeout, trust_env=False)

    def close(self) -> None:
        client, self._client = self._client, None
        self._give_up_reply()
        if client is not None:
            client.close()
        with self._lock:
            self._sockets.clear()

    def cut(self) -> None:
        with self._lock:
            self._cut = True
            for sock in self._sockets:
                _shut(sock)

    def expire(self, now: float) -> None:
        if self._deadline.passed(now):
            with self._lock:
                for sock in self._sockets:
                    _shut(sock)

    def _give_up_reply(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            response.close()

    def _traced(self, event: str, info: Mapping[str, object]) -> None:
        """Take note of a socket the moment it is connected."""
        if not event.endswith(CONNECTED):
            return
        stream = info.get("return_value")
        tell = getattr(stream, "get_extra_info", None)
        sock = tell("socket") if callable(tell) else None
        if not isinstance(sock, socket.socket):
            return
        with self._lock:
            self._sockets.append(sock)
            if self._cut:
                _shut(sock)


class _Reply:
    def __init__(self, response: httpx.Response, url: str, deadline: Deadline) -> None:
        self._deadline = deadline
        self._pieces = response.iter_raw()
        self._left = memoryview(b"")
        self._url = url
        self.status = response.status_code
        self.headers: Headers = {name.lower(): value for name, value in response.headers.items()}

    def readinto(self, view: memoryview) -> int:
        while not self._left:
            try:
                with self._deadline.awaiting():
                    piece = next(self._pieces, None)
            except TROUBLE as error:
                raise _translation(error, self._url) from error
            if piece is None:
                return 0
            self._left = memoryview(piece)
        count = min(len(view), len(self._left))
        view[:count], self._left = self._left[:count], self._left[count:]
        return count


def _translation(error: Exception, url: str) -> Exception:
    """Return what an error of httpx means here."""
    match error:
        case ImportError():
            return BadResponse(url, "its proxy speaks SOCKS, which needs `pip install 'httpx[socks]'`")
        case httpx.TimeoutException():
            return ConnectionBroken("it was silent for too long")
        case httpx.ProxyError():
            return ConnectionBroken(f"the proxy refuses ({error})")
        case httpx.RemoteProtocolError():
            return ConnectionBroken("the content ended early")
        case httpx.ReadError() | httpx.WriteError():
            return ConnectionBroken("the connection was reset", reset=True)
        case httpx.ConnectError():
            return _connect_failure(url, error)
        case _:
            return ConnectionBroken(f"it does not speak HTTP ({type(error).__name__})", nonsense=True)


def _connect_failure(url: str, error: httpx.ConnectError) -> Exception:
    cause = error.__cause__
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return BadResponse(url, f"its certificate is not trusted ({cause.verify_message})")
    return ConnectionBroken(f"no connection through the proxy ({error})")


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
