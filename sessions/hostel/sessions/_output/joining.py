"""One read out of two places: the files of an output and its memory, neither of which need have all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..spool import Piece

if TYPE_CHECKING:
    from .memory import Memory


def from_start(after: int, total: int) -> int:
    """Return the offset that `after` means, which counts from the end if it is below 0."""
    return after if after >= 0 else max(0, total + after)


def is_whole(kept: Piece, after: int, limit: int, memory: Memory) -> bool:
    """Tell whether files could add nothing to `kept`, which memory has from `after` on."""
    gone, back = memory.gap
    cut = gone < back and kept.start + len(kept.data) == gone
    return kept.start == after and (len(kept.data) >= limit or not cut)


def joined(filed: Piece, memory: Memory, after: int, limit: int, total: int) -> Piece:
    """Return the part that begins first, with what memory has right behind it; of two, the longer one.

    Where neither has anything before `total`, all up to there is gone."""
    found = [piece for piece in (filed, memory.read(after, limit)) if piece.data]
    if not found:
        return Piece(b"", max(after, total), total, filed.stream)
    data, start, _, stream = min(found, key=lambda piece: (piece.start, -len(piece.data)))
    more = memory.read(start + len(data), limit - len(data))
    if more.start == start + len(data) and more.stream == stream:
        data += more.data
    return Piece(data, start, total, stream)
