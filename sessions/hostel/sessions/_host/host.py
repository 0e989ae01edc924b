"""The in-process host: the verbs of `BackgroundTaskHost` on an `OpenHost`, and the life of that host."""

from __future__ import annotations

import logging
import time
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, overload

import anyio
import anyio.lowlevel
import attrs

from .. import _transitions as changes
from .._admission.limits import Limits
from .._dialogue.asking import pose
from .._errors import (
    IllegalTransition,
    JournalError,
    TaskStillRuns,
)
from .._event_log.log import EventLog
from .._ids import new_id
from .._records import (
    CancelPolicy,
    JsonValue,
    Progress,
    Question,
    TaskRecord,
    TaskSpec,
    is_finite,
)
from .._retention import RETAIN_BYTES
from .._tasks.cancel_hooks import CancelHook, Hook
from .._tasks.entry import End, Entry, External, Run
from .._tasks.table import TaskTable
from ..states import TaskState
from .barrier import raise_hidden_failures, start_hidden
from .body import reported
from .cancel import ask, call_hooks, cancel, request_cancel, stop
from .context import current_entry, current_task_id
from .handle import LocalTaskHandle
from .open_host import OpenHost
from .reading import ReadingVerbs
from .restart import restart_info_to_json
from .resumption import Resume, adopt, recover, run_again
from .run import not_started, start
from .shutdown import OnStop, close_tasks, drain_engine, stop_engine
from .talking import TalkingVerbs
from .waiting import WaitingVerbs

if TYPE_CHECKING:
    import builtins
    from collections.abc import Awaitable, Callable, Iterable
    from types import TracebackType
    from typing import Self

    from .._journal.protocol import Journal, Kept

T = TypeVar("T")
Args = TypeVarTuple("Args")

GRACE = 5.0

log = logging.getLogger("hostel.sessions")

CLOSE_SECONDS = 20.0
"""How long a journal may take to close; hostel's own gives up before."""


