"""What a task's body knows of itself."""

from __future__ import annotations

from contextlib import asynccontextmanager
from contextvars import Context, ContextVar, copy_context
from typing import TYPE_CHECKING

import anyio.lowlevel
import attrs

from .._records import Progress
from ..states import TaskState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .._records import TaskRecord
    from .engine import Engine
    from .entry import Entry
    from .hidden import HiddenTask


class TaskContext:
    """The running task, seen from inside its body; `current_task()` returns it.

    A body that runs in a worker thread reads the properties directly and calls the coroutines through
    `anyio.from_thread.run`."""

    __slots__ = ("_engine", "_entry")

    def __init__(self, engine: Engine, entry: Entry) -> None:
        self._engine = engine
        self._entry = entry

    @property
    def id(self) -> str:
        """The task's id."""
        return self._entry.record.id

    @property
    def session_id(self) -> str:
        """The session the task belongs to now; a transfer changes it."""
        return self._entry.record.session_id

    @property
    def attempt(self) -> int:
        """Which run of the task this is, counted from 1."""
        return self._entry.record.attempt.attempt

    @property
    def record(self) -> TaskRecord:
        """The task's record at this moment."""
        return self._entry.record

    @property
    def fence(self) -> int:
        """The number of the event that started this run: no other run of any task has it."""
        return self._entry.fence

    @property
    def interrupted(self) -> bool:
        """Whether the task has to stop because its host does, and will be run again by a later one."""
        return self._entry.interrupting

    @property
    def cancel_requested(self) -> bool:
        """Whether the task has to stop: somebody asked it to or ended it, or its host stops.

        A body that has seen this and then returns None ends as cancelled, or waits to be run again if it is
        `interrupted`; one that returns a value has completed."""
        asked = self._entry.must_stop
        self._entry.saw_request |= asked
        return asked

    async def cancellation(self) -> None:
        """Wait until the task has to stop."""
        await self._entry.told()
        self._entry.saw_request = True

    async def progress(
        self,
        message: str | None = None,
        *,
        done: float | None = None,
        total: float | None = None,
        unit: str | None = None,
    ) -> None:
        """Report how far the task is, and let others run; a task that has ended reports nothing.

        A message alone leaves the numbers as they were.

        :raises InvalidProgress: if the numbers contradict each other.
        """
        before = self._entry.record.progress
        if before is not None and done is None and total is None and unit is None:
            now = attrs.evolve(before, message=message)
        else:
            now = Progress(message, done, total, unit)
        self._engine.report(self._entry, now)
        await anyio.lowlevel.checkpoint()

    @asynccontextmanager
    async def waiting(self, message: str | None = None) -> AsyncIterator[None]:
        """Be in state `waiting` inside the block, with `message` as progress if given."""
        if message is not None:
            await self.progress(message)
        self._entry.waits += 1
        self._engine.flip(self._entry, TaskState.WAITING)
        try:
            yield
        finally:
            self._entry.waits -= 1
            if not self._entry.waits:
                self._engine.flip(self._entry, TaskState.RUNNING)


_current: ContextVar[tuple[Engine, Entry] | HiddenTask | None] = ContextVar(
    "hostel_current_task", default=None
)


def current_task() -> TaskContext:
    """Return the task whose body is running.

    :raises LookupError: outside a managed task.
    """
    running = _current.get()
    if not isinstance(running, tuple):
        raise LookupError("no hostel task is running here")
    return TaskContext(*running)


def enter(engine: Engine, entry: Entry) -> None:
    """Make `entry` the current task of the running body."""
    _current.set((engine, entry))


def enter_nothing() -> None:
    """Leave whatever task runs here: what follows belongs to none."""
    _current.set(None)


def outside_tasks() -> Context:
    """Return a copy of the context variables in which no task runs."""
    context = copy_context()
    context.run(enter_nothing)
    return context


def enter_hidden(task: HiddenTask) -> None:
    """Make `task` what runs here; a hidden task is not the managed task that may have started it."""
    _current.set(task)


def current_entry() -> Entry | None:
    """Return the managed task whose body is running, if one is."""
    running = _current.get()
    return running[1] if isinstance(running, tuple) else None


def current_task_id() -> str | None:
    """Return the id of the managed task whose body is running, if one is."""
    entry = current_entry()
    return entry.record.id if entry is not None else None


def current_hidden() -> HiddenTask | None:
    """Return the hidden task that runs here, if one does."""
    running = _current.get()
    return None if isinstance(running, tuple) else running
