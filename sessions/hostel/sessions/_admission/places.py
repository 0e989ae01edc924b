"""What admission is made of: places in limits, and orders of those who wait for them.

An order holds tasks of a group, groups that are ready, groups that wait at a limit, or delayed tasks; every
group is in at most one. A line is what takes places. `admission` has the theory and decides."""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T", bound=Hashable)
Rank = tuple[float, int]
"""A time in seconds, then the number of arrival; the smaller one is better."""


class Order(Generic[T]):
    """Items by rank. What is taken out stays in the heap until it comes up, or the heap is mostly such."""

    __slots__ = ("_entries", "_heap", "_serial")

    def __init__(self) -> None:
        self._entries: dict[T, tuple[Rank, int, T]] = {}
        self._heap: list[tuple[Rank, int, T]] = []
        self._serial = count()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[T]:
        return iter(self._entries)

    def put(self, item: T, rank: Rank) -> None:
        entry = self._entries[item] = (rank, next(self._serial), item)
        heappush(self._heap, entry)
        self._shrink()

    def discard(self, item: T) -> None:
        if self._entries.pop(item, None) is not None:
            self._shrink()

    def first(self) -> T | None:
        heap = self._heap
        while heap and self._entries.get(heap[0][2]) is not heap[0]:
            heappop(heap)
        return heap[0][2] if heap else None

    def __contains__(self, item: T) -> bool:
        return item in self._entries

    def rank_of(self, item: T) -> Rank:
        return self._entries[item][0]

    def _shrink(self) -> None:
        if len(self._heap) > 2 * len(self._entries):
            self._heap = list(self._entries.values())
            heapify(self._heap)


@attrs.define(eq=False)
class Limit:
    size: int
    reason: str
    used: int = 0
    tasks: int = 0
    """How many tasks of its session there are; the limit of a session without any is forgotten."""
    waiting: tuple[Order[Group], Order[Group]] = attrs.field(factory=lambda: (Order(), Order()))
    """The groups that wait for it, by the number of their lane."""

    @property
    def is_full(self) -> bool:
        return self.used >= self.size


@attrs.define(eq=False)
class Task:
    key: Any
    session_id: str
    kind: str
    rank: Rank
    parent: Task | None
    limits: tuple[Limit, ...] = ()
    line: Line | None = None
    """None until it runs."""
    loans: dict[tuple[str, str], Group] = attrs.field(factory=dict)
    """Its children that wait, by session and kind."""

    @property
    def loan(self) -> Line | None:
        """The line that it may join: its parent is the last there."""
        line = self.parent.line if self.parent is not None else None
        return line if line is not None and line.last is self.parent else None

    def blocked_by(self) -> Limit | None:
        return first_full(self.limits, self.loan)


@attrs.define(eq=False)
class Group:
    """Tasks of one session and kind that wait; where there is a lender, those children of it."""

    limits: tuple[Limit, ...]
    """That of the session and that of the kind."""
    lender: Task | None
    tasks: Order[Task] = attrs.field(factory=Order)
    at: Order[Group] | None = None
    """Where it waits."""

    def head(self) -> Task | None:
        """Return the best task; None if there is none, or if the lender has nothing to lend."""
        first = self.tasks.first()
        return first if first is None or self.lender is None or first.loan is not None else None

    def blocked_by(self) -> Limit | None:
        return first_full(self.limits, self.lender.line if self.lender is not None else None)


def first_full(limits: tuple[Limit, ...], line: Line | None) -> Limit | None:
    held = line.held if line is not None else ()
    return next((limit for limit in limits if limit.is_full and limit not in held), None)


class Line:
    """Running tasks, each but the first a descendant of the one before, that take one place together."""

    __slots__ = ("_tasks", "held")

    def __init__(self) -> None:
        self._tasks: dict[Task, None] = {}
        self.held: dict[Limit, int] = {}
        """How many of its tasks need each limit."""

    @property
    def last(self) -> Task | None:
        return next(reversed(self._tasks), None)

    def join(self, task: Task) -> None:
        self._tasks[task] = None
        self.take(task.limits)

    def leave(self, task: Task) -> None:
        del self._tasks[task]
        self.give(task.limits)

    def take(self, limits: tuple[Limit, ...]) -> None:
        for limit in limits:
            before = self.held.get(limit, 0)
            self.held[limit] = before + 1
            limit.used += not before

    def give(self, limits: tuple[Limit, ...]) -> None:
        for limit in limits:
            self.held[limit] -= 1
            if not self.held[limit]:
                del self.held[limit]
                limit.used -= 1


class Lane:
    """Groups that are ready, and those that wait at limits: all ordinary ones, or all that wait for loans."""

    __slots__ = ("_number", "ready")

    def __init__(self, number: int) -> None:
        self._number = number
        self.ready: Order[Group] = Order()

    def settle(self, group: Group) -> None:
        """Put `group` where it belongs: ready, at the limit that blocks it, or nowhere."""
        before = self.ready.rank_of(group) if group in self.ready else None
        self._put(group)
        if before is not None and (group not in self.ready or self.ready.rank_of(group) > before):
            for limit in group.limits:
                self.wake(limit)

    def wake(self, limit: Limit) -> None:
        """Make the best of those who wait at `limit` ready, if it has room."""
        waiting = limit.waiting[self._number]
        while not limit.is_full and (group := waiting.first()) is not None:
            self._put(group)
            if group.at is self.ready:
                return

    def _put(self, group: Group) -> None:
        head, at = group.head(), None
        if head is not None:
            limit = group.blocked_by()
            at = self.ready if limit is None else limit.waiting[self._number]
        if group.at is not None and group.at is not at:
            group.at.discard(group)
        group.at = at
        if head is not None and at is not None and (group not in at or at.rank_of(group) != head.rank):
            at.put(group, head.rank)
