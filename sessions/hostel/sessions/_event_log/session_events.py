"""What is kept of one session's events, and how much of it was lost: the share of a session in the log."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque

import attrs

from .._events import EventType, TaskEvent
from .._retention import weight_of

_NEW_PLACE = {EventType.REGISTERED, EventType.TRANSFERRED}


@attrs.define
class Lost:
    """How many events were lost that a filter by session and kind could match, up to number `through`."""

    through: int
    count: int


class SessionEvents:
    """The latest events of one session, oldest first."""

    def __init__(self, before: Lost) -> None:
        self.events: deque[TaskEvent] = deque()
        self.values: dict[int, int] = {}
        """How many bytes of JSON text came as a value with an event, by its number."""
        self.floor = before.through
        """Those up to here are no longer kept."""
        self.progress: dict[str, tuple[int, int]] = {}
        """The first and the latest progress of each task, in its present place and life."""
        self.overtaken = 0
        self._before = before
        self._losses: dict[str | None, Lost] = {}
        self._kept: dict[str, int] = {}
        """How many are kept of the kinds that somebody has asked for."""

    def kept(self, kind: str | None) -> int:
        """Return how many events of that kind are kept, of all kinds if None."""
        if kind is None:
            return len(self.events)
        # counted from the first question on: most kinds are never asked for
        if kind not in self._kept:
            self._kept[kind] = sum(kind_of(event) == kind for event in self.events)
        return self._kept[kind]

    def lost(self, kind: str | None) -> Lost:
        """Return what is lost of events of that kind, of all kinds if None."""
        found = self._losses.get(kind)
        if found is None:
            found = self._losses[kind] = Lost(self._before.through, self._before.count)
        return found

    def add(self, event: TaskEvent, value_size: int) -> None:
        """Take in the next event."""
        self.events.append(event)
        if value_size:
            self.values[event.seq] = value_size
        if self._kept:
            self._count(event, 1)
        if event.type is EventType.PROGRESS:
            known = self.progress.get(event.task_id)
            self.overtaken += known is not None
            self.progress[event.task_id] = known[0] if known is not None else event.seq, event.seq
        elif self.progress and event.type in _NEW_PLACE:
            self.progress.pop(event.task_id, None)

    def weight(self, event: TaskEvent) -> int:
        """Return about how many bytes `event` takes."""
        return weight_of(event.record, self.values.get(event.seq, 0)) if event.record is not None else 0

    def is_overtaken(self, event: TaskEvent) -> bool:
        """Tell whether newer progress of the same task makes `event` superfluous."""
        if event.type is not EventType.PROGRESS:
            return False
        first, latest = self.progress.get(event.task_id, (0, 0))
        return first <= event.seq < latest

    def lighten(self, light: TaskEvent) -> int:
        """Put `light`, which has no value, in the place of the event of its number; return how much it is
        lighter.
        """
        place = bisect_left(self.events, light.seq, key=_number)
        if place == len(self.events) or self.events[place].seq != light.seq:
            return 0
        before = self.weight(self.events[place])
        self.values.pop(light.seq, None)
        self.events[place] = light
        return before - self.weight(light)

    def coalesce(self) -> int:
        """Drop the progress that is overtaken; return how much that weighed."""
        before, self.events, self.overtaken = self.events, deque(), 0
        freed = 0
        for event in before:
            if self.is_overtaken(event):
                freed += self._gone(event)
            else:
                self.events.append(event)
        return freed

    def drop_oldest(self) -> tuple[TaskEvent, int, bool]:
        """Drop the oldest event; return it, what it weighed, and whether that is a loss."""
        event = self.events.popleft()
        self.floor = event.seq
        overtaken = self.is_overtaken(event)
        weight = self._gone(event)
        if overtaken:
            self.overtaken -= 1
            return event, weight, False
        for lost in (self.lost(None), self.lost(kind_of(event))):
            lost.through = event.seq
            lost.count += 1
        if self.progress.get(event.task_id, (0, 0))[1] == event.seq:
            del self.progress[event.task_id]
        return event, weight, True

    def _gone(self, event: TaskEvent) -> int:
        weight = self.weight(event)
        self.values.pop(event.seq, None)
        self._count(event, -1)
        return weight

    def _count(self, event: TaskEvent, more: int) -> None:
        kind = kind_of(event)
        if kind in self._kept:
            self._kept[kind] += more


def kind_of(event: TaskEvent) -> str:
    """Return the kind of the task that `event` tells of, "" if it tells of none."""
    return event.record.kind if event.record is not None else ""


def _number(event: TaskEvent) -> int:
    return event.seq
