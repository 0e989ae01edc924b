"""Who may start now: limits, and the order of those who wait.

A task needs a place in each limit that counts it: in all, of its session, of its kind. Its rank is fixed when
it arrives: the arrival's time plus what its class gives away. So a class is preferred, and whoever has waited
that long is overtaken by nobody who comes later. Of those whose places are all free the best rank starts.

Tasks of one session and kind need the same, so they wait in one group, which counts as its best. A group is
ready, or it waits at one full limit. Whenever a limit has room, a ready group that needs it ranks before all
that wait at it: a place that becomes free, and a ready group that goes, moves on or falls back, wakes the
next. Ready groups wait for a place in all; one that comes up and is blocked by then goes to what blocks it.

A task may wait for its child, so a running task lends its places to one child at a time, that child to one
of its own, and so on: a line. A line takes one place in each limit that any of it needs; only its last can
take in another. A child waits as everybody does and, in a group of its parent, for the loan. No place is kept
free for a task that needs several, and lines that want each other's kinds or sessions may wait forever.
Delays are a layer before all this; draining stops what is behind it."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Generic, TypeVar

from .._records import Priority
from .limits import Limits, Place
from .places import Group, Lane, Limit, Line, Order, Task

if TYPE_CHECKING:
    from collections.abc import Iterator

Key = TypeVar("Key", bound=Hashable)


HEAD_START = {Priority.INTERACTIVE: 0.0, Priority.NORMAL: 10.0, Priority.BATCH: 60.0, Priority.IDLE: 300.0}
"""Seconds that a class gives away: those of a better class who come later by less than that go first."""


class Admission(Generic[Key]):
    """Decides which tasks may start. Times are in seconds of one clock. What may let others start returns
    their keys, the first to start first; those count as running from then on.
    """

    def __init__(self, limits: Limits) -> None:
        self._per_session = limits.per_session
        self._is_unlimited = limits == Limits()
        self._total = Limit(limits.total, f"limit of {limits.total} in all") if limits.total else None
        self._kinds = {
            kind: Limit(size, f"limit of {size} for kind {kind!r}") for kind, size in limits.per_kind.items()
        }
        self._sessions: dict[str, Limit] = {}
        self._tasks: dict[Key, Task] = {}
        self._groups: dict[tuple[str, str], Group] = {}
        self._delayed: Order[Task] = Order()
        self._ordinary, self._lent = Lane(0), Lane(1)
        self._numbers = count()
        self._is_drained = False

    def offer(
        self,
        key: Key,
        session_id: str,
        kind: str,
        priority: Priority,
        arrived_at: float,
        *,
        not_before: float | None = None,
        parent: Key | None = None,
    ) -> bool:
        """Take a task in and tell whether it may start at once.

        `not_before` is when it arrives, None for now. `parent` is the task that may wait for it, or None.

        :raises ValueError: if a task of that key waits or runs.
        """
        arrival = arrived_at if not_before is None else max(arrived_at, not_before)
        is_delayed = arrival > arrived_at
        if self._is_unlimited and not is_delayed and not self._is_drained:
            return True
        if key in self._tasks:
            raise ValueError(f"task {key!r} waits or runs already")
        number = next(self._numbers)
        above = self._tasks.get(parent) if parent is not None else None
        task = Task(key, session_id, kind, (arrival + HEAD_START[priority], number), above)
        self._tasks[key] = task
        self._enter_session(task, session_id)
        if is_delayed:
            self._delayed.put(task, (arrival, number))
            return False
        self._enqueue(task)
        return bool(self._admit())

    def release(self, key: Key) -> list[Key]:
        """Give back what a task has: its code has ended, or it will not start. An unknown one has nothing."""
        task = self._tasks.pop(key, None)
        if task is None:
            return []
        if task.line is not None:
            self._end(task, task.line)
        else:
            self._delayed.discard(task)
            self._dequeue(task)
        self._leave_session(task)
        task.parent = None  # its children know it still, and theirs know them
        return self._admit()

    def move(self, key: Key, session_id: str) -> list[Key]:
        """Let a task belong to another session. One that runs keeps its place, whatever the limit there is.
        An unknown one belongs to none.
        """
        task = self._tasks.get(key)
        if task is None or task.session_id == session_id:
            return []
        if task.line is not None:
            self._move_running(task, task.line, session_id)
            return self._admit()
        self._dequeue(task)
        self._leave_session(task)
        self._enter_session(task, session_id)
        if task not in self._delayed:
            self._enqueue(task)
        return self._admit()

    def due(self, now: float) -> list[Key]:
        """Let those arrive that were delayed until `now` or before."""
        while (task := self._delayed.first()) is not None and self._delayed.rank_of(task)[0] <= now:
            self._delayed.discard(task)
            self._enqueue(task)
        return self._admit()

    def next_due(self) -> float | None:
        """Return when the next delayed task arrives; None if none is delayed."""
        task = self._delayed.first()
        return self._delayed.rank_of(task)[0] if task is not None else None

    def drain(self) -> None:
        """Let nothing start from now on; what runs is released as before."""
        self._is_drained = True

    def place(self, key: Key) -> Place | None:
        """Return where a task waits, looking at all that wait; None for one that runs or is unknown."""
        task = self._tasks.get(key)
        if task is None or task.line is not None:
            return None
        if task in self._delayed:
            due = self._delayed.rank_of(task)
            number = sum(self._delayed.rank_of(other) <= due for other in self._delayed)
            return Place(number, f"not before {datetime.fromtimestamp(due[0], UTC):%Y-%m-%d %H:%M:%S} UTC")
        limit = self._stopped_by(task)
        ahead = (other for other in self._waiting() if other.rank <= task.rank)
        number = sum(self._stopped_by(other) is limit for other in ahead)
        return Place(number, limit.reason if limit is not None else "nothing is started any more")

    def _stopped_by(self, task: Task) -> Limit | None:
        return None if self._is_drained else task.blocked_by()

    def _waiting(self) -> Iterator[Task]:
        return (task for task in self._tasks.values() if task.line is None and task not in self._delayed)

    def _admit(self) -> list[Key]:
        admitted: list[Key] = []
        while not self._is_drained and (best := self._best()) is not None:
            lane, group = best
            task = group.head()
            if task is None or group.blocked_by() is not None:
                lane.settle(group)
            else:
                self._start(task)
                admitted.append(task.key)
        return admitted

    def _best(self) -> tuple[Lane, Group] | None:
        has_room = self._total is None or not self._total.is_full
        lanes = (self._lent, self._ordinary) if has_room else (self._lent,)
        ready = [(lane, group) for lane in lanes if (group := lane.ready.first()) is not None]
        return min(ready, key=lambda found: found[0].ready.rank_of(found[1]), default=None)

    def _start(self, task: Task) -> None:
        lender = task.parent if task.loan is not None else None
        task.line = task.loan or Line()
        task.line.join(task)
        self._dequeue(task)
        for changed in (lender, task):
            self._settle_loans(changed)

    def _end(self, task: Task, line: Line) -> None:
        task.line = None
        line.leave(task)
        for lender in (task, line.last):
            self._settle_loans(lender)
        self._wake(task.limits)

    def _move_running(self, task: Task, line: Line, session_id: str) -> None:
        before = task.limits
        self._leave_session(task)
        self._enter_session(task, session_id)
        line.take(task.limits)
        line.give(before)
        self._settle_loans(line.last)
        self._wake(before)

    def _enqueue(self, task: Task) -> None:
        for lane, groups, lender in self._homes_of(task):
            group = groups.get((task.session_id, task.kind))
            if group is None:
                limits = tuple(limit for limit in task.limits if limit is not self._total)
                group = groups[task.session_id, task.kind] = Group(limits, lender)
            group.tasks.put(task, task.rank)
            if group.tasks.first() is task:
                lane.settle(group)

    def _dequeue(self, task: Task) -> None:
        for lane, groups, _ in self._homes_of(task):
            group = groups.get((task.session_id, task.kind))
            if group is None or task not in group.tasks:
                continue
            was_first = group.tasks.first() is task
            group.tasks.discard(task)
            if was_first:
                lane.settle(group)
            if not group.tasks:
                del groups[task.session_id, task.kind]

    def _homes_of(self, task: Task) -> Iterator[tuple[Lane, dict[tuple[str, str], Group], Task | None]]:
        yield self._ordinary, self._groups, None
        if task.parent is not None:
            yield self._lent, task.parent.loans, task.parent

    def _settle_loans(self, lender: Task | None) -> None:
        for group in lender.loans.values() if lender is not None else ():
            self._lent.settle(group)

    def _wake(self, limits: tuple[Limit, ...]) -> None:
        for limit in limits:
            self._lent.wake(limit)
            self._ordinary.wake(limit)

    def _enter_session(self, task: Task, session_id: str) -> None:
        task.session_id = session_id
        session = self._sessions.get(session_id)
        if session is None and self._per_session is not None:
            size = self._per_session
            session = self._sessions[session_id] = Limit(size, f"limit of {size} for session {session_id!r}")
        if session is not None:
            session.tasks += 1
        limits = (session, self._kinds.get(task.kind), self._total)
        task.limits = tuple(limit for limit in limits if limit is not None)

    def _leave_session(self, task: Task) -> None:
        session = self._sessions.get(task.session_id)
        if session is not None:
            session.tasks -= 1
            if not session.tasks:
                del self._sessions[task.session_id]
