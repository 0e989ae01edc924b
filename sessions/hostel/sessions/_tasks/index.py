"""The tasks a host has in memory in the order they came.

Reading a page must not cost more because there are many tasks, so it starts at a place found by bisection
and stops when it is full. A task has the number of its registration for life, in whichever session it is; one
that is forgotten leaves a gap, and gaps are closed when there are more of them than tasks."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .entry import Entry

FEW = 1_000


class TaskIndex:
    """Entries by number of arrival."""

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._entries: list[Entry | None] = []
        self._gaps = 0

    def __len__(self) -> int:
        return len(self._entries) - self._gaps

    def add(self, entry: Entry) -> None:
        """Take in `entry`, which has come last."""
        self._numbers.append(entry.number)
        self._entries.append(entry)

    def discard(self, entry: Entry) -> None:
        """Leave a gap where `entry` was, if it was here."""
        place = bisect_left(self._numbers, entry.number)
        if place == len(self._entries) or self._entries[place] is not entry:
            return
        self._entries[place] = None
        self._gaps += 1
        if self._gaps > FEW and self._gaps * 2 > len(self._entries):
            self._entries = [kept for kept in self._entries if kept is not None]
            self._numbers = [kept.number for kept in self._entries if kept is not None]
            self._gaps = 0

    def has(self, number: int) -> bool:
        """Tell whether the entry of that number is here."""
        place = bisect_left(self._numbers, number)
        return (
            place < len(self._entries) and self._numbers[place] == number and self._entries[place] is not None
        )

    def after(self, number: int) -> Iterator[Entry]:
        """Return the entries that came after the one of that number."""
        for place in range(bisect_right(self._numbers, number), len(self._entries)):
            entry = self._entries[place]
            if entry is not None:
                yield entry
