"""Send one reply over one connection, as the faults that strike it demand."""

import time
import zlib
from collections.abc import Callable, Iterator
from typing import TypeAlias

from ._fault import Fault
from ._line import HangupError, Line
from ._reply import Reply

SLICES_PER_SECOND = 50
MAX_SEND = 256 * 1024
Stop: TypeAlias = tuple[int, Callable[[], None]]


def send_reply(line: Line, reply: Reply, fault: Fault, *, with_body: bool) -> None:
    """Send headers and perhaps the body; raises HangupError when the connection is to end here."""
    line.sock.sendall(reply.head())
    if with_body:
        _send_body(line, _encoded(_body(reply, fault), fault), fault)
        if not _well_framed(reply):
            raise HangupError


def _well_framed(reply: Reply) -> bool:
    headers = {name.lower(): value for name, value in reply.headers.items()}
    return "transfer-encoding" in headers or headers.get("content-length") == str(reply.length)


def _send_body(line: Line, body: Iterator[memoryview], fault: Fault) -> None:
    stops = _stops(line, fault)
    sent, due = 0, time.monotonic()
    step = MAX_SEND if fault.bps is None else max(1, fault.bps // SLICES_PER_SECOND)
    for piece in body:
        while piece:
            _act(stops, sent)
            size = min([step, *(at - sent for at, _ in stops[:1])])
            part, piece = piece[:size], piece[size:]
            if fault.bps is not None:
                line.wait(max(0.0, due - time.monotonic()))
                due = max(due, time.monotonic()) + len(part) / fault.bps
            line.send(part)
            sent += len(part)
    _act(stops, sent)


def _stops(line: Line, fault: Fault) -> list[Stop]:
    wanted = [
        (fault.stall_after, line.stall),
        (fault.close_after, line.close),
        (fault.reset_after, line.reset),
    ]
    return sorted(((at, act) for at, act in wanted if at is not None), key=lambda stop: stop[0])


def _act(stops: list[Stop], sent: int) -> None:
    while stops and stops[0][0] == sent:
        stops.pop(0)[1]()


def _body(reply: Reply, fault: Fault) -> Iterator[memoryview]:
    at = reply.start
    for piece in reply.content.pieces(reply.start, reply.stop):
        yield _corrupted(piece, None if fault.corrupt_at is None else fault.corrupt_at - at)
        at += len(piece)


def _corrupted(piece: memoryview, at: int | None) -> memoryview:
    if at is None or not 0 <= at < len(piece):
        return piece
    data = bytearray(piece)
    data[at] ^= 0xFF
    return memoryview(data)


def _encoded(body: Iterator[memoryview], fault: Fault) -> Iterator[memoryview]:
    if not (fault.chunked or fault.gzip):
        return body
    plain = (bytes(piece) for piece in body)
    return _in_chunks(_compressed(plain) if fault.gzip else plain)


def _compressed(body: Iterator[bytes]) -> Iterator[bytes]:
    gzip = zlib.compressobj(1, wbits=31)
    for data in body:
        yield gzip.compress(data)
    yield gzip.flush()


def _in_chunks(body: Iterator[bytes]) -> Iterator[memoryview]:
    for data in body:
        if data:
            yield memoryview(b"%x\r\n%b\r\n" % (len(data), data))
    yield memoryview(b"0\r\n\r\n")