class LocalBackgroundTaskHost(ReadingVerbs, WaitingVerbs, TalkingVerbs):
    """The background tasks of any number of sessions, in this process.

    An async context manager: nothing runs before it is entered or after it is left, but worker threads whose
    code does not return. Leaving it does `on_stop` to what runs, waits for it at most twice `stop_grace`
    seconds (once more for DRAIN), and abandons the records of external tasks that are not resumable.

    `journal` makes records and events durable; None keeps them in memory. Of each session `retain_events`
    events stay in memory for late subscribers, and `retain_terminal` finished tasks stay listed.
    `retain_bytes` bounds what the events of all sessions may take in memory, and the finished tasks as much
    again: the session that takes most loses its oldest. With a journal no finished task stays in memory, and
    events come back from it.

    Of what a task writes a head of 64 KiB and a tail of 192 KiB stay in memory, and 16 MiB in files where the
    journal has a place for them. `limits` say how many managed tasks run at once; those beyond wait,
    `pending`, for their turn.

    Resumable tasks that the journal's former host has left are `pending` until `resume` gives them bodies or
    `register_external` adopts them; the others are abandoned. `host_id` is made up if None.

    Every verb raises HostClosed outside the context; while it is being left nothing new can be started, and
    whoever waits for a task that does not end gets HostClosed as well. Verbs that take a task id raise
    UnknownTask if there is none and AmbiguousTaskId if `session_id` is needed to tell which. With a
    journal, a registration or an end is on disk before its verb returns; JournalError is raised if that
    failed. A session that a task has left leads to it in all of them, until that session has another task of
    the same id. Source: the `BackgroundTaskHost` of lash-core."""

    def __init__(
        self,
        journal: Journal | None = None,
        retain_events: int = 10_000,
        retain_terminal: int = 1_000,
        *,
        retain_bytes: int = RETAIN_BYTES,
        limits: Limits | None = None,
        on_stop: OnStop = OnStop.INTERRUPT,
        stop_grace: float = GRACE,
        host_id: str | None = None,
    ) -> None:
        bounds = (retain_events, retain_terminal, retain_bytes, stop_grace)
        if not all(is_finite(bound) and bound >= 0 for bound in bounds):
            raise ValueError("what is retained and the grace are numbers, and none can be negative")
        self.host_id = host_id or new_id(time.time())
        self._journal = journal
        self._retain_events, self._retain_terminal = retain_events, retain_terminal
        self._retain_bytes = retain_bytes
        self._limits = limits or Limits()
        self._stop_grace = stop_grace
        self._on_stop = OnStop(on_stop)
        self._running: OpenHost | None = None

    async def __aenter__(self) -> Self:
        if self._running is not None:
            raise RuntimeError("the host is open already")
        journal = self._journal
        kept, last_seq = await journal.open() if journal is not None else ([], 0)
        replay = journal.read if journal is not None else None
        log = EventLog(self._retain_events, self._retain_bytes, last_seq=last_seq, replay=replay)
        table = TaskTable(log, self._retain_terminal, journal, retain_bytes=self._retain_bytes)
        host = self._running = OpenHost(
            table, self.host_id, time.time, self._limits, journal.output_dir if journal is not None else None
        )
        self._token = anyio.lowlevel.current_token()
        if table.writer is not None:
            host.services.start_service(table.writer.run, context=host.context.copy())
            self._recover(host, kept)
        return self

    def _recover(self, host: OpenHost, kept: builtins.list[Kept]) -> None:
        entries = [host.table.restore(task) for task in kept]
        host.table.join_parents()
        for entry in entries:
            recover(host, entry)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            try:
                await stop_engine(self._host, self._on_stop, self._stop_grace)
            finally:
                self._running = None
                if self._journal is not None:
                    await _close(self._journal)

    async def drain(self) -> None:
        """Take nothing more, and wait `stop_grace` seconds at most for the bodies that run: what an
        application does first that stops with `on_stop="drain"` and whose tasks need something it closes.
        """
        await drain_engine(self._host, self._stop_grace)

    async def resume(self, bodies: Resume) -> None:
        """Run again what an earlier host of the journal has left to be run again, each task as its next
        attempt.

        `bodies` is asked once for each task. One it has no body for waits for a later call or a later host;
        one for which it raises is abandoned, with that as the reason."""
        host = self._host
        waiting = [entry for entry in host.table.parked() if not run_again(host, entry, bodies)]
        if waiting:
            kinds = sorted({entry.record.kind for entry in waiting})
            log.warning("%d tasks wait to be run again, their kinds are unknown: %s", len(waiting), kinds)
        await self._durable()

    async def register(self, session_id: str, spec: TaskSpec) -> TaskRecord:
        """Keep a record of a task that nobody runs yet; it is `pending`.

        :raises TaskAlreadyExists: if the session has a live task of that id.
        :raises SessionClosing: while the session closes.
        """
        return await self._register(session_id, spec, TaskState.PENDING, CancelPolicy.COOPERATIVE, None)

    async def register_external(
        self, session_id: str, spec: TaskSpec, cancel: CancelHook | None = None
    ) -> TaskRecord:
        """Keep the record of a task that somebody else runs; it is `running`. `cancel` is how to stop it.

        A sync `cancel` runs on the loop and must not block. A resumable task of that id that an earlier host
        has left goes on with its record; if it was asked to stop meanwhile, `cancel` is called.

        :raises TaskAlreadyExists: if the session has a live task of that id.
        :raises SessionClosing: while the session closes.
        """
        policy = CancelPolicy.COOPERATIVE if cancel is None else CancelPolicy.EXTERNAL
        return await self._register(session_id, spec, TaskState.RUNNING, policy, cancel)

    async def _register(
        self, session_id: str, spec: TaskSpec, state: TaskState, policy: CancelPolicy, hook: CancelHook | None
    ) -> TaskRecord:
        host = self._host

        def take_in() -> Entry:
            left = host.table.at(session_id, spec.id) if spec.id is not None else None
            if left is not None and left.parked and not left.managed:
                return left
            restart = restart_info_to_json(spec, managed=False)
            entry = host.add(session_id, spec, state, policy, restart=restart)
            entry.external = attrs.evolve(entry.external or External(), hook=_hook(hook))
            return entry

        entry = await host.known(session_id, spec, take_in) if spec.idempotency_key else take_in()
        if entry.parked and not entry.managed:
            return await self._adopt(entry, hook)
        await self._durable()
        return entry.record

    async def _adopt(self, entry: Entry, hook: CancelHook | None) -> TaskRecord:
        host = self._host
        adopt(host, entry)
        entry.external = attrs.evolve(entry.external or External(), hook=_hook(hook))
        await self._durable()
        if entry.cancel_requested:
            await call_hooks(host, [entry])
        return entry.record

    @overload
    async def spawn_managed(
        self, session_id: str, spec: TaskSpec, func: Callable[[*Args], Awaitable[T]], *args: *Args
    ) -> LocalTaskHandle[T]: ...

    @overload
    async def spawn_managed(
        self, session_id: str, spec: TaskSpec, func: Callable[[*Args], T], *args: *Args
    ) -> LocalTaskHandle[T]: ...

    async def spawn_managed(
        self,
        session_id: str,
        spec: TaskSpec,
        func: Callable[[*Args], object],
        *args: *Args,
    ) -> LocalTaskHandle[Any]:
        """Run `func(*args)` as a task of the session; return once it is registered.

        A coroutine function runs on the loop, an async generator function is iterated to its end, any other
        callable runs in a worker thread. Context variables are copied now. Inside a task, that is the
        parent unless `spec` says otherwise.

        :raises TaskAlreadyExists: if the session has a live task of that id.
        :raises SessionClosing: while the session closes.
        :raises TypeError, ValueError: if the params are not JSON.
        """
        host = self._host
        if spec.idempotency_key:
            start = partial(_start, host, session_id, spec, func, args)
            entry = await host.known(session_id, spec, start)
        else:
            entry = _start(host, session_id, spec, func, args)
        handle: LocalTaskHandle[Any] = LocalTaskHandle(host, entry)
        receipt = host.receipt()
        if receipt is not None:
            try:
                await receipt.durable()
            except JournalError as error:
                not_started(host, entry, error)
                raise
        return handle

    async def spawn_hidden(
        self, session_id: str, label: str, func: Callable[[*Args], Awaitable[object]], *args: *Args
    ) -> None:
        """Run `func(*args)` for the session without listing it; `await_hidden` waits for it.

        :raises SessionClosing: while the session closes.
        """
        host = self._host
        start_hidden(host, host.session(session_id), label, func, args)

    async def await_hidden(self, session_id: str) -> None:
        """Wait for all hidden tasks of the session, also those started meanwhile.

        :raises HiddenTasksFailed: with every failure since the last time, labels kept.
        """
        host = self._host
        session = host.table.sessions.get(session_id)
        if session is not None and session.hidden is not None:
            await session.hidden.drained()
            raise_hidden_failures(host, session)

    async def update(
        self,
        task_id: str,
        *,
        state: TaskState | None = None,
        progress: Progress | None = None,
        question: Question | None = None,
        notify: bool = False,
        session_id: str | None = None,
    ) -> TaskRecord:
        """Move a live task to another live state and keep its latest progress; the inboxes of its session
        tell that with `notify`.

        A task that somebody else runs asks with `state=WAITING` and a question, which gets an id if it has
        none; the answer is the `value` of its event `answered`.

        :raises IllegalTransition: if the table forbids the move, the task has ended or its body waits for an
            answer; nothing is changed then.
        :raises InvalidQuestion: if nobody could answer the question.
        :raises ValueError: if it comes with another state, or the host runs the task.
        """
        host = self._host
        entry = await self._host.table.get(task_id, session_id)
        record = entry.record
        if record.is_terminal or (state is not None and (state.is_terminal or entry.waits_for_body)):
            raise IllegalTransition(task_id, record.state, state or record.state)
        if question is not None:
            pose(host, entry, question, state)
        elif state is TaskState.CANCEL_REQUESTED:
            await self.request_cancel(task_id, session_id=record.session_id)
        elif state is not None and state is not record.state:
            if entry.body_asks:
                raise IllegalTransition(task_id, record.state, state)
            host.apply(entry, changes.moved, state)
        if progress is not None:
            host.report(entry, progress, notify=notify)
        return entry.record

    async def complete(
        self,
        task_id: str,
        state: TaskState = TaskState.COMPLETED,
        *,
        summary: str | None = None,
        value: JsonValue = None,
        session_id: str | None = None,
    ) -> TaskRecord:
        """End a task in a terminal state; one that has ended is returned unchanged.

        The body of a managed task is stopped; `cancelled` and `abandoned` wait until it has (at most 5 s).

        :raises IllegalTransition: if `state` is not terminal.
        """
        entry = await self._host.table.get(task_id, session_id)
        if state.is_live:
            raise IllegalTransition(task_id, entry.record.state, state)
        return await self._complete(entry, reported(state, summary, value))

    async def mark_terminal(
        self, session_id: str, task_id: str, state: TaskState, *, summary: str | None = None
    ) -> None:
        """End a task as `complete` does; do nothing if it is unknown, has ended, or `state` is not
        terminal.
        """
        entry = await self._host.table.look_up(task_id, session_id)
        if entry is not None and state.is_terminal:
            await self._complete(entry, reported(state, summary, None))

    async def mark_live_state(self, session_id: str, task_id: str, state: TaskState) -> None:
        """Move a task between running and waiting; do nothing if it is unknown, asked to stop or ended."""
        entry = await self._host.table.look_up(task_id, session_id)
        if entry is not None:
            self._host.flip(entry, state)

    async def _complete(self, entry: Entry, how: End) -> TaskRecord:
        host = self._host
        run = entry.run
        stops = how.state in (TaskState.CANCELLED, TaskState.ABANDONED)
        if run is not None and run.running and entry.live and stops:
            run.decided = run.decided or how
            ask(host, [entry], how.result.summary if how.result else None, current_task_id(), cascade=False)
            await stop(host, entry, GRACE)
        else:
            await host.outputs.settle(entry)
            host.end(entry, how)
            await self._durable()
        return entry.record

    async def request_cancel(
        self,
        task_id: str,
        reason: str | None = None,
        *,
        actor: str | None = None,
        cascade: bool = True,
        session_id: str | None = None,
    ) -> TaskRecord:
        """Ask a task to stop, by its policy, and return its record without waiting for the end.

        The first request wins; asking a task that has ended changes nothing. `cascade` asks the tasks whose
        parent it is as well. A hook is waited for, at most 5 s. `actor` is who asks; the calling task if
        None."""
        entry = await self._host.table.get(task_id, session_id)
        return await request_cancel(self._host, entry, reason, actor, cascade=cascade)

    async def cancel_managed(
        self,
        session_id: str,
        task_id: str,
        reason: str | None = None,
        *,
        grace: float = GRACE,
        actor: str | None = None,
    ) -> TaskRecord:
        """Cancel a task whatever its policy and wait until it has really ended, at most `grace` seconds.

        Past that, or if a cancel hook fails, the record returned is still `cancel_requested`."""
        entry = await self._host.table.get(task_id, session_id)
        await self._cancel([entry], reason, actor, grace)
        return entry.record

    async def cancel_all_managed(
        self, session_id: str, reason: str | None = None, *, grace: float = GRACE, actor: str | None = None
    ) -> builtins.list[TaskRecord]:
        """Cancel all live tasks of the session at the same time, as `cancel_managed` does, and return their
        records.
        """
        entries = self._host.table.live(session_id)
        await self._cancel(entries, reason, actor, grace)
        return [entry.record for entry in entries]

    async def _cancel(
        self, entries: builtins.list[Entry], reason: str | None, actor: str | None, grace: float
    ) -> None:
        live = [entry for entry in entries if entry.live]
        await cancel(self._host, live, reason, actor or current_task_id(), grace)
        await self._durable()

    async def heartbeat(self, session_id: str, task_id: str) -> None:
        """Keep an external task alive for another `heartbeat_ttl` seconds."""
        self._host.beat(await self._host.table.get(task_id, session_id))

    async def unregister_external(self, session_id: str, task_id: str) -> None:
        """Forget a task that the host does not run; one that is live is abandoned first.

        :raises TaskStillRuns: if it is a managed task that is alive.
        """
        host = self._host
        entry = await host.table.get(task_id, session_id)
        if entry.managed and entry.live:
            raise TaskStillRuns(task_id, session_id)
        if entry.live:
            host.end(entry, reported(TaskState.ABANDONED, "unregistered", None), keep=False)
        else:
            host.table.remove(entry)
        await self._durable()

    async def transfer(
        self, task_id: str, new_session_id: str, *, session_id: str | None = None
    ) -> TaskRecord:
        """Hand a live task to another session; it goes on running.

        :raises TaskAlreadyExists: if the target has a live task of that id.
        :raises IllegalTransition: if it has ended.
        """
        host = self._host
        entry = await host.table.get(task_id, session_id)
        if entry.record.is_terminal:
            raise IllegalTransition(task_id, entry.record.state, entry.record.state)
        if entry.record.session_id == new_session_id:
            return entry.record
        host.move([entry], new_session_id)
        await self._durable()
        return entry.record

    async def transfer_managed(
        self, from_session_id: str, to_session_id: str, task_ids: Iterable[str]
    ) -> builtins.list[TaskRecord]:
        """Hand several live tasks to another session, all or none; finished ones stay where they are.

        :raises UnknownTask: if the session has no task of one of the ids.
        :raises TaskAlreadyExists: if the target has a live task of one of the ids.
        """
        host = self._host
        found = [await host.table.get(task_id, from_session_id) for task_id in dict.fromkeys(task_ids)]
        entries = [entry for entry in found if entry.live and entry.record.session_id != to_session_id]
        host.move(entries, to_session_id)
        await self._durable()
        return [entry.record for entry in entries]

    async def close_session(
        self, session_id: str, *, successor: str | None = None, grace: float = GRACE
    ) -> builtins.list[TaskRecord]:
        """Close a session: wait for its hidden tasks, then keep, cancel or transfer each task by its close
        policy.

        Nothing can be started in it meanwhile. Hidden tasks and cancelled ones are waited for at most
        `grace` seconds each; hidden ones still running then are cancelled. Without a `successor`, and where
        it has a live task of the same id, a task to transfer is cancelled. Returns the records of the tasks
        that were live.

        :raises HiddenTasksFailed: with the failures of its hidden tasks, after everything else was done.
        :raises SessionClosing: if it is being closed already.
        :raises ValueError: if it is its own successor.
        """
        return await close_tasks(self._host, session_id, successor, grace)


