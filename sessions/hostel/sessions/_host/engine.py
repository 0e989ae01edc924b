"""The machinery behind a host's verbs: it takes tasks in, runs their bodies, asks them to stop and sees
that they have.

Everything that decides is synchronous and happens between two checkpoints: let the transitions judge the move,
publish it. So no lock is needed, and races (a cancel against a completion, a transfer against an end) are
settled by who comes first. A body knows its entry, never the session it was started in, so a task that
moved while it ran finishes where it is."""

from __future__ import annotations

import logging
import random
from collections import OrderedDict
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVarTuple

import anyio

from .. import _transitions as changes
from .._errors import HiddenTasksFailed, HostClosed, JournalError, SessionClosing
from .._ids import checked_id, new_id
from .._records import (
    Backoff,
    CancelPolicy,
    FailureKind,
    JsonValue,
    Progress,
    TaskFailure,
    TaskRecord,
    TaskSpec,
)
from ..states import TaskState
from .cancel_hooks import HOOK_SECONDS, call_hook
from .context import current_task_id, enter, outside_tasks
from .entry import Entry, Result, Verdict
from .heartbeats import Heartbeats
from .hidden import HiddenTask, HiddenTasks
from .run import (
    CANCELLED,
    STOPPED,
    Body,
    Ending,
    Raised,
    Returned,
    TimedOut,
    as_async,
    is_coroutine_function,
    run_once,
    runs_in_thread,
    verdict,
)
from .spawner import Crew
from .threads import Threads

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from .._journal.protocol import Receipt
    from .tasks import SessionTasks, TaskTable

Args = TypeVarTuple("Args")
UNCOLLECTED_SESSIONS = 1_000
_INTERRUPTIBLE = (TaskState.RUNNING, TaskState.WAITING)

log = logging.getLogger("hostel.sessions")


