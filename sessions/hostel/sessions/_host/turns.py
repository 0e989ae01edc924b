"""When a task's turn to run comes: the host's side of admission, which decides by values alone.

A task that may not start yet is registered as `pending`, and how to start it is kept with its run. Whatever
may let others start (an end, a transfer, a moment that has come) asks admission, and those it names begin at
once. A host without limits asks nobody, as long as no task is to wait for a moment."""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING

import anyio

from .._admission.admission import Admission
from .._admission.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .._admission.limits import Place
    from .._records import TaskSpec
    from .._tasks.entry import Entry, Run

LONGEST_SLEEP = 60.0
"""Seconds: the clock that says when a moment has come can be set meanwhile."""


class Turns:
    """Who may run now in one host; `now` is its clock, in seconds since the epoch."""

    def __init__(self, limits: Limits, now: Callable[[], float], start_watch: Callable[[], None]) -> None:
        self._admission: Admission[Run] = Admission(limits)
        self._limited = self.counts = limits != Limits()
        """Whether tasks are counted, and whether any task waits for its moment besides."""
        self._now = now
        self._start_watch = start_watch
        self._watched = False
        self._changed = anyio.Event()
        self._closed = False

    def are_free(self, spec: TaskSpec) -> bool:
        """Tell whether such a task may run without being counted."""
        return not self._limited and spec.not_before is None

    def take(self, run: Run, session_id: str, spec: TaskSpec, parent: Entry | None) -> bool:
        """Tell whether a task may run at once; if not, it waits for its turn."""
        now = self._now()
        admitted = self._admission.offer(
            run,
            session_id,
            spec.kind,
            spec.priority,
            now,
            not_before=spec.not_before,
            parent=parent.run if parent is not None else None,
        )
        if not admitted and spec.not_before is not None and spec.not_before > now:
            self._watch()
        return admitted

    def put_off(self, run: Run, begin: Callable[[], None]) -> None:
        """Call `begin` in the context of now when the turn of a task has come."""
        context = copy_context()
        run.queued = lambda: context.run(begin)

    def leave(self, run: Run) -> None:
        """Give the place of a task to the next, whether it has run or not."""
        run.queued = None
        if self.counts:
            self._begin(self._admission.release(run))

    def move(self, entry: Entry, session_id: str) -> None:
        """Let a task count in the session it is handed to."""
        if entry.run is not None and self._limited:
            self._begin(self._admission.move(entry.run, session_id))

    def place(self, entry: Entry) -> Place | None:
        """Return where a task waits, None if it does not."""
        if entry.run is None or entry.run.queued is None:
            return None
        return self._admission.place(entry.run)

    def drain(self) -> None:
        """Let nothing begin any more."""
        self._admission.drain()

    def close(self) -> None:
        """End the watch."""
        self.drain()
        self._closed = True
        self._changed.set()

    async def watch(self) -> None:
        """Let tasks begin whose moment has come, until closed."""
        while not self._closed:
            self._changed = anyio.Event()
            self._begin(self._admission.due(self._now()))
            due = self._admission.next_due()
            with anyio.move_on_after(None if due is None else self._pause(due)):
                await self._changed.wait()

    def _pause(self, due: float) -> float:
        return min(max(0.0, due - self._now()), LONGEST_SLEEP)

    def _watch(self) -> None:
        if not self._watched:
            self._watched = self.counts = True
            self._start_watch()
        self._changed.set()

    def _begin(self, runs: Iterable[Run]) -> None:
        for run in runs:
            begin, run.queued = run.queued, None
            if begin is not None:
                begin()
