"""A chunked body, read along before it is decoded: lines end in CRLF alone, and what is no data is bounded.

Extensions and trailers mean nothing here. They are let through as far as they are well-formed and short,
since what one reader skips in another way than the next is where a second request would hide."""

from __future__ import annotations

import re
from enum import Enum, auto

from .unfit import Unfit

LINE_BYTES = 4 * 1024
BESIDE_BYTES = 16 * 1024
"""What extensions and trailers of one body may take together."""

SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(;[^\r\n\0]*)?\r\n")
FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*\r\n")


class _Next(Enum):
    SIZE = auto()
    END_OF_DATA = auto()
    TRAILER = auto()
    NOTHING = auto()


class Chunks:
    """The place in a chunked body that a peer has reached."""

    def __init__(self) -> None:
        self._next = _Next.SIZE
        self._data_left = 0
        self._beside = 0
        self._line = b""

    @property
    def is_complete(self) -> bool:
        """Tell whether the body has ended; what comes then is another request."""
        return self._next is _Next.NOTHING

    def feed(self, data: bytes) -> None:
        """Read on.

        :raises Unfit: if it is no chunked body.
        """
        place = 0
        while place < len(data) and not self.is_complete:
            if self._data_left:
                taken = min(self._data_left, len(data) - place)
                self._data_left -= taken
                place += taken
            else:
                place = self._read_line(data, place)

    def _read_line(self, data: bytes, place: int) -> int:
        end = data.find(b"\n", place) + 1
        self._line += data[place : end or place + LINE_BYTES]
        if len(self._line) > LINE_BYTES:
            raise Unfit(400)
        if not end:
            return len(data)
        line, self._line = self._line, b""
        self._next = self._after(line)
        return end

    def _after(self, line: bytes) -> _Next:
        if self._next is _Next.SIZE:
            return self._after_size(line)
        if self._next is _Next.TRAILER and line != b"\r\n":
            if not FIELD.fullmatch(line):
                raise Unfit(400)
            self._skip(line)
            return _Next.TRAILER
        if line != b"\r\n":
            raise Unfit(400)
        return _Next.NOTHING if self._next is _Next.TRAILER else _Next.SIZE

    def _after_size(self, line: bytes) -> _Next:
        found = SIZE.fullmatch(line)
        if found is None:
            raise Unfit(400)
        self._skip(found[2] or b"")
        self._data_left = int(found[1], 16)
        return _Next.END_OF_DATA if self._data_left else _Next.TRAILER

    def _skip(self, text: bytes) -> None:
        self._beside += len(text)
        if self._beside > BESIDE_BYTES:
            raise Unfit(431)
