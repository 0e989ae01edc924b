"""What a task's body knows of itself."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol, cast

import anyio.lowlevel
import attrs

from .._dialogue.asking import Applies, ask
from .._dialogue.mailbox import Messages
from .._ids import new_id
from .._loop.current import current
from .._questions import checked_question
from .._records import Progress, Question, checked_timeout
from ..states import TaskState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from .._output.of_tasks import TaskOutputs
    from .._records import JsonValue, TaskRecord
    from .._tasks.entry import Entry, Run


class Reports(Applies, Protocol):
    """Who keeps what a running task tells of itself."""

    def report(self, entry: Entry, progress: Progress, *, notify: bool = False) -> None: ...

    def go_on(self, entry: Entry) -> None: ...

    @property
    def outputs(self) -> TaskOutputs: ...

    @property
    def keeps_tasks(self) -> bool: ...

    def flip(self, entry: Entry, state: TaskState) -> None: ...


class TaskContext:
    """The running task, seen from inside its body; `current_task()` returns it.

    A body that runs in a worker thread reads the properties directly and calls the coroutines through
    `anyio.from_thread.run`."""

    __slots__ = ("_host", "_run", "entry")

    def __init__(self, host: Reports, entry: Entry, run: Run) -> None:
        self._host, self._run = host, run
        self.entry = entry

    @property
    def id(self) -> str:
        """The task's id."""
        return self.entry.record.id

    @property
    def session_id(self) -> str:
        """The session the task belongs to now; a transfer changes it."""
        return self.entry.record.session_id

    @property
    def attempt(self) -> int:
        """Which run of the task this is, counted from 1."""
        return self.entry.record.attempt.attempt

    @property
    def record(self) -> TaskRecord:
        """The task's record at this moment."""
        return self.entry.record

    @property
    def fence(self) -> int:
        """The number of the event that started this run: no other run of any task has it."""
        return self.entry.fence

    @property
    def interrupted(self) -> bool:
        """Whether the task has to stop because its host does, and will be run again by a later one."""
        return self._run.interrupting

    @property
    def cancel_requested(self) -> bool:
        """Whether the task has to stop: somebody asked it to or ended it, or its host stops.

        A body that has seen this and then returns None ends as cancelled, or waits to be run again if it is
        `interrupted`; one that returns a value has completed."""
        asked = self.entry.must_stop
        self._run.saw_request |= asked
        return asked

    async def cancellation(self) -> None:
        """Wait until the task has to stop."""
        await self.entry.wait_stop()
        self._run.saw_request = True

    async def progress(
        self,
        message: str | None = None,
        *,
        done: float | None = None,
        total: float | None = None,
        unit: str | None = None,
        notify: bool = False,
    ) -> None:
        """Report how far the task is, and let others run; a task that has ended reports nothing.

        A message alone leaves the numbers as they were. With `notify` the inboxes of the session tell it.

        :raises InvalidProgress: if the numbers contradict each other.
        """
        before = self.entry.record.progress
        if before is not None and done is None and total is None and unit is None:
            now = attrs.evolve(before, message=message)
        else:
            now = Progress(message, done, total, unit)
        self._host.report(self.entry, now, notify=notify)
        await anyio.lowlevel.checkpoint()

    async def write(self, text: str, stream: str = "stdout") -> None:
        """Add to the output of the task, and let others run; a task that has ended writes nothing more.

        :raises ValueError: if `stream` is not 1 to 32 characters of `[a-z0-9_-]`.
        """
        if self.entry.live:
            await self._host.outputs.write(self.entry, text, stream)

    async def spool(self) -> Path:
        """Return a folder of this task alone, in which another process writes its output from now on, in the
        form of `hostel.sessions.spool`. It goes when the task is forgotten.
        """
        return await self._host.outputs.spool(self.entry)

    def spooled(self, total: int) -> None:
        """Tell those who follow the output how many bytes that process has written in all."""
        self._host.outputs.spooled(self.entry, total)

    @property
    def durable(self) -> bool:
        """Whether a later host will run the task again if this one stops or dies."""
        return self.entry.resumable and self._host.keeps_tasks

    async def adopted(self) -> None:
        """Say that what this run was to do was going on already, and let others run: the death of the host
        before counts as an interruption then, as a stop does, and not as a run. Once in a run is enough.
        """
        if self._run.after_death:
            self._run.after_death = False
            self._host.go_on(self.entry)
        await anyio.lowlevel.checkpoint()

    @asynccontextmanager
    async def waiting(self, message: str | None = None) -> AsyncIterator[None]:
        """Be in state `waiting` inside the block, with `message` as progress if given."""
        if message is not None:
            await self.progress(message)
        self._run.waits += 1
        self._host.flip(self.entry, TaskState.WAITING)
        try:
            yield
        finally:
            self._run.waits -= 1
            if not self._run.waits:
                self._host.flip(self.entry, TaskState.RUNNING)

    async def ask(
        self,
        message: str,
        schema: Mapping[str, JsonValue] | None = None,
        choices: Sequence[str] | None = None,
        *,
        timeout: float | None = None,
    ) -> JsonValue:
        """Ask whoever looks at the task, and return the answer; the task is `waiting` meanwhile, and its own
        `timeout` stands still.

        `schema` is the JSON Schema of a flat object, which the answer fits then; `choices` are texts, one of
        which is the answer. Several questions of one task are asked one after the other.

        :param timeout: how many seconds to wait for the answer
        :raises InvalidQuestion: if nobody could answer it.
        :raises ValueError: if `timeout` is no number.
        :raises TimeoutError: if nobody did in time.
        :raises QuestionWithdrawn: if the task was asked to stop meanwhile, and its policy is to be told.
        """
        checked_timeout(timeout)
        at = self._host.stamp()[0]
        wanted = Question(
            message,
            cast("dict[str, JsonValue] | None", schema),
            cast("tuple[str, ...] | None", choices),
            new_id(at),
            at,
        )
        return await ask(self._host, self.entry, self._run, checked_question(wanted), timeout)

    def messages(self) -> AsyncIterator[JsonValue]:
        """Iterate over what the task is sent (`host.send`), until it has to stop."""
        return Messages(self.entry, self._run)


def current_task() -> TaskContext:
    """Return the task whose body is running.

    :raises LookupError: outside a managed task.
    """
    running = current()
    if not isinstance(running, TaskContext):
        raise LookupError("no hostel task is running here")
    return running


def current_entry() -> Entry | None:
    """Return the managed task whose body is running, if one is."""
    running = current()
    return running.entry if isinstance(running, TaskContext) else None


def current_task_id() -> str | None:
    """Return the id of the managed task whose body is running, if one is."""
    entry = current_entry()
    return entry.record.id if entry is not None else None
