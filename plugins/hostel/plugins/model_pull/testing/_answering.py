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
    if fault.first_byte_after:
        line.wait(fault.first_byte_after)
    if fault.before_headers:
        line.end(fault.before_headers)
    last = not (with_body and reply.length)
    line.send_head(reply.status, reply.head(), last=last, bps=fault.head_bps)
    if with_body:
        _send_body(line, _encoded(_body(reply, fault), fault), fault)
        if not _well_framed(reply):
            raise HangupError


def _well_framed(reply: Reply) -> bool:
    headers = {name.lower(): value for name, value in reply.headers.items()}
    return "transfer-encoding" in headers or headers.get("content-length") == str(reply.length)


def _send_body(line: Line, body: Iterator[memoryview], fault: Fault) -> None:
    stops = _stops(line, fault)
    step = MAX_SEND if fault.bps is None else max(1, fault.bps // SLICES_PER_SECOND)
    sent, due = 0, time.monotonic()
    for part, last in _marked(_parts(body, step, [at for at, _ in stops])):
        _act(stops, sent)
        if fault.bps is not None:
            line.wait(max(0.0, due - time.monotonic()))
            due = max(due, time.monotonic()) + len(part) / fault.bps
        line.send(part, last=last)
        sent += len(part)
    _act(stops, sent)


def _stops(line: Line, fault: Fault) -> list[Stop]:
    wanted = [
        (fault.stall_after, line.stall),
        (fault.close_after, line.close),
        (fault.reset_after, line.reset),
    ]
    return [(at, act) for at, act in wanted if at is not None]


def _act(stops: list[Stop], sent: int) -> None:
    for at, act in stops:
        if at == sent:
            act()


def _parts(body: Iterator[memoryview], step: int, cuts: list[int]) -> Iterator[memoryview]:
    """Cut the body into parts of at most `step` bytes that end at every cut."""
    sent = 0
    for piece in body:
        start = 0
        while start < len(piece):
            part = piece[start : start + min([step, *(at - sent for at in cuts if at > sent)])]
            yield part
            start += len(part)
            sent += len(part)


def _marked(parts: Iterator[memoryview]) -> Iterator[tuple[memoryview, bool]]:
    """Say of each part whether it is the last."""
    held: memoryview | None = None
    for part in parts:
        if held is not None:
            yield held, False
        held = part
    if held is not None:
        yield held, True


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
