"""All tasks of a host, by session and by id, and the one place where a change of them becomes an event.

`publish` is the whole of it: it sets the record, appends the event to the log, hands it to the journal and,
when the task has ended, retires it. What others see (subscribers, whoever waits for the end) follows when
the event is durable: at once without a journal.

Finished tasks stay listed until their session has more than `retain_terminal` of them, or until they are
pruned. With a journal they are the journal's as soon as their end is durable; here is only what is live or
not durable yet, and whoever asks for more is answered from both. The journal says as of which event its
answer is true, so each task is in exactly one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from .._errors import AmbiguousTaskId, TaskAlreadyExists, UnknownTask
from .._events import EventType
from .._journal.protocol import Append, Forget, TaskQuery
from .._journal.writer import JournalWriter
from .._outcomes import LARGE, is_apart, lightened, text_of, with_value
from .._output.task_output import size_of
from .._records import TaskFilter, TaskRecord
from .._retention import RETAIN_BYTES, Shares, weight_of
from ..states import TERMINAL
from .entry import Entry
from .family import Families
from .inboxes import Inboxes
from .index import TaskIndex
from .listing import not_yet_past, number_of, only, past
from .session_tasks import SessionTasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .._event_log.log import EventLog
    from .._events import TaskEvent
    from .._journal.protocol import Journal, Kept


class TaskTable:
    """The tasks of one host."""

    def __init__(
        self,
        log: EventLog,
        retain_terminal: int,
        journal: Journal | None = None,
        *,
        retain_bytes: int = RETAIN_BYTES,
    ) -> None:
        self.log = log
        self.writer = JournalWriter(journal, self.show) if journal is not None else None
        self.keyed = anyio.Lock()
        """Held from looking for an idempotency key in the journal until its task is registered."""
        self.journal = journal
        self.sessions: dict[str, SessionTasks] = {}
        self.index = TaskIndex()
        self._retain = retain_terminal
        self._finished = Shares(retain_bytes)
        """What finished tasks in memory take, by session."""
        self._ids: dict[str, Entry | dict[str, Entry]] = {}
        """Tasks by id: the one that has it, or those that have by session."""
        self._moved: dict[tuple[str, str], Entry] = {}
        """Tasks by a session they have left."""
        self._families = Families(self.live_parent)
        self.inboxes = Inboxes(self.sessions, journal)
        self._asking: dict[Entry, None] = {}
        self.on_forget: Callable[[Entry], None] = lambda _: None

    async def known(self, numbers: Sequence[int]) -> set[int]:
        """Return those numbers of registrations whose tasks are not forgotten."""
        # before the journal is asked: what is neither here nor there afterwards is forgotten
        here = {number for number in numbers if self.index.has(number)}
        return here if self.journal is None else here | await self.journal.known(numbers)

    def session(self, session_id: str, at: float) -> SessionTasks:
        """Return the session, made now if it is new."""
        found = self.sessions.get(session_id)
        if found is None:
            found = self.sessions[session_id] = SessionTasks(session_id, at, at)
        return found

    def find(self, task_id: str, session_id: str | None = None) -> Entry | None:
        """Return the task of that id that is in memory: the one in that session, or that has left it; without
        a session the one live match, else the one match.

        :raises AmbiguousTaskId: if several sessions have one.
        """
        return only(task_id, self._named(task_id, session_id))

    def at(self, session_id: str, task_id: str) -> Entry | None:
        """Return the task of that id that is in the session now."""
        session = self.sessions.get(session_id)
        return session.tasks.get(task_id) if session is not None else None

    async def look_up(self, task_id: str, session_id: str | None = None) -> Entry | None:
        """Return the task as `find` does, also if only the journal has it.

        :raises AmbiguousTaskId: if several sessions have one.
        """
        named = self._named(task_id, session_id)
        known = any(entry.live for entry in named) or (named and session_id is not None)
        if self.journal is None or known:
            return only(task_id, named)
        query = TaskQuery(TaskFilter(session_id, include_terminal=True), task_id=task_id)
        found = await self.journal.finished(query)
        ended = [past(kept) for kept in found.tasks]
        return only(task_id, [*not_yet_past(named, found.through), *ended]) or self.find(task_id, session_id)

    async def get(self, task_id: str, session_id: str | None = None) -> Entry:
        """Return the task as `look_up` does.

        :raises UnknownTask: if there is none.
        """
        entry = await self.look_up(task_id, session_id)
        if entry is None:
            raise UnknownTask(task_id, session_id)
        return entry

    async def with_key(self, session_id: str, key: str) -> Entry | None:
        """Return the task of the session that has that idempotency key, if one has."""
        entry = self._with_key(session_id, key)
        if entry is not None or self.journal is None:
            return entry
        filter = TaskFilter(session_id, include_terminal=True)
        found = await self.journal.finished(TaskQuery(filter, key=key, limit=1))
        entry = self._with_key(session_id, key)
        if entry is None and found.tasks:
            entry = past(found.tasks[0])
        return entry

    async def whole(self, entry: Entry) -> TaskRecord:
        """Return the record of a task with all that it left."""
        record, text = entry.record, entry.value
        if not is_apart(record):
            return record
        if text is None and self.journal is not None:
            text = await self.journal.value(record.seq)
        return record if text is None else await with_value(record, text)

    def live(self, session_id: str | None = None) -> list[Entry]:
        """Return the live tasks of a session, or of all."""
        return [entry for entry in self.candidates(TaskFilter(session_id)) if entry.live]

    def asking(self, session_id: str) -> list[Entry]:
        """Return the tasks of a session that ask something, without looking at the others."""
        return [entry for entry in self._asking if entry.record.session_id == session_id]

    def parked(self) -> list[Entry]:
        """Return the tasks that an earlier host has left to be run again, in the order they came."""
        return sorted((entry for entry in self.live() if entry.parked and entry.managed), key=number_of)

    def not_done(self, session_id: str) -> list[Entry]:
        """Return the tasks of a session whose end is not known to everybody yet."""
        return [entry for entry in self.candidates(TaskFilter(session_id)) if not entry.is_done]

    def check_free(self, session_id: str, task_id: str) -> None:
        """:raises TaskAlreadyExists: if a live task of that id is in the session."""
        entry = self.at(session_id, task_id)
        if entry is not None and entry.live:
            raise TaskAlreadyExists(task_id, session_id)

    def add(self, entry: Entry, event: TaskEvent) -> None:
        """Take in a new task, in place of a finished one of the same id."""
        record = entry.record
        session = self.session(record.session_id, record.created_at)
        before = session.tasks.get(record.id)
        if before is not None:
            self._drop(session, before)
        entry.number = record.seq
        self.index.add(entry)
        self._index(session, entry)
        self._families.join(entry)
        self.publish(entry, event)

    def restore(self, kept: Kept) -> Entry:
        """Take in a live task a journal has kept."""
        entry = Entry(kept.record, restart=kept.params, number=kept.number)
        record = entry.record
        entry.left_behind = kept.left
        self._moved.update({(session_id, record.id): entry for session_id in kept.left})
        session = self.sessions.get(record.session_id)
        if session is None:
            session = SessionTasks(record.session_id, record.created_at, record.updated_at)
            self.sessions[record.session_id] = session
        session.first_activity = min(session.first_activity, record.created_at)
        session.last_activity = max(session.last_activity, record.updated_at)
        self.index.add(entry)
        self._index(session, entry)
        return entry

    def join_parents(self) -> None:
        """Find the parents of restored tasks."""
        for entry in self.candidates(TaskFilter()):
            self._families.join_parent(entry)

    def publish(self, entry: Entry, event: TaskEvent, *, keep: bool = True) -> None:
        """Make `event` the latest of `entry`, in memory at once and for everybody when it is durable.

        An end retires the task, and it is forgotten at once if it is not to `keep`. Nothing changes any
        more when the host has closed, not even by a body that outlives it.
        """
        record = event.record
        if self.log.closed or record is None:
            return
        size = 0
        if record.result is not None and record.result.value is not None:
            text = text_of(record.result.value)
            size = len(text)
            if size > LARGE:
                event, entry.value, size = lightened(event, size), text, 0
                record = event.record or record
        before, entry.record = entry.record, record
        if record.question is not before.question:
            self._note_question(entry)
        self.sessions[event.session_id].last_activity = event.at
        weight = weight_of(record, size)
        self.log.append(event, weight, size)
        # without a journal an event is as durable as it will ever be
        if self.writer is None:
            if event.notify:
                self.inboxes.tell(entry.number, event)
            self.show(event, entry)
        else:
            follows = None if event.type is EventType.REGISTERED else before.seq
            retain = self._retain if keep and record.state in TERMINAL else None
            self.writer.put(Append(event, follows, entry.restart, entry.value, retain), entry)
        if record.state in TERMINAL:
            entry.weight = weight
            if entry.value is not None or entry.output is not None:
                entry.weight += len(entry.value or "") + size_of(entry.output)
            self._retire(entry, keep=keep)

    def _note_question(self, entry: Entry) -> None:
        if entry.record.question is None:
            self._asking.pop(entry, None)
        else:
            self._asking[entry] = None

    def show(self, event: TaskEvent, entry: Entry) -> None:
        """Let everybody see a durable event; what has ended is the journal's from here on."""
        self.log.release(event)
        if event.record is None or event.record.state not in TERMINAL:
            return
        entry.mark_done()
        session = self.sessions.get(event.session_id)
        if self.journal is not None and session is not None:
            self._take_out(session, entry)
            self.discard_if_unused(session)

    def move(self, entry: Entry, event: TaskEvent) -> None:
        """Publish a transfer and move the task between the sessions' tables."""
        source = self.sessions[entry.record.session_id]
        target = self.session(event.session_id, event.at)
        self._unindex(source, entry)
        before = target.tasks.get(event.task_id)
        if before is not None:
            self._drop(target, before)
        self._index(target, entry)
        self._moved[source.id, event.task_id] = entry
        if source.id not in entry.left_behind:
            entry.left_behind += (source.id,)
        source.last_activity = event.at
        self.publish(entry, event)
        self.discard_if_unused(source)
        entry.notify()

    def remove(self, entry: Entry) -> None:
        """Forget a task and what the journal has of it."""
        session = self.sessions.get(entry.record.session_id)
        if session is not None:
            self._take_out(session, entry)
            self.discard_if_unused(session)
        self._forget(entry)

    def discard_if_unused(self, session: SessionTasks) -> None:
        """Forget a session of which nothing is left."""
        unused = not session.tasks and not session.hidden and not session.closing
        if unused and self.sessions.get(session.id) is session:
            del self.sessions[session.id]
            self.inboxes.forget(session.id)

    async def prune(self, session_id: str | None, keep: int, before: float | None) -> int:
        """Forget finished tasks beyond the `keep` latest of each session that ended before `before`."""
        if self.journal is not None:
            gone = await self.journal.prune(session_id, keep, before)
            for seq in gone:
                self.log.lighten(seq)
            return len(gone)
        sessions = [self.sessions.get(session_id)] if session_id is not None else list(self.sessions.values())
        removed = 0
        for session in sessions:
            for entry in session.surplus(keep) if session is not None else ():
                if before is None or (entry.record.completed_at or 0.0) < before:
                    self.remove(entry)
                    self.log.lighten(entry.record.seq)
                    removed += 1
        return removed

    def candidates(self, filter: TaskFilter) -> Iterator[Entry]:
        """Yield the tasks in memory of the session that `filter` names, or of all."""
        if filter.session_id is None:
            for session in self.sessions.values():
                yield from session.tasks.values()
        elif filter.session_id in self.sessions:
            yield from self.sessions[filter.session_id].tasks.values()

    def _retire(self, entry: Entry, *, keep: bool) -> None:
        session = self.sessions[entry.record.session_id]
        entry.external = entry.restart = None
        self._families.leave(entry)
        if not keep:
            self._drop(session, entry)
        elif self.journal is None:
            session.finished[entry.record.id] = entry
            self._finished.add(session.id, entry.weight)
        while len(session.finished) > self._retain:
            self._drop(session, next(iter(session.finished.values())))
        while self._finished.exceeded:
            self._drop_oldest_of(self.sessions[self._finished.largest()])
        if not session.tasks:
            self.discard_if_unused(session)

    def _drop_oldest_of(self, session: SessionTasks) -> None:
        self._drop(session, next(iter(session.finished.values())))
        self.discard_if_unused(session)

    def _drop(self, session: SessionTasks, entry: Entry) -> None:
        self._take_out(session, entry)
        self._forget(entry)

    def _forget(self, entry: Entry) -> None:
        if entry.output is not None:
            self.on_forget(entry)
        if self.writer is None:
            if self.inboxes.used:
                self.inboxes.lose_told_by(entry.number)
        else:
            record = entry.record
            self.writer.put(Forget(record.session_id, record.id, record.seq))

    def _take_out(self, session: SessionTasks, entry: Entry) -> None:
        self._unindex(session, entry)
        for session_id in entry.left_behind:
            if self._moved.get((session_id, entry.record.id)) is entry:
                del self._moved[session_id, entry.record.id]
        self.index.discard(entry)
        if session.finished.get(entry.record.id) is entry:
            del session.finished[entry.record.id]
            self._finished.add(session.id, -entry.weight)
            if self.inboxes.used:
                self.inboxes.lose(session.id, entry.record.seq)

    def _named(self, task_id: str, session_id: str | None) -> list[Entry]:
        if session_id is not None:
            entry = self.at(session_id, task_id) or self._moved.get((session_id, task_id))
            return [entry] if entry is not None else []
        found = self._ids.get(task_id)
        if found is None:
            return []
        return list(found.values()) if isinstance(found, dict) else [found]

    def _with_key(self, session_id: str, key: str) -> Entry | None:
        session = self.sessions.get(session_id)
        return session.keys.get(key) if session is not None else None

    def _index(self, session: SessionTasks, entry: Entry) -> None:
        task_id, key = entry.record.id, entry.record.attempt.idempotency_key
        session.tasks[task_id] = entry
        if self._moved:
            # a new task of that id hides the one that has left the session
            self._moved.pop((session.id, task_id), None)
        if key is not None:
            session.keys.setdefault(key, entry)
        others = self._ids.get(task_id)
        if others is None:
            self._ids[task_id] = entry
        elif isinstance(others, dict):
            others[session.id] = entry
        else:
            self._ids[task_id] = {others.record.session_id: others, session.id: entry}

    def _unindex(self, session: SessionTasks, entry: Entry) -> None:
        """Let nothing lead to `entry` any more; what has taken its place stays."""
        task_id, key = entry.record.id, entry.record.attempt.idempotency_key
        if session.tasks.get(task_id) is entry:
            del session.tasks[task_id]
        if key is not None and session.keys.get(key) is entry:
            del session.keys[key]
        others = self._ids.get(task_id)
        if others is entry:
            del self._ids[task_id]
        elif isinstance(others, dict) and others.get(session.id) is entry:
            del others[session.id]
            if len(others) == 1:
                (self._ids[task_id],) = others.values()

    def live_parent(self, task_id: str, session_id: str) -> Entry | None:
        """Return the live task that a child in that session means, if there is one."""
        parent = self.at(session_id, task_id)
        if parent is None or not parent.live:
            try:
                parent = self.find(task_id)
            except AmbiguousTaskId:
                return None
        return parent if parent is not None and parent.live else None
