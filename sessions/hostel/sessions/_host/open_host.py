"""An open host: its tasks, its clock, what it has started; and every change that a task of it can see.

Everything that decides is synchronous and happens between two checkpoints: let the transitions judge the
move, publish it. So no lock is needed, and races (a cancel against a completion, a transfer against an end)
are settled by who comes first. A body knows its entry, never the session it was started in, so a task that
moved while it ran finishes where it is. Running bodies (`run`), stopping them (`cancel`) and hidden tasks
(`barrier`) have files of their own."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import attrs

from .. import _transitions as changes
from .._dialogue.notice import OUTPUT_BYTES
from .._errors import HostClosed, SessionClosing
from .._event_log.cursor import LogSubscription
from .._ids import checked_id, new_id
from .._loop.current import outside_tasks
from .._loop.spawner import Spawner
from .._loop.threads import Threads
from .._output.of_tasks import TaskOutputs
from .._records import FailureKind, TaskFailure
from .._tasks.entry import End, Entry, External
from ..states import TaskState
from .body import TimedOut, end_of
from .heartbeats import Heartbeats
from .turns import Turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from .._admission.limits import Limits
    from .._journal.protocol import Unread
    from .._journal.writer import Receipt
    from .._records import CancelPolicy, JsonValue, Progress, TaskFilter, TaskSpec
    from .._tasks.entry import Run
    from .._tasks.session_tasks import SessionTasks
    from .._tasks.table import TaskTable

_INTERRUPTIBLE = (TaskState.RUNNING, TaskState.WAITING)


class OpenHost:
    """What a host has while it is open."""

    def __init__(
        self,
        table: TaskTable,
        host_id: str,
        now: Callable[[], float],
        limits: Limits,
        output_dir: Path | None,
    ) -> None:
        self.table = table
        self.host_id = host_id
        self.now = now
        self.open = True
        self.bodies, self.services = Spawner(), Spawner()
        self.threads = Threads()
        self.context = outside_tasks()
        """What services of the host run in."""
        self.heartbeats = Heartbeats(self._fell_silent)
        self.turns = Turns(limits, now, self._watch_turns)
        self.uncollected: OrderedDict[str, SessionTasks] = OrderedDict()
        """Sessions in which hidden tasks failed, until somebody hears of it."""
        self._watching = False
        self.outputs = TaskOutputs(output_dir, self._start_service, table.known, now)
        table.on_forget = self.outputs.forget

    @property
    def keeps_tasks(self) -> bool:
        """Whether a later host finds what this one leaves."""
        return self.table.writer is not None

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
        return self.table.writer.receipt() if self.table.writer is not None else None

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
        # the journal is asked between looking and adding: nobody else may add the key meanwhile
        async with self.table.keyed:
            return await self.table.with_key(session_id, spec.idempotency_key or "") or take_in()

    def add(
        self,
        session_id: str,
        spec: TaskSpec,
        state: TaskState,
        policy: CancelPolicy,
        *,
        run: Run | None = None,
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
        ttl = spec.heartbeat_ttl if run is None else None
        record = changes.new_record(session_id, task_id, spec, state, policy, self.host_id, stamp, ttl)
        entry = Entry(record, run, restart=restart, resumable=spec.resumable, fence=record.seq)
        self.table.add(entry, changes.registered(record))
        if run is None:
            entry.external = External(ttl)
            self.expect(entry, ttl)
        return entry

    def move(self, entries: Sequence[Entry], session_id: str) -> None:
        """Hand live tasks to another session, all or none.

        :raises TaskAlreadyExists: if it has a live task of one of the ids.
        """
        # all are checked before the first one moves: all or none
        for entry in entries:
            self.table.check_free(session_id, entry.record.id)
        if entries:
            self.check_takes(session_id)
        for entry in entries:
            self.table.move(entry, changes.transferred(entry.record, self.stamp(), session_id))
            self.turns.move(entry, session_id)

    def park(self, entry: Entry, *, by_stop: bool) -> None:
        """Let a task wait for a later host, if it is not waiting or asked to stop already."""
        if entry.record.state in _INTERRUPTIBLE:
            self.apply(entry, changes.interrupted, self.host_id, by_stop=by_stop)

    def end(self, entry: Entry, how: End, *, keep: bool = True) -> None:
        """End a live task, and forget it at once if it is not to `keep`; one that has ended stays as it is.
        A body that still runs is stopped.
        """
        if not entry.live:
            return
        self.table.publish(
            entry,
            changes.ended(entry.record, self.stamp(), how.state, result=how.result, failure=how.failure),
            keep=keep,
        )
        if entry.output is not None:
            self.outputs.end(entry)
        # somebody else has ended the task: its body must not go on for nothing
        if entry.run is not None and entry.run.running:
            entry.run.abort()
        elif entry.run is not None and entry.run.queued is not None:
            self.turns.leave(entry.run)
        if not entry.is_done:
            entry.notify()

    def apply(
        self,
        entry: Entry,
        change: changes.Change[changes.P],
        *args: changes.P.args,
        **more: changes.P.kwargs,
    ) -> None:
        """Let a task change now, and everybody see it.

        :raises IllegalTransition: if it cannot change so.
        """
        self.table.publish(entry, change(entry.record, self.stamp(), *args, **more))

    def flip(self, entry: Entry, state: TaskState) -> None:
        """Move a task between running and waiting, if that is a move."""
        before = entry.record.state
        if (
            state in _INTERRUPTIBLE
            and before in (*_INTERRUPTIBLE, TaskState.PENDING)
            and before is not state
            and not entry.waits_for_body
            and not entry.body_asks
        ):
            self.apply(entry, changes.moved, state)

    async def unread(self, session_id: str, consumer: str, limit: int) -> Unread:
        """Return what the consumer of a session has not acknowledged."""
        return await self.table.inboxes.unread(session_id, consumer, limit)

    async def acknowledge(self, session_id: str, consumer: str, seqs: Sequence[int], missed: int = 0) -> None:
        """Do not give the consumer these again."""
        await self.table.inboxes.acknowledge(session_id, consumer, seqs, missed)

    def asking(self, session_id: str) -> list[Entry]:
        """Return the tasks of a session that ask something."""
        return self.table.asking(session_id)

    def watch(self, filter: TaskFilter) -> LogSubscription:
        """Return the events that match, from now on."""
        return LogSubscription(self.table.log, filter, None)

    async def last_output(self, entry: Entry) -> str:
        """Return the end of what a task wrote."""
        return await self.outputs.last(entry, OUTPUT_BYTES)

    def report(self, entry: Entry, progress: Progress, *, notify: bool = False) -> None:
        """Keep the progress of a task that is alive; tell its session with `notify`."""
        if entry.live:
            self.apply(entry, changes.progressed, progress, notify=notify)

    def go_on(self, entry: Entry) -> None:
        """Count the run of a task that is alive as the continuation of the one before."""
        if entry.live:
            self.apply(entry, changes.continued)

    def beat(self, entry: Entry) -> None:
        """Note a heartbeat of a task's owner."""
        if entry.live and entry.record.heartbeat_ttl is not None:
            at = self.now()
            entry.record = attrs.evolve(entry.record, heartbeat_at=at, updated_at=at)
        self.heartbeats.beat(entry)

    def expect(self, entry: Entry, seconds: float | None) -> None:
        """End the task when it has not been heard of for that long; None expects nothing."""
        if seconds is None:
            return
        self.heartbeats.expect(entry, seconds)
        if not self._watching:
            self._watching = True
            self.services.start_service(self.heartbeats.watch, context=self.context.copy())

    def begin(self, entry: Entry) -> None:
        """Let a task run that has waited for its turn."""
        self.apply(entry, changes.begun, self.host_id)
        entry.fence = entry.record.seq

    def _watch_turns(self) -> None:
        self._start_service(self.turns.watch)

    def _start_service(self, func: Callable[[], Awaitable[object]]) -> None:
        self.services.start_service(func, context=self.context.copy())

    def _fell_silent(self, entry: Entry) -> None:
        if entry.managed:
            self.end(entry, end_of(TimedOut(entry.allowed), saw_request=False))
            self.threads.leave(entry)
        else:
            silence = TaskFailure(FailureKind.HEARTBEAT, f"no heartbeat for {entry.allowed:g} s")
            self.end(entry, End(TaskState.ABANDONED, None, silence))