class Engine:
    """What an open host does; made when it opens."""

    def __init__(self, table: TaskTable, host_id: str, now: Callable[[], float]) -> None:
        self.table = table
        self.host_id = host_id
        self.now = now
        self.open = True
        self.bodies, self.services = Crew(), Crew()
        self.threads = Threads()
        self.context = outside_tasks()
        """What services of the host run in."""
        self.heartbeats = Heartbeats(self._fell_silent)
        self._uncollected: OrderedDict[str, SessionTasks] = OrderedDict()
        """Sessions in which hidden tasks failed, until somebody hears of it."""
        self._watching = False

    def check_open(self) -> None:
        """:raises HostClosed: if nothing may start or change any more."""
        if not self.open:
            raise HostClosed

    def stamp(self) -> changes.Stamp:
        """Return the time and number of the next event."""
        return self.now(), self.table.log.last_seq + 1

    def check_takes(self, session_id: str) -> None:
        """Make sure that something can be started in the session.

        :raises HostClosed: if the host is closing.
        :raises SessionClosing: if the session is.
        :raises InvalidTaskId: if it cannot be one.
        """
        self.check_open()
        session = self.table.sessions.get(session_id)
        if session is None:
            checked_id(session_id)
        elif session.closing:
            raise SessionClosing(session_id)

    def session(self, session_id: str) -> SessionTasks:
        """Return the session, made now if it is new."""
        self.check_takes(session_id)
        return self.table.session(session_id, self.now())

    def receipt(self) -> Receipt | None:
        """Return the receipt for what was just published, or None if nothing has to be waited for."""
        return self.table.feed.receipt() if self.table.feed is not None else None

    async def durable(self) -> None:
        """Wait until what was published is durable.

        :raises JournalError: if it could not be written.
        """
        receipt = self.receipt()
        if receipt is not None:
            await receipt.durable()

    async def known(self, session_id: str, spec: TaskSpec, take_in: Callable[[], Entry]) -> Entry:
        """Return the task of the session that has the idempotency key of `spec`, else what `take_in` adds."""
        self.check_takes(session_id)
        async with self.table.keyed:
            return await self.table.with_key(session_id, spec.idempotency_key or "") or take_in()

    def add(
        self,
        session_id: str,
        spec: TaskSpec,
        state: TaskState,
        policy: CancelPolicy,
        *,
        result: Result | None = None,
        restart: JsonValue = None,
    ) -> Entry:
        """Register a new task; `policy` is its cancel policy unless `spec` names one."""
        self.check_takes(session_id)
        stamp = self.stamp()
        if spec.id is None:
            task_id = new_id(stamp[0])
        else:
            task_id = checked_id(spec.id)
            self.table.check_free(session_id, task_id)
        record = changes.new_record(session_id, task_id, spec, state, policy, self.host_id, stamp)
        entry = Entry(record, result, restart=restart, resumable=spec.resumable, fence=record.seq)
        self.table.add(entry, changes.registered(record))
        if result is None:
            entry.heartbeat_ttl = spec.heartbeat_ttl
            self._expect(entry, spec.heartbeat_ttl)
        return entry

    def start(self, entry: Entry, spec: TaskSpec, body: Body[*Args], args: tuple[*Args]) -> None:
        """Start the body of a registered task, once its registration is durable."""
        entry.running = True
        self.bodies.enlist(self._run, entry, spec, body, args, self.receipt())

    def start_hidden(
        self,
        session: SessionTasks,
        label: str,
        func: Callable[[*Args], Awaitable[object]],
        args: tuple[*Args],
    ) -> None:
        """Start a hidden task of the session."""
        if session.hidden is None:
            session.hidden = HiddenTasks(session.id, self.threads)
        self.bodies.enlist(self._run_hidden, session, session.hidden.add(label), func, args)

    async def _run_hidden(
        self,
        session: SessionTasks,
        task: HiddenTask,
        func: Callable[[*Args], Awaitable[object]],
        args: tuple[*Args],
    ) -> None:
        try:
            if session.hidden is not None:
                await session.hidden.run(task, func, args)
                self._note_uncollected(session)
            self.table.discard_if_unused(session)
        finally:
            self.bodies.leave()

    def _note_uncollected(self, session: SessionTasks) -> None:
        """Log the failures of the session that has waited longest for somebody to collect them, if too many
        wait.
        """
        if session.hidden is None or not session.hidden.has_failures:
            return
        self._uncollected[session.id] = session
        if len(self._uncollected) > UNCOLLECTED_SESSIONS:
            self.log_hidden_failures(self._uncollected.pop(next(iter(self._uncollected))))

    def log_hidden_failures(self, session: SessionTasks) -> None:
        """Collect what failed in the session for nobody."""
        try:
            self.raise_hidden_failures(session)
        except HiddenTasksFailed as failures:
            log.error("nobody collected what failed", exc_info=failures)

    def raise_hidden_failures(self, session: SessionTasks) -> None:
        """:raises HiddenTasksFailed: with what has failed in the session since the last time, if anything
        has.
        """
        try:
            if session.hidden is not None:
                session.hidden.raise_failures()
        finally:
            self._uncollected.pop(session.id, None)
            self.table.discard_if_unused(session)

    def move(self, entries: Sequence[Entry], session_id: str) -> None:
        """Hand live tasks to another session, all or none.

        :raises TaskAlreadyExists: if it has a live task of one of the ids.
        """
        for entry in entries:
            self.table.check_free(session_id, entry.record.id)
        if entries:
            self.check_takes(session_id)
        for entry in entries:
            self.table.move(entry, changes.transferred(entry.record, session_id, self.stamp()))

    def park(self, entry: Entry, *, by_stop: bool) -> None:
        """Let a task wait for a later host, if it is not waiting or asked to stop already."""
        if entry.record.state in _INTERRUPTIBLE:
            event = changes.interrupted(entry.record, self.host_id, self.stamp(), by_stop=by_stop)
            self.table.publish(entry, event)

    def end(self, entry: Entry, how: Verdict, *, keep: bool = True) -> None:
        """End a live task, and forget it at once if it is not to `keep`; one that has ended stays as it is.
        A body that still runs is stopped.
        """
        if not entry.live:
            return
        self.table.publish(
            entry,
            changes.ended(entry.record, how.state, self.stamp(), result=how.result, failure=how.failure),
            keep=keep,
        )
        if entry.running:
            entry.abort()
        if not entry.settled:
            entry.stir()

    def flip(self, entry: Entry, state: TaskState) -> None:
        """Move a task between running and waiting, if that is a move."""
        before = entry.record.state
        if (
            state in _INTERRUPTIBLE
            and before in (*_INTERRUPTIBLE, TaskState.PENDING)
            and before is not state
            and not (entry.parked and entry.managed)
        ):
            self.table.publish(entry, changes.moved(entry.record, state, self.stamp()))

    def report(self, entry: Entry, progress: Progress) -> None:
        """Keep the progress of a task that is alive."""
        if entry.live:
            self.table.publish(entry, changes.progressed(entry.record, progress, self.stamp()))

    def ask(
        self, entries: Iterable[Entry], reason: str | None, actor: str | None, *, cascade: bool = True
    ) -> list[Entry]:
        """Ask tasks and, with `cascade`, their descendants to stop; return those whose hook is to be
        called.
        """
        asked = dict.fromkeys(entries)
        hooks = [entry for entry in asked if self._ask_one(entry, reason, actor)]
        waiting = [child for entry in asked for child in entry.children or ()] if cascade else []
        while waiting:
            child = waiting.pop()
            if child in asked:
                continue
            asked[child] = None
            if self._ask_one(child, reason, "parent"):
                hooks.append(child)
            waiting.extend(child.children or ())
        return hooks

    async def request_cancel(
        self, entry: Entry, reason: str | None, actor: str | None, *, cascade: bool = True
    ) -> TaskRecord:
        """Ask a task and, with `cascade`, its descendants to stop, and call the hooks that are to be
        called.
        """
        await self.call_hooks(self.ask([entry], reason, actor or current_task_id(), cascade=cascade))
        return entry.record

    async def call_hooks(self, asked: Sequence[Entry]) -> None:
        """Call the cancel hooks of tasks that were asked to stop, all at once."""
        if not asked:
            return
        async with anyio.create_task_group() as calls:
            for entry in asked:
                calls.start_soon(call_hook, self.services, entry, HOOK_SECONDS)

    async def cancel(
        self, entries: Sequence[Entry], reason: str | None, actor: str | None, grace: float
    ) -> None:
        """Ask tasks and their descendants to stop; stop the tasks themselves whatever their policy and wait
        `grace` seconds for them to have ended.
        """
        hooks = self.ask(entries, reason, actor)
        async with anyio.create_task_group() as stops:
            for entry in entries:
                stops.start_soon(self.stop, entry, grace)
            for descendant in set(hooks).difference(entries):
                stops.start_soon(call_hook, self.services, descendant, grace)

    async def stop(self, entry: Entry, grace: float) -> None:
        """Stop a task that was asked to, whatever its policy; wait `grace` seconds for it to have ended."""
        if entry.running:
            entry.abort()
            with anyio.move_on_after(grace), suppress(HostClosed):
                await entry.done()
        else:
            cancelled = Verdict(TaskState.CANCELLED, None, None)
            await call_hook(self.services, entry, grace, partial(self.end, entry, cancelled))

    async def _run(
        self,
        entry: Entry,
        spec: TaskSpec,
        body: Body[*Args],
        args: tuple[*Args],
        registration: Receipt | None,
    ) -> None:
        try:
            enter(self, entry)
            if registration is not None and not await self._is_durable(entry, registration):
                return
            ending: Ending = STOPPED
            timeout = spec.timeout
            if is_coroutine_function(body):
                func = body
            else:
                func = as_async(body, partial(self._in_thread, entry, timeout))
                timeout = None if runs_in_thread(body) else timeout
            while not entry.must_stop:
                ending = await run_once(self.bodies.scope(), entry, func, args, timeout)
                if not self._may_retry(entry, ending):
                    break
                await self._back_off(entry, spec.retry)
                ending = STOPPED
            self._finish(entry, ending)
        finally:
            self.bodies.leave()

    async def _in_thread(self, entry: Entry, timeout: float | None, call: Callable[[], object]) -> object:
        try:
            return await self.threads.run(entry, call, partial(self._expect, entry, timeout))
        finally:
            self.heartbeats.dismiss(entry)

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
        self.table.publish(entry, changes.retried(entry.record, self.stamp()))
        with anyio.move_on_after(backoff.delay(attempt, random.random())):
            await entry.told()
        self.flip(entry, TaskState.RUNNING)

    def _may_retry(self, entry: Entry, ending: Ending) -> bool:
        run = entry.record.attempt
        if run.counted >= run.max_attempts or entry.must_stop or not self.open:
            return False
        return isinstance(ending, TimedOut) or (
            isinstance(ending, Raised) and isinstance(ending.error, Exception)
        )

    def _finish(self, entry: Entry, ending: Ending) -> None:
        entry.running = False
        if entry.interrupting and entry.live and not entry.cancel_requested and not _is_over(entry, ending):
            self.park(entry, by_stop=True)
            return
        result, entry.result = entry.result, None
        if result is not None and entry.live and entry.verdict is None:
            match ending:
                case Returned(value):
                    result.value, result.present = value, True
                case Raised(error):
                    result.error = error
        self.end(entry, entry.verdict or verdict(ending, saw_request=entry.saw_request))

    def _ask_one(self, entry: Entry, reason: str | None, actor: str | None) -> bool:
        if not entry.live or entry.cancel_requested:
            return False
        self.table.publish(entry, changes.cancel_requested(entry.record, reason, actor, self.stamp()))
        entry.stir()
        if not entry.managed:
            return entry.hook is not None and entry.record.cancel_policy is not CancelPolicy.COOPERATIVE
        if entry.parked:
            self.end(entry, CANCELLED)
        elif entry.record.cancel_policy is CancelPolicy.ABORT_LOCAL:
            entry.abort()
        return False

    def _expect(self, entry: Entry, seconds: float | None) -> None:
        if seconds is None:
            return
        self.heartbeats.expect(entry, seconds)
        if not self._watching:
            self._watching = True
            self.services.start(self.heartbeats.watch, context=self.context.copy())

    def _fell_silent(self, entry: Entry) -> None:
        if entry.managed:
            self.end(entry, verdict(TimedOut(entry.allowed), saw_request=False))
            self.threads.leave(entry)
        else:
            silence = TaskFailure(FailureKind.HEARTBEAT, f"no heartbeat for {entry.allowed:g} s")
            self.end(entry, Verdict(TaskState.ABANDONED, None, silence))


def _is_over(entry: Entry, ending: Ending) -> bool:
    """Tell whether a body that its host interrupted has done its work all the same."""
    if isinstance(ending, Returned):
        return ending.value is not None or not entry.saw_request
    return entry.verdict is not None or isinstance(ending, TimedOut)
