"""Every task of a host in the order it came, and pages of that order.

Reading a page must not cost more because there are many tasks, so it starts at a place found by bisection
and stops when it is full. A task keeps its number for life, in whichever session it is; one that is
forgotten leaves a gap, and gaps are closed when there are more of them than tasks."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from ._records import TaskPage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ._entry import Entry
    from ._records import TaskFilter

FEW = 1_000


class Roster:
    """Entries by number of arrival."""

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._entries: list[Entry | None] = []
        self._last = 0
        self._gaps = 0

    def __len__(self) -> int:
        return len(self._entries) - self._gaps

    def add(self, entry: Entry) -> None:
        """Give `entry` the next number."""
        self._last += 1
        entry.number = self._last
        self._numbers.append(self._last)
        self._entries.append(entry)

    def discard(self, entry: Entry) -> None:
        """Leave a gap where `entry` was."""
        self._entries[bisect_left(self._numbers, entry.number)] = None
        self._gaps += 1
        if self._gaps > FEW and self._gaps * 2 > len(self._entries):
            self._entries = [kept for kept in self._entries if kept is not None]
            self._numbers = [kept.number for kept in self._entries if kept is not None]
            self._gaps = 0

    def after(self, number: int) -> Iterator[Entry]:
        """Return the entries that came after the one of that number."""
        for place in range(bisect_right(self._numbers, number), len(self._entries)):
            entry = self._entries[place]
            if entry is not None:
                yield entry


def page_of(entries: Iterable[Entry], filter: TaskFilter, limit: int) -> TaskPage:
    """Return the first `limit` records that match, and where the next page starts if there is more."""
    found: list[Entry] = []
    for entry in entries:
        if filter.lists(entry.record):
            if len(found) == limit:
                return TaskPage([entry.record for entry in found], str(found[-1].number))
            found.append(entry)
    return TaskPage([entry.record for entry in found], None)