def _hook(func: CancelHook | None) -> Hook | None:
    return None if func is None else Hook(func, copy_context())


async def _close(journal: Journal) -> None:
    with anyio.move_on_after(CLOSE_SECONDS) as closing:
        await journal.aclose()
    if closing.cancelled_caught:
        log.warning("the journal has not closed within %g s", CLOSE_SECONDS)


def _start(
    host: OpenHost, session_id: str, spec: TaskSpec, func: Callable[[*Args], object], args: tuple[*Args]
) -> Entry:
    restart = restart_info_to_json(spec, managed=True)
    own, run = _with_parent(spec), Run()
    admitted = host.turns.are_free(own) or _take_turn(host, session_id, own, run)
    state = TaskState.RUNNING if admitted else TaskState.PENDING
    try:
        entry = host.add(session_id, own, state, CancelPolicy.ABORT_LOCAL, run=run, restart=restart)
    except BaseException:
        host.turns.leave(run)
        raise
    if admitted:
        start(host, entry, run, own, func, args)
    else:
        host.turns.put_off(run, partial(_begin, host, entry, run, own, func, args))
    return entry


def _take_turn(host: OpenHost, session_id: str, spec: TaskSpec, run: Run) -> bool:
    parent = host.table.live_parent(spec.parent_task_id, session_id) if spec.parent_task_id else None
    return host.turns.take(run, session_id, spec, parent)


def _begin(
    host: OpenHost,
    entry: Entry,
    run: Run,
    spec: TaskSpec,
    func: Callable[[*Args], object],
    args: tuple[*Args],
) -> None:
    host.begin(entry)
    start(host, entry, run, spec, func, args)


def _with_parent(spec: TaskSpec) -> TaskSpec:
    parent = current_entry() if spec.parent_task_id is None and not spec.detached else None
    return spec if parent is None else attrs.evolve(spec, parent_task_id=parent.record.id)
