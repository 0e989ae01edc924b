"""Reading back from a journal, and saying honestly what is no longer there.

A journal forgets the events of tasks that were pruned, so the numbers that are left have gaps. Of those up
to the last forgotten number (beyond it only overtaken progress is missing) a reader hears once, as one
`missed` event with their count, and then gets everything retained. When something is forgotten while it
reads, it hears of what that took away, and only of that. A journal counts gaps only when it has forgotten
more than the reader knows; `Losses` is the reader's side of that account."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from .._events import missed

if TYPE_CHECKING:
    from .._events import TaskEvent


@attrs.frozen
class Forgotten:
    """How much a journal has forgotten: events up to number `through`, on `times` occasions."""

    through: int = 0
    times: int = 0


@attrs.frozen
class Page:
    """Events in a row, as a journal has them. `gone` is how many numbers of the range that was asked for have
    no event any more, up to `forgotten.through`; it counts only if `forgotten` is news to the reader.
    """

    events: list[TaskEvent]
    forgotten: Forgotten
    gone: int = 0


class Losses:
    """What the reader of a journal's pages was told is gone, from number `after` on."""

    def __init__(self, after: int) -> None:
        self.known = Forgotten()
        self._cursor = after
        self._told = 0
        """How many of the numbers still ahead the reader knows to be gone."""

    def told(self, page: Page, through: int) -> list[TaskEvent]:
        """Return the events of `page`, which was asked for up to `through`, behind a `missed` event if
        there is something new to tell.
        """
        cursor, events, new = self._cursor, page.events, 0
        if page.forgotten != self.known:
            new = page.gone - self._told
            self.known, self._told = page.forgotten, page.gone
        if events:
            self._pass(events)
        if new <= 0:
            return events
        next_seq = events[0].seq if events else through + 1
        return [missed(cursor, next_seq, time.time(), new), *events]

    def _pass(self, events: list[TaskEvent]) -> None:
        last, end = events[-1].seq, self.known.through
        numbers = min(last, end) - min(self._cursor, end)
        self._told -= numbers - sum(event.count or 1 for event in events if event.seq <= end)
        self._cursor = last
