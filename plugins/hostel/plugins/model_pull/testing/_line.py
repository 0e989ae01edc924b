"""One client's connection as an answer sees it.

Whoever waits here (slow, throttled, stalled) waits on the client's socket, so it wakes at once when the
client leaves and when the hub closes, which shuts every socket down.
"""

import contextlib
import selectors
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from typing import NoReturn

import attrs

from ._fault import Ending
from ._log import Entry

if sys.platform != "win32":
    import fcntl
    import termios

_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)


class HangupError(Exception):
    """The connection has ended: the fault, the client or the hub wanted it."""


class Stalls:
    """The answers that are stalled, until they are released."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._wakers: set[socket.socket] = set()

    @contextlib.contextmanager
    def waiting(self) -> Iterator[socket.socket]:
        """Count as stalled while inside; the socket given is readable once released."""
        wake, waker = socket.socketpair()
        with wake, waker:
            with self._changed:
                self._wakers.add(waker)
                self._changed.notify_all()
            try:
                yield wake
            finally:
                with self._changed:
                    self._wakers.discard(waker)

    def wait_for(self, count: int, timeout: float) -> bool:
        """Wait until so many answers are stalled; False when `timeout` seconds pass first."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._wakers) >= count, timeout)

    def release(self) -> int:
        """Let all stalled answers go on; return how many there were."""
        with self._changed:
            for waker in self._wakers:
                waker.send(b"x")
            return len(self._wakers)


@attrs.frozen
class Line:
    """Send bytes, written down in the log, and wait; raises HangupError when the client has left."""

    sock: socket.socket
    stalls: Stalls
    entry: Entry

    def send_head(self, status: int, head: bytes, *, last: bool, bps: int | None = None) -> None:
        self.entry.answer(status)
        if last:
            self.entry.finish()
        if bps is None:
            self.sock.sendall(head)
            return
        for at in range(len(head)):
            self.sock.sendall(head[at : at + 1])
            self.wait(1 / bps)

    def send(self, data: memoryview, *, last: bool) -> None:
        self.entry.send(len(data))
        if last:
            self.entry.finish()
        self.sock.sendall(data)

    def wait(self, seconds: float) -> None:
        self._wait(seconds)

    def stall(self) -> None:
        """Wait until released."""
        with self.stalls.waiting() as released:
            self._wait(None, released)

    def close(self) -> NoReturn:
        raise HangupError

    def reset(self) -> NoReturn:
        """Cut with RST, once what was sent has reached the client's machine."""
        while self._unacknowledged():
            self.wait(0.001)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise HangupError

    def end(self, ending: Ending) -> NoReturn:
        if ending is Ending.RESET:
            self.reset()
        self.close()

    def _wait(self, seconds: float | None, released: socket.socket | None = None) -> None:
        with _Selector() as selector:
            selector.register(self.sock, selectors.EVENT_READ)
            if released is not None:
                selector.register(released, selectors.EVENT_READ)
            if any(key.fileobj is self.sock for key, _ in selector.select(seconds)):
                raise HangupError

    def _unacknowledged(self) -> int:
        if sys.platform == "win32":
            return 0
        answer = fcntl.ioctl(self.sock, termios.TIOCOUTQ, struct.pack("i", 0))
        return int(struct.unpack("i", answer)[0])
