"""What a host keeps of one task beside its record: the parts that live only in this process.

Every task is an `Entry`. One whose body the host runs, now or when it is given one, has a `Run` as well; one
that somebody else runs may have an `External`: how to stop it, and how often it is heard of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import anyio
import attrs

from .._errors import HostClosed
from .._records import CancelPolicy
from ..states import LIVE, TERMINAL, TaskState

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Set

    from .._loop.spawner import Scope
    from .._output.task_output import TaskOutput
    from .._records import JsonValue, TaskFailure, TaskOutcome, TaskRecord
    from .cancel_hooks import Hook, HookCall

_GOING_ON = LIVE - {TaskState.CANCEL_REQUESTED}


@attrs.define
class Result:
    """What a body returned or raised; shared with its handle, which outlives the host's own interest in
    it.
    """

    value: object = None
    error: BaseException | None = None
    present: bool = False


@attrs.frozen
class End:
    """How somebody else decided that a running body ends."""

    state: TaskState
    result: TaskOutcome | None
    failure: TaskFailure | None


@attrs.define(eq=False)
class Run:
    """The body of a managed task."""

    result: Result | None = attrs.Factory(Result)
    scope: Scope | None = None
    running: bool = False
    """Whether code of ours runs for it at this moment."""
    saw_request: bool = False
    """Whether the body looked and learned that it should stop."""
    aborted: bool = False
    """Whether its scope is to be cancelled as soon as there is one."""
    interrupting: bool = False
    """Whether its host stops and it is to be run again by the next one."""
    queued: Callable[[], None] | None = None
    """How to start it when its turn comes, if it has to wait for that."""
    decided: End | None = None
    waits: int = 0
    """How many `waiting()` blocks and questions the body is in."""
    asking: anyio.Lock | None = None
    """Held while it asks: a task asks one question at a time."""
    answer: JsonValue = None
    """What its last question was answered."""
    mailbox: deque[JsonValue] | None = None
    """What it was sent and has not read."""
    after_death: bool = False
    """Whether it is run again because its host died, which counts against its attempts until it says that it
    only goes on."""

    def abort(self) -> None:
        """Cancel the scope around the body, now or as soon as it exists."""
        self.aborted = True
        if self.scope is not None:
            self.scope.cancel()


@attrs.define(eq=False)
class External:
    """What is known of who runs a task that the host does not run."""

    heartbeat_ttl: float | None = None
    hook: Hook | None = None
    hook_call: HookCall | None = None


@attrs.define(eq=False)
class Entry:
    """One registered task."""

    record: TaskRecord
    run: Run | None = None
    external: External | None = None
    restart: JsonValue = None
    """What a journal keeps for running it again."""
    resumable: bool = False
    """Whether the stop of the host interrupts it."""
    parked: bool = False
    """Whether an earlier host left it to be run again, and nobody runs it yet."""
    fence: int = 0
    """The number of the event that started its latest run."""
    number: int = 0
    """That of its registration: its place among all tasks of the host."""
    value: str | None = None
    """What it left as JSON text, if that is too large for its record."""
    weight: int = 0
    """About how many bytes it takes since it has ended."""

    parent: Entry | None = None
    children: set[Entry] | None = None
    left_behind: tuple[str, ...] = ()
    """The sessions it has moved out of."""

    output: TaskOutput | None = None
    """What it has written, if anything."""
    acknowledged: Set[tuple[str, str, str]] = frozenset()
    """Which of its questions were acknowledged: in which session, by which consumer."""

    allowed: float = 0.0
    """How many seconds it was given last, for its heartbeat or in its thread."""
    silent_at: float = math.inf
    """When they are over, on the loop's clock."""
    watched: bool = False
    """Whether somebody looks then."""

    is_done: bool = False
    """Whether nothing more will happen to it: its end is durable and published, or its host has closed."""
    _changed: anyio.Event | None = None

    @property
    def managed(self) -> bool:
        """Whether the host runs its body."""
        return self.run is not None

    @property
    def running(self) -> bool:
        """Whether code of ours runs for it at this moment."""
        return self.run is not None and self.run.running

    @property
    def waits_for_body(self) -> bool:
        """Whether the host will run it and does not yet."""
        return self.run is not None and (self.parked or self.run.queued is not None)

    @property
    def body_asks(self) -> bool:
        """Whether the host runs it and it waits for an answer: nothing else lets it go on."""
        return self.run is not None and self.record.question is not None

    @property
    def live(self) -> bool:
        """Whether the task has not ended."""
        return self.record.state not in TERMINAL

    @property
    def cancel_requested(self) -> bool:
        """Whether somebody asked it to stop."""
        return self.record.state is TaskState.CANCEL_REQUESTED

    @property
    def must_stop(self) -> bool:
        """Whether its body has no reason to go on."""
        run = self.run
        return (run is not None and (run.aborted or run.interrupting)) or self.record.state not in _GOING_ON

    def interrupt(self) -> None:
        """Stop the body, which a later host will run again; tell it first if it is cooperative."""
        if self.run is None:
            return
        self.run.interrupting = True
        self.notify()
        if self.record.cancel_policy is CancelPolicy.ABORT_LOCAL:
            self.run.abort()

    def mark_done(self) -> None:
        """Let everybody who waits for the end go on."""
        self.is_done = True
        self.notify()

    def notify(self) -> None:
        """Let everybody who waits for something look again."""
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    async def wait_stop(self) -> None:
        """Wait until the body has no reason to go on."""
        while not self.must_stop:
            await self.changed()

    async def wait_left(self, session_id: str) -> bool:
        """Wait until the task has ended or left the session; tell whether it ended there.

        :raises HostClosed: if the host closed before that.
        """
        while not self.is_done and self.record.session_id == session_id:
            await self.changed()
        if self.record.session_id != session_id:
            return False
        if self.live:
            raise HostClosed
        return True

    async def done(self) -> TaskRecord:
        """Wait for the end and return the last record.

        :raises HostClosed: if the host closed before the task ended.
        """
        while not self.is_done:
            await self.changed()
        if self.live:
            raise HostClosed
        return self.record

    async def changed(self) -> None:
        """Wait until there is something to look at again."""
        if self._changed is None:
            self._changed = anyio.Event()
        await self._changed.wait()
