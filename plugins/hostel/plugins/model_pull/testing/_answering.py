"""Send one reply over one socket, as the faults that strike it demand.

Whoever waits here (throttled, stalled, slow) waits on the client's socket, so it wakes at once when the
client leaves and when the hub closes, which shuts every socket down.
"""

import os
import selectors
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from typing import NoReturn

import attrs

from ._blob import Piece
from ._fault import Fault
from ._reply import Reply

SLICES_PER_SECOND = 50
if sys.platform != "win32":
    import fcntl
    import termios

_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)


class HangupError(Exception):
    """The connection has ended: the fault, the client or the hub wanted it."""


@attrs.define
class Line:
    """A client's connection as an answer sees it: bytes go out and are counted, waiting ends if it leaves."""

    sock: socket.socket
    pool: int | None
    """Descriptor of the file the kernel can send filler from; None: copy it."""
    count: Callable[[int], None]

    def send(self, piece: Piece) -> None:
        if piece.pool_offset is None or self.pool is None:
            self.sock.sendall(piece.data)
            self.count(len(piece.data))
            return
        at, end = piece.pool_offset, piece.pool_offset + len(piece.data)
        while at < end:
            sent = os.sendfile(self.sock.fileno(), self.pool, at, end - at)
            self.count(sent)
            at += sent

    def wait(self, seconds: float | None) -> None:
        """Wait so long (None: for ever); raises HangupError as soon as the client leaves."""
        with _Selector() as selector:
            selector.register(self.sock, selectors.EVENT_READ)
            if selector.select(seconds):
                raise HangupError

    def reset(self) -> NoReturn:
        """Cut with RST, once what was sent has reached the client's machine."""
        while self._unacknowledged():
            self.wait(0.001)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise HangupError

    def _unacknowledged(self) -> int:
        if sys.platform == "win32":
            return 0
        answer = fcntl.ioctl(self.sock, termios.TIOCOUTQ, struct.pack("i", 0))
        return int(struct.unpack("i", answer)[0])


def send_reply(line: Line, reply: Reply, fault: Fault, *, with_body: bool) -> None:
    """Send headers and perhaps the body; raises HangupError when the connection is to end here."""
    line.sock.sendall(reply.head(reply.length))
    if with_body:
        _send_body(line, reply, fault)


def _send_body(line: Line, reply: Reply, fault: Fault) -> None:
    started, sent = time.monotonic(), 0
    limit = min(
        reply.length,
        *(cut for cut in (fault.reset_after, fault.close_after) if cut is not None),
        reply.length,
    )
    for piece in _pieces(reply, limit, fault):
        if fault.bps is not None and (early := started + sent / fault.bps - time.monotonic()) > 0:
            line.wait(early)
        line.send(piece)
        sent += len(piece.data)
    if fault.reset_after == limit:
        line.reset()
    if fault.close_after == limit:
        raise HangupError


def _pieces(reply: Reply, limit: int, fault: Fault) -> Iterator[Piece]:
    at = reply.start
    for whole in reply.content.pieces(reply.start, reply.start + limit):
        for piece in _sliced(whole, None if fault.bps is None else max(1, fault.bps // SLICES_PER_SECOND)):
            yield _corrupted(piece, None if fault.corrupt_at is None else fault.corrupt_at - at)
            at += len(piece.data)


def _sliced(piece: Piece, step: int | None) -> Iterator[Piece]:
    if step is None:
        yield piece
        return
    for start in range(0, len(piece.data), step):
        offset = None if piece.pool_offset is None else piece.pool_offset + start
        yield Piece(piece.data[start : start + step], offset)


def _corrupted(piece: Piece, at: int | None) -> Piece:
    if at is None or not 0 <= at < len(piece.data):
        return piece
    data = bytearray(piece.data)
    data[at] ^= 0xFF
    return Piece(memoryview(data), None)
