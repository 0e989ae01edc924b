"""What a reader gets: text of one stream, and where it lies among the bytes.

Offsets count bytes of UTF-8, so a read may end inside a character. Its bytes are left for the next read when
they can still become whole: at the limit of this read, and at the end of what is there as long as the task
may write more. Before a gap, a change of stream and the end of all they cannot, and are replaced."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from ..spool import Piece

LIMIT = 64 * 1024
"""Bytes that one read returns at most, unless told otherwise."""
MOST = 1024 * 1024
LEAST = 4
"""The longest character of UTF-8: a read may always go on."""


@attrs.frozen
class Output:
    """Part of what a task has written. Offsets are in bytes of UTF-8, from the beginning of the output."""

    text: str
    """The text; what is not UTF-8 is replaced by U+FFFD."""
    start: int
    """The offset of its first byte."""
    next: int
    """Where to read on."""
    dropped: int
    """Bytes between the offset that was asked for and `start` that are gone."""
    ended: bool
    """True if nothing comes after `next`, now or later."""
    stream: str
    """The stream that all of the text was written to."""


def bounded(limit: int) -> int:
    """Return the limit that a read obeys when `limit` is asked for."""
    return max(LEAST, min(limit, MOST))


def output_of(piece: Piece, after: int, limit: int, ended: bool) -> Output:
    """Return the output for `piece`, which was read from `after` on (0 or more) with `limit`."""
    end = piece.start + len(piece.data)
    at_end = end >= piece.total
    may_go_on = not ended if at_end else len(piece.data) >= limit
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(piece.data, final=not may_go_on)
    held_back = len(decoder.getstate()[0])
    if not piece.data:  # nothing is there yet: who asks again asks from where he is
        start = max(piece.start, after)
        return Output("", start, start, start - after, ended and at_end, piece.stream)
    return Output(text, piece.start, end - held_back, piece.start - after, ended and at_end, piece.stream)
