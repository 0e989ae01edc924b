"""The machinery behind a host's verbs: it takes tasks in, runs their bodies, asks them to stop and sees
that they have.

Everything that decides is synchronous and happens between two checkpoints: let the reducer judge the move,
publish it. So no lock is needed, and races (a cancel against a completion, a transfer against an end) are
settled by who comes first. A body knows its entry, never the session it was started in, so a task that
moved while it ran finishes where it is."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVarTuple

import anyio

from . import _reducer as changes
from ._body import STOPPED, Body, Ending, Raised, Returned, TimedOut, run_once, verdict
from ._context import current_task_id, enter
from ._crew import Crew
from ._entry import Entry, Result, Verdict
from ._errors import HostClosed, JournalError
from ._heartbeats import Heartbeats
from ._hidden import HiddenTasks
from ._hooks import call_hook
from ._ids import checked_id, new_id
from ._records import (
    Backoff,
    CancelPolicy,
    FailureKind,
    JsonValue,
    Progress,
    TaskAttempt,
    TaskFailure,
    TaskRecord,
    TaskSpec,
)
from ._states import TaskState

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from ._journal import Kept, Receipt
    from ._table import SessionTasks, TaskTable

Args = TypeVarTuple("Args")
Resume = Callable[[TaskRecord, JsonValue], "Callable[[], Awaitable[object]] | None"]
"""Given a task that was live when its host died and the params of its kind: its body, or None to abandon
it.
"""

HOOK_SECONDS = 5.0
"""How long a cancel hook may take before nobody waits for it."""


class Engine:
    """What an open host does; made when it opens."""

    def __init__(self, table: TaskTable, host_id: str, now: Callable[[], float]) -> None:
        self.table = table
        self.host_id = host_id
        self.now = now
        self.open = True
        self.bodies, self.services = Crew(), Crew()
        self.heartbeats = Heartbeats(self._fell_silent)
        self._watching = False

    def check_open(self) -> None:
        """:raises HostClosed: if nothing may start or change any more."""
        if not self.open:
            raise HostClosed

    def stamp(self) -> changes.Stamp:
        """Return the time and number of the next event."""
        return changes.Stamp(self.now(), self.table.log.last_seq + 1)

    def session(self, session_id: str) -> SessionTasks:
        """Return the session, made now if it is new."""
        self.check_open()
        return self.table.session(checked_id(session_id), self.now())

    def receipt(self) -> Receipt | None:
        """Return the receipt for what was just published, or None if nothing has to be waited for."""
        return self.table.feed.receipt() if self.table.feed is not None else None

    def known(self, session_id: str, spec: TaskSpec) -> Entry | None:
        """Return the task of the session that has the idempotency key of `spec`, if one has."""
        if spec.idempotency_key is None:
            return None
        return self.session(session_id).keys.get(spec.idempotency_key)

    def add(
        self,
        session_id: str,
        spec: TaskSpec,
        state: TaskState,
        policy: CancelPolicy,
        *,
        result: Result | None = None,
        params: JsonValue = None,
    ) -> Entry:
        """Register a new task; `policy` is its cancel policy unless `spec` names one."""
        self.check_open()
        at = self.now()
        session = self.table.session(checked_id(session_id), at)
        task_id = checked_id(spec.id) if spec.id is not None else new_id(at)
        record = _new_record(self, session_id, task_id, spec, state, policy, at)
        entry = Entry(record, result, params=params, heartbeat_ttl=spec.heartbeat_ttl)
        self.table.add(session, entry, changes.registered(record))
        if spec.heartbeat_ttl is not None:
            self._expect_heartbeats(entry)
        return entry

    def start(self, entry: Entry, spec: TaskSpec, body: Body[*Args], args: tuple[*Args]) -> None:
        """Start the body of a registered task, once its registration is durable."""
        entry.running = True
        self.bodies.start(self._run, entry, spec, body, args, self.receipt())

    def start_hidden(
        self,
        session: SessionTasks,
        label: str,
        func: Callable[[*Args], Awaitable[object]],
        args: tuple[*Args],
    ) -> None:
        """Start a hidden task of the session."""
        if session.hidden is None:
            session.hidden = HiddenTasks(session.id)
        self.bodies.start(session.hidden.run, session.hidden.add(label), func, args)

    def resume(self, kept: Kept, resume: Resume | None) -> None:
        """Start a task again that was live when its host died, or declare it abandoned."""
        entry = self.table.get(kept.record.id, kept.record.session_id)
        asked = entry.cancel_requested
        body = resume(entry.record, entry.params) if resume is not None and not asked else None
        if body is None:
            lost = TaskFailure(FailureKind.HOST_LOST, f"host {entry.record.host_id} is gone")
            self.end(entry, Verdict(TaskState.ABANDONED, None, lost))
            return
        entry.result = Result()
        self.table.publish(entry, changes.resumed(entry.record, self.host_id, self.stamp()))
        self.start(entry, TaskSpec(max_attempts=entry.record.attempt.max_attempts), body, ())

    def end(self, entry: Entry, how: Verdict) -> None:
        """End a live task; one that has ended stays as it is."""
        if entry.live:
            self.table.publish(
                entry,
                changes.ended(entry.record, how.state, self.stamp(), result=how.result, failure=how.failure),
            )
            entry.tell()

    def flip(self, entry: Entry, state: TaskState) -> None:
        """Move a task between running and waiting, if that is a move."""
        pair = (TaskState.RUNNING, TaskState.WAITING)
        if (
            state in pair
            and entry.record.state in (*pair, TaskState.PENDING)
            and entry.record.state is not state
        ):
            self.table.publish(entry, changes.moved(entry.record, state, self.stamp()))

    def report(self, entry: Entry, progress: Progress) -> None:
        """Keep the progress of a task that is alive."""
        if entry.live:
            self.table.publish(entry, changes.progressed(entry.record, progress, self.stamp()))

    def ask(
        self, entry: Entry, reason: str | None, actor: str | None, *, cascade: bool = True
    ) -> list[Entry]:
        """Ask a task and, with `cascade`, its descendants to stop; return those whose hook is to be
        called.
        """
        hooks: list[Entry] = []
        self._ask_one(entry, reason, actor, hooks)
        waiting = list(entry.children or ()) if cascade else []
        while waiting:
            child = waiting.pop()
            self._ask_one(child, reason, "parent", hooks)
            waiting.extend(child.children or ())
        return hooks

    async def request_cancel(
        self, entry: Entry, reason: str | None, actor: str | None, *, cascade: bool = True
    ) -> TaskRecord:
        """Ask a task and, with `cascade`, its descendants to stop, and call the hooks that are to be
        called.
        """
        hooks = self.ask(entry, reason, actor or current_task_id(), cascade=cascade)
        if hooks:
            await self._call_hooks(hooks)
        return entry.record

    async def _call_hooks(self, entries: Iterable[Entry]) -> None:
        """Call the cancel hooks of the tasks at the same time and wait a bounded time for them."""
        async with anyio.create_task_group() as calls:
            for entry in entries:
                calls.start_soon(call_hook, self.services, entry, HOOK_SECONDS)

    async def stop(self, entry: Entry, grace: float) -> TaskRecord:
        """Stop a task that was asked to, whatever its policy; wait `grace` seconds for it to have ended."""
        if entry.running:
            entry.abort()
            with anyio.move_on_after(grace):
                await entry.done()
        elif await call_hook(self.services, entry, grace):
            self.end(entry, Verdict(TaskState.CANCELLED, None, None))
        return entry.record

    async def _run(
        self,
        entry: Entry,
        spec: TaskSpec,
        body: Body[*Args],
        args: tuple[*Args],
        registration: Receipt | None,
    ) -> None:
        enter(self, entry)
        if registration is not None and not await self._is_durable(entry, registration):
            return
        ending: Ending = STOPPED
        while not entry.cancel_requested and not entry.aborted:
            ending = await run_once(self.bodies, entry, body, args, spec.timeout)
            if not isinstance(ending, Raised | TimedOut) or not self._may_retry(entry):
                break
            await self._back_off(entry, spec.retry)
            ending = STOPPED
        self._finish(entry, ending)

    async def _is_durable(self, entry: Entry, registration: Receipt) -> bool:
        try:
            await registration.durable()
        except JournalError as error:
            entry.running = False
            failure = TaskFailure(FailureKind.NOT_STARTED, str(error))
            self.end(entry, Verdict(TaskState.FAILED, None, failure))
            return False
        return True

    async def _back_off(self, entry: Entry, backoff: Backoff) -> None:
        attempt = entry.record.attempt.attempt + 1
        self.table.publish(
            entry, changes.moved(entry.record, TaskState.WAITING, self.stamp(), attempt=attempt)
        )
        with anyio.move_on_after(backoff.delay(attempt, random.random())):
            await entry.told()
        self.flip(entry, TaskState.RUNNING)

    def _may_retry(self, entry: Entry) -> bool:
        run = entry.record.attempt
        return self.open and entry.live and not entry.cancel_requested and run.attempt < run.max_attempts

    def _finish(self, entry: Entry, ending: Ending) -> None:
        entry.running = False
        if entry.result is not None:
            match ending:
                case Returned(value):
                    entry.result.value, entry.result.present = value, True
                case Raised(error):
                    entry.result.error = error
        self.end(entry, entry.verdict or verdict(ending, saw_request=entry.saw_request))

    def _ask_one(self, entry: Entry, reason: str | None, actor: str | None, hooks: list[Entry]) -> None:
        if not entry.live or entry.cancel_requested:
            return
        self.table.publish(entry, changes.cancel_requested(entry.record, reason, actor, self.stamp()))
        entry.tell()
        match entry.record.cancel_policy:
            case CancelPolicy.ABORT_LOCAL:
                entry.abort()
            case CancelPolicy.EXTERNAL:
                hooks.append(entry)

    def _expect_heartbeats(self, entry: Entry) -> None:
        self.heartbeats.beat(entry)
        if not self._watching:
            self._watching = True
            self.services.start(self.heartbeats.watch)

    def _fell_silent(self, entry: Entry) -> None:
        silence = TaskFailure(FailureKind.HEARTBEAT, f"no heartbeat for {entry.heartbeat_ttl:g} s")
        self.end(entry, Verdict(TaskState.ABANDONED, None, silence))


def _new_record(
    engine: Engine,
    session_id: str,
    task_id: str,
    spec: TaskSpec,
    state: TaskState,
    policy: CancelPolicy,
    at: float,
) -> TaskRecord:
    return TaskRecord(
        id=task_id,
        session_id=session_id,
        kind=spec.kind,
        producer=spec.producer,
        label=spec.label,
        parent_task_id=spec.parent_task_id,
        child_session_id=spec.child_session_id,
        state=state,
        cancel_policy=spec.cancel_policy or policy,
        close_policy=spec.close_policy,
        attempt=_first_attempt(spec),
        progress=None,
        result=None,
        failure=None,
        cancel_reason=None,
        cancel_actor=None,
        created_at=at,
        started_at=None if state is TaskState.PENDING else at,
        updated_at=at,
        completed_at=None,
        host_id=engine.host_id,
        seq=engine.table.log.last_seq + 1,
    )


_ONLY_ATTEMPT = TaskAttempt()


def _first_attempt(spec: TaskSpec) -> TaskAttempt:
    if spec.max_attempts == 1 and spec.idempotency_key is None:
        return _ONLY_ATTEMPT
    return TaskAttempt(1, spec.max_attempts, spec.idempotency_key)
