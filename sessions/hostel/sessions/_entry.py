"""What a host keeps of one task beside its record: the parts that live only in this process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio
import attrs

from ._states import TaskState

if TYPE_CHECKING:
    from ._crew import Scope
    from ._hooks import HookCall
    from ._records import JsonValue, TaskFailure, TaskOutcome, TaskRecord

CancelHook = Callable[[], Awaitable[object] | object]
"""How to stop an external task: async or sync, without arguments."""


@attrs.define
class Result:
    """What a body returned or raised; shared with its handle, which outlives the host's own interest in
    it.
    """

    value: object = None
    error: BaseException | None = None
    present: bool = False


@attrs.frozen
class Verdict:
    """How somebody else decided that a running body ends."""

    state: TaskState
    result: TaskOutcome | None
    failure: TaskFailure | None


@attrs.define(eq=False)
class Entry:
    """One registered task. `result` is there exactly when the host runs its body."""

    record: TaskRecord
    result: Result | None = None
    scope: Scope | None = None
    hook: CancelHook | None = None
    hook_call: HookCall | None = None
    params: JsonValue = None
    number: int = 0
    """Where it is in the host's roster."""

    parent: Entry | None = None
    children: set[Entry] | None = None

    running: bool = False
    """Whether code of ours runs for it at this moment."""
    saw_request: bool = False
    """Whether the body looked and learned that it should stop."""
    aborted: bool = False
    """Whether its scope is to be cancelled as soon as there is one."""
    verdict: Verdict | None = None
    waits: int = 0
    """How many `waiting()` blocks its body is in."""

    heartbeat_ttl: float | None = None
    silent_at: float = 0.0
    """When its heartbeat runs out, on the loop's clock."""

    _told: anyio.Event | None = None
    _done: anyio.Event | None = None
    settled: bool = False
    """Whether its end is known to everybody: terminal, durable and published."""

    @property
    def managed(self) -> bool:
        """Whether the host runs its body."""
        return self.result is not None

    @property
    def live(self) -> bool:
        """Whether the task has not ended."""
        return not self.record.state.is_terminal

    @property
    def cancel_requested(self) -> bool:
        """Whether somebody asked it to stop."""
        return self.record.state is TaskState.CANCEL_REQUESTED

    def tell(self) -> None:
        """Wake the body if it waits for a cancel request."""
        if self._told is not None:
            self._told.set()

    def abort(self) -> None:
        """Cancel the scope around the body, now or as soon as it exists."""
        self.aborted = True
        if self.scope is not None:
            self.scope.cancel()

    def settle(self) -> None:
        """Let everybody who waits for the end go on."""
        self.settled = True
        if self._done is not None:
            self._done.set()

    async def told(self) -> None:
        """Wait for a cancel request."""
        while self.live and not self.cancel_requested:
            if self._told is None or self._told.is_set():
                self._told = anyio.Event()
            await self._told.wait()

    async def done(self) -> TaskRecord:
        """Wait for the end and return the last record."""
        if not self.settled:
            if self._done is None:
                self._done = anyio.Event()
            await self._done.wait()
        return self.record
