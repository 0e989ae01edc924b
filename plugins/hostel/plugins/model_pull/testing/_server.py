"""Two listening sockets, one thread that accepts for both, one thread per connection.

Closing wakes everyone through a socket: the accepting thread by a wake-up pair, each connection by
shutting it down. The CDN must have another host name than the hub, because clients decide by it where a
token may go: 127.0.0.2, and where that address cannot be bound (macOS without an alias) `localhost` beside
the hub's 127.0.0.1.
"""

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Self

from ._answering import send_reply
from ._fault import Fault
from ._line import HangupError, Line, Stalls
from ._log import RequestLog
from ._reply import Reply
from ._request import Origin, Request, read_request

SEND_BUFFER = 256 * 1024
"""Small, so that the bytes counted as sent are not far ahead of those received."""


class Server:
    """Serve both origins; `answer` says what to reply and which faults strike."""

    def __init__(self, answer: Callable[[Request], tuple[Reply, Fault]], log: RequestLog) -> None:
        self._answer = answer
        self._log = log
        self.stalls = Stalls()
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._accepted = 0
        self._listeners: dict[Origin, socket.socket] = {}
        self._urls: dict[Origin, str] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            for origin in Origin:
                listener, self._urls[origin] = _listen(origin)
                self._listeners[origin] = stack.enter_context(listener)
            wake, waker = socket.socketpair()
            stack.enter_context(wake)
            stack.callback(self._hang_up)
            accepting = threading.Thread(target=self._accept, args=(wake,), name="hub", daemon=True)
            accepting.start()
            stack.callback(accepting.join)
            stack.callback(waker.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def url(self, origin: Origin) -> str:
        if origin not in self._urls:
            raise RuntimeError("the hub is not running")
        return self._urls[origin]

    def _accept(self, wake: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(wake, selectors.EVENT_READ)
            for origin, listener in self._listeners.items():
                selector.register(listener, selectors.EVENT_READ, origin)
            while True:
                for key, _ in selector.select():
                    if key.data is None:
                        return
                    self._start(self._listeners[key.data].accept()[0], key.data)

    def _start(self, sock: socket.socket, origin: Origin) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._accepted += 1
        thread = threading.Thread(
            target=self._converse, args=(sock, self._accepted, origin), name=f"hub-{origin}", daemon=True
        )
        with self._lock:
            self._connections[sock] = thread
        thread.start()

    def _hang_up(self) -> None:
        with self._lock:
            open_now: Mapping[socket.socket, threading.Thread] = dict(self._connections)
            for sock in open_now:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in open_now.values():
            thread.join()

    def _converse(self, sock: socket.socket, number: int, origin: Origin) -> None:
        try:
            with sock.makefile("rb") as stream, contextlib.suppress(OSError, HangupError):
                while (request := read_request(stream, origin)) and self._exchange(sock, number, request):
                    pass
        finally:
            with self._lock:
                del self._connections[sock]
                sock.close()

    def _exchange(self, sock: socket.socket, connection: int, request: Request) -> bool:
        entry = self._log.begin(request, connection)
        try:
            reply, fault = self._answer(request)
            send_reply(Line(sock, self.stalls, entry), reply, fault, with_body=request.method != "HEAD")
        finally:
            entry.finish()
        return request.keeps_alive


def _listen(origin: Origin) -> tuple[socket.socket, str]:
    if origin is Origin.HUB:
        return _bound("127.0.0.1", "127.0.0.1")
    try:
        return _bound("127.0.0.2", "127.0.0.2")
    except OSError:
        return _bound("127.0.0.1", "localhost")


def _bound(address: str, name: str) -> tuple[socket.socket, str]:
    listener = socket.create_server((address, 0), backlog=128)
    return listener, f"http://{name}:{listener.getsockname()[1]}"
