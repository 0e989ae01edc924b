"""The part of an output that stays in memory: its head, and a tail that rolls.

Both are stretches of bytes with the places where the stream changes. A stretch is full when it has its bytes
or its changes, so one-byte writes to two streams cost no more memory than lines do. What is between head and
tail is dropped; until something is, the tail begins where the head ends."""

from __future__ import annotations

from bisect import bisect_right

from ..spool import DEFAULT_STREAM, Piece

HEAD = 64 * 1024
TAIL = 192 * 1024
CHANGES = 4096
"""Changes of the stream that a stretch holds."""


class Stretch:
    """Bytes in a row from offset `start` on; each of `changes` is where bytes of one of `streams` begin."""

    __slots__ = ("changes", "data", "start", "stream", "streams")

    def __init__(self, start: int) -> None:
        self.start = start
        self.data = bytearray()
        self.changes: list[int] = []
        self.streams: list[str] = []
        self.stream: str | None = None
        """The stream of the last byte, None if there is none."""

    @property
    def end(self) -> int:
        return self.start + len(self.data)

    def add(self, data: bytes, stream: str) -> None:
        if stream != self.stream:
            self.changes.append(self.end)
            self.streams.append(stream)
            self.stream = stream
        self.data += data

    def drop(self, size: int) -> None:
        """Drop the first `size` bytes."""
        del self.data[:size]
        self.start += size
        if len(self.changes) > 1 and self.changes[1] <= self.start:
            past = bisect_right(self.changes, self.start) - 1
            del self.changes[:past], self.streams[:past]

    def read(self, start: int, limit: int) -> tuple[bytes, str]:
        """Return bytes of one stream from `start`, which lies in here, on."""
        place = bisect_right(self.changes, start)
        stop = min(start + limit, self.end)
        if place < len(self.changes):
            stop = min(stop, self.changes[place])
        return bytes(self.data[start - self.start : stop - self.start]), self.streams[place - 1]


class Memory:
    """The head and the tail of what is added from offset `start` on."""

    def __init__(self, start: int = 0, head: int = HEAD, tail: int = TAIL) -> None:
        self._head = Stretch(start)
        self._tail = Stretch(start)
        self._head_size, self._tail_size = head, tail
        self._head_grows = True
        self.total = start

    @property
    def gap(self) -> tuple[int, int]:
        """Where the bytes were that are dropped: from, and up to."""
        return self._head.end, self._tail.start

    def add(self, data: bytes, stream: str) -> None:
        """Take in `data`, not empty, at the end."""
        self.total += len(data)
        if self._head_grows:
            data = self._add_to_head(data, stream)
            if not data:
                return
        tail = self._tail
        tail.add(data, stream)
        excess = len(tail.data) - self._tail_size
        if excess > 0:
            tail.drop(excess)
        if len(tail.changes) > CHANGES:
            tail.drop(tail.changes[1] - tail.start)

    def read(self, after: int, limit: int) -> Piece:
        """Read as `read_spool` does."""
        start = after if after >= 0 else max(0, self.total + after)
        if start >= self.total:
            return Piece(b"", start, self.total, self._tail.stream or self._head.stream or DEFAULT_STREAM)
        head, tail = self._head, self._tail
        start = max(start, head.start)
        if start >= head.end:
            return Piece(*_first(tail, max(start, tail.start), limit, self.total))
        data, stream = head.read(start, limit)
        if start + len(data) == head.end == tail.start and len(data) < limit and tail.data:
            more, its_stream = tail.read(tail.start, limit - len(data))
            data += more if its_stream == stream else b""
        return Piece(data, start, self.total, stream)

    def _add_to_head(self, data: bytes, stream: str) -> bytes:
        """Return what the head does not take."""
        head = self._head
        room = self._head_size - len(head.data)
        if len(data) < room and len(head.changes) < CHANGES:
            head.add(data, stream)
            return b""
        self._head_grows = False
        if room > 0 and len(head.changes) < CHANGES:
            head.add(data[:room], stream)
            data = data[room:]
        self._tail.start = head.end
        return data


def _first(tail: Stretch, start: int, limit: int, total: int) -> tuple[bytes, int, int, str]:
    if start >= total:  # a tail of no size: all of it is dropped
        return b"", total, total, tail.stream or DEFAULT_STREAM
    data, stream = tail.read(start, limit)
    return data, start, total, stream
