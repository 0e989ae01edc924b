"""The form of a task's output on disk: a folder that one process appends to and any process reads.

The output is cut into segments, append-only files named by the offset of their first byte. The first is the
head and stays; when all would outgrow the cap, the oldest after the head are unlinked before a new one
begins. So what is gone is a gap between head and tail, and its size follows from the names. Beside them lies
`streams`, one line `offset name` for each change of the stream; where it says nothing the output is `stdout`.
A line of it is written before the bytes it speaks of, so whoever sees the bytes finds the line. Nothing needs
repair after a kill: a torn write is a shorter last segment.

This file needs the standard library only, for processes that load it by its path, without hostel."""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from pathlib import Path
from typing import NamedTuple

CAP = 16 * 1024 * 1024
"""Bytes that a spool keeps at most, unless told otherwise."""
MAX_MARKS = 20_000
"""Changes of the stream that a spool records; after that it stays the last one recorded."""
DEFAULT_STREAM = "stdout"

_STREAM = re.compile(r"[a-z0-9_-]{1,32}")
_SEGMENT = re.compile(r"\d{16,}\.out")
_MARKS = "streams"


class Piece(NamedTuple):
    """Bytes of one stream, `start` the offset of the first; `total` is how many were ever written."""

    data: bytes
    start: int
    total: int
    stream: str


def check_stream(name: str) -> str:
    """Return the name of a stream.

    Raises ValueError unless it has 1 to 32 characters of `[a-z0-9_-]`."""
    if _STREAM.fullmatch(name) is None:
        raise ValueError(f"a stream's name has 1 to 32 characters of [a-z0-9_-], not {name[:40]!r}")
    return name


class SpoolWriter:
    """Appends to the spool in `folder`, after what is there, and keeps at most `cap` bytes (4 or more).

    A spool has one writer at a time, used by one thread at a time. Nothing is made before the first byte.
    Raises OSError if `folder` cannot be read."""

    def __init__(self, folder: str | os.PathLike[str], cap: int = CAP) -> None:
        if cap < 4:
            raise ValueError(f"a spool keeps 4 bytes or more, not {cap}")
        self._folder = Path(folder)
        self._cap = cap
        self._segment = cap // 4
        offsets = _segments(self._folder)
        self._sizes = {offset: _path(self._folder, offset).stat().st_size for offset in offsets}
        self.total = offsets[-1] + self._sizes[offsets[-1]] if offsets else 0
        """The offset where the next byte goes."""
        marks = [line for line in _marks(self._folder) if _offset(line) <= self.total]
        self._marks, self._marks_size = len(marks), sum(map(len, marks)) + len(marks)
        self._stream = _name(marks[-1]) if marks else DEFAULT_STREAM
        self._fd: int | None = None

    def append(self, data: bytes | bytearray | memoryview, stream: str = DEFAULT_STREAM) -> None:
        """Write `data` at the end.

        Raises OSError if the disk does not take it; `total` then tells how much it took. Raises ValueError if
        `stream` is no name of a stream."""
        if stream != self._stream and data:
            self._mark(check_stream(stream))
        rest = memoryview(data)
        while rest:
            room = self._room()
            rest = rest[self._write(rest[:room]) :]

    def close(self) -> None:
        """Close the file; the next `append` opens it again."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _room(self) -> int:
        """Return how many bytes the last segment still takes, after beginning a new one if it is full."""
        last = next(reversed(self._sizes), None)
        if last is None or self._sizes[last] >= self._segment:
            self.close()
            self._drop()
            last = self.total
            self._sizes[last] = 0
        if self._fd is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            self._fd = os.open(_path(self._folder, last), flags, 0o600)
        return self._segment - self._sizes[last]

    def _drop(self) -> None:
        for offset in list(self._sizes)[1:-1]:
            if sum(self._sizes.values()) + self._segment <= self._cap:
                return
            _path(self._folder, offset).unlink(missing_ok=True)
            del self._sizes[offset]

    def _write(self, data: memoryview) -> int:
        assert self._fd is not None
        written = os.write(self._fd, data)
        self._sizes[next(reversed(self._sizes))] += written
        self.total += written
        return written

    def _mark(self, stream: str) -> None:
        if self._marks >= MAX_MARKS:
            return
        line = f"{self.total} {stream}\n".encode()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self._folder / _MARKS, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.ftruncate(fd, self._marks_size)
            written = os.pwrite(fd, line, self._marks_size)
            if written < len(line):  # the next mark begins where this one did
                raise OSError(f"{self._folder / _MARKS}: {written} of {len(line)} bytes written")
        finally:
            os.close(fd)
        self._marks += 1
        self._marks_size += len(line)
        self._stream = stream


def read_spool(folder: str | os.PathLike[str], after: int, limit: int) -> Piece:
    """Read at most `limit` bytes from offset `after` on, or from the next byte that is kept if that is gone.

    `after` below 0 counts from the end. The piece ends where the stream changes or bytes are gone; it is
    empty, and starts at `after`, if nothing lies there yet. Others may write to the spool meanwhile. A folder
    that is missing is an empty spool; raises OSError if it cannot be read."""
    while True:
        try:
            return _read(Path(folder), after, limit)
        except FileNotFoundError:  # a listed segment was dropped: what is kept now begins later
            continue


def _read(folder: Path, after: int, limit: int) -> Piece:
    offsets = _segments(folder)
    total = offsets[-1] + _path(folder, offsets[-1]).stat().st_size if offsets else 0
    marks = _marks(folder)  # after the total, so that it covers every byte before that
    start = after if after >= 0 else max(0, total + after)
    first = max(0, bisect_right(offsets, start) - 1)
    data = b""
    for offset in offsets[first:] if start < total else ():
        if not data:
            start = max(start, offset)
        elif offset != start + len(data):
            break
        stop = min(total, start + limit, _next_change(marks, start, total))
        data += _read_segment(_path(folder, offset), start + len(data) - offset, stop - offset)
        if start + len(data) >= stop:
            break
    return Piece(data, start, total, _stream_at(marks, start))


def _read_segment(path: Path, start: int, stop: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        return file.read(max(0, stop - start)) or b""


def _segments(folder: Path) -> list[int]:
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(int(name[:-4]) for name in names if _SEGMENT.fullmatch(name))


def _path(folder: Path, offset: int) -> Path:
    return folder / f"{offset:016d}.out"


def _marks(folder: Path) -> list[bytes]:
    """Return the whole lines of `streams`; they are sorted by offset."""
    try:
        return (folder / _MARKS).read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []


def _offset(mark: bytes) -> int:
    return int(mark.split()[0])


def _name(mark: bytes) -> str:
    return mark.split()[1].decode()


def _stream_at(marks: list[bytes], offset: int) -> str:
    place = bisect_right(marks, offset, key=_offset)
    return _name(marks[place - 1]) if place else DEFAULT_STREAM


def _next_change(marks: list[bytes], offset: int, total: int) -> int:
    place = bisect_right(marks, offset, key=_offset)
    return _offset(marks[place]) if place < len(marks) else total
