"""All tasks of a host, by session and by id, and the one place where a change of them becomes an event.

`publish` is the whole of it: it sets the record, appends the event to the log, hands it to the journal and,
when the task has ended, retires it. What others see (subscribers, whoever waits for the end) follows when
the event is durable: at once without a journal. Finished tasks stay listed until their session has more
than `retain_terminal` of them, or until they are pruned."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import attrs

from ._errors import AmbiguousTaskId, TaskAlreadyExists, UnknownTask
from ._events import EventType
from ._journal import Append, Forget, JournalFeed
from ._records import SessionSummary, TaskFilter, TaskPage, TaskRecord
from ._roster import FEW, Roster, page_of
from ._states import TERMINAL, TaskState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ._entry import Entry
    from ._events import TaskEvent
    from ._hidden import HiddenTasks
    from ._log import EventLog


@attrs.define(eq=False)
class SessionTasks:
    """What a host keeps of one session."""

    id: str
    first_activity: float
    last_activity: float
    tasks: dict[str, Entry] = attrs.Factory(dict)
    finished: OrderedDict[str, Entry] = attrs.Factory(OrderedDict)
    """Those of `tasks` that have ended, in the order they did; a plain dict is slow to find its first item
    when many before it are gone.
    """
    keys: dict[str, Entry] = attrs.Factory(dict)
    """Tasks by idempotency key."""
    hidden: HiddenTasks | None = None
    closing: bool = False

    def summary(self) -> SessionSummary:
        """Return the session at a glance."""
        counts: dict[TaskState, int] = {}
        for entry in self.tasks.values():
            counts[entry.record.state] = counts.get(entry.record.state, 0) + 1
        hidden = len(self.hidden) if self.hidden else 0
        return SessionSummary(self.id, counts, hidden, self.first_activity, self.last_activity)


class TaskTable:
    """The tasks of one host."""

    def __init__(self, log: EventLog, retain_terminal: int) -> None:
        self.log = log
        self.feed: JournalFeed | None = None
        self.sessions: dict[str, SessionTasks] = {}
        self.roster = Roster()
        self._retain = retain_terminal
        self._ids: dict[str, Entry | dict[str, Entry]] = {}
        """Tasks by id: the one that has it, or those that have by session."""
        self._moved: dict[tuple[str, str], Entry] = {}
        """Tasks by a session they have left."""
        self._orphans: dict[str, set[Entry]] = {}
        """Live tasks whose parent is not there, by its id: a child may come before its parent."""

    def session(self, session_id: str, at: float) -> SessionTasks:
        """Return the session, made now if it is new."""
        found = self.sessions.get(session_id)
        if found is None:
            found = self.sessions[session_id] = SessionTasks(session_id, at, at)
        return found

    def find(self, task_id: str, session_id: str | None = None) -> Entry | None:
        """Return the task of that id: the one in that session, or that has left it; without a session the one
        live match, else the one match.

        :raises AmbiguousTaskId: if several sessions have one.
        """
        if session_id is not None:
            return self.at(session_id, task_id) or self._moved.get((session_id, task_id))
        found = self._ids.get(task_id)
        if not isinstance(found, dict):
            return found
        live = [entry for entry in found.values() if entry.live]
        if len(live) == 1:
            return live[0]
        raise AmbiguousTaskId(task_id, sorted(entry.record.session_id for entry in live or found.values()))

    def at(self, session_id: str, task_id: str) -> Entry | None:
        """Return the task of that id that is in the session now."""
        session = self.sessions.get(session_id)
        return session.tasks.get(task_id) if session is not None else None

    def get(self, task_id: str, session_id: str | None = None) -> Entry:
        """Return the task as `find` does.

        :raises UnknownTask: if there is none.
        """
        entry = self.find(task_id, session_id)
        if entry is None:
            raise UnknownTask(task_id, session_id)
        return entry

    def select(self, filter: TaskFilter) -> list[TaskRecord]:
        """Return the records that match, by creation time."""
        records = [entry.record for entry in self._candidates(filter) if filter.lists(entry.record)]
        return sorted(records, key=_age)

    def page(self, filter: TaskFilter, limit: int, after: int) -> TaskPage:
        """Return the first `limit` records that match of the tasks that came after number `after`."""
        session = self.sessions.get(filter.session_id) if filter.session_id is not None else None
        if filter.session_id is not None and session is None:
            return TaskPage([], None)
        if session is None or len(session.tasks) > FEW:
            return page_of(self.roster.after(after), filter, limit)
        entries = [entry for entry in session.tasks.values() if entry.number > after]
        return page_of(sorted(entries, key=_number), filter, limit)

    def live(self, session_id: str | None = None) -> list[Entry]:
        """Return the live tasks of a session, or of all."""
        return [entry for entry in self._candidates(TaskFilter(session_id)) if entry.live]

    def parked(self) -> list[Entry]:
        """Return the tasks that an earlier host has left to be run again, in the order they came."""
        return sorted((entry for entry in self.live() if entry.parked and entry.managed), key=_number)

    def unsettled(self, session_id: str) -> list[Entry]:
        """Return the tasks of a session whose end is not known to everybody yet."""
        return [entry for entry in self._candidates(TaskFilter(session_id)) if not entry.settled]

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
        self.roster.add(entry)
        self._index(session, entry)
        if record.parent_task_id is not None:
            self._join_parent(entry)
        if self._orphans:
            self._join_children(entry)
        self.publish(entry, event)

    def restore(self, entry: Entry) -> None:
        """Take in a task a journal has kept."""
        record = entry.record
        session = self.sessions.get(record.session_id)
        if session is None:
            session = SessionTasks(record.session_id, record.created_at, record.updated_at)
            self.sessions[record.session_id] = session
        session.first_activity = min(session.first_activity, record.created_at)
        session.last_activity = max(session.last_activity, record.updated_at)
        self.roster.add(entry)
        self._index(session, entry)
        if not entry.live:
            entry.settled = True
            session.finished[record.id] = entry

    def join_parents(self) -> None:
        """Find the parents of restored tasks."""
        for entry in self._candidates(TaskFilter()):
            self._join_parent(entry)

    def publish(self, entry: Entry, event: TaskEvent, *, keep: bool = True) -> None:
        """Make `event` the latest of `entry`, in memory at once and for everybody when it is durable.

        An end retires the task, and it is forgotten at once if it is not to `keep`. Nothing changes any
        more when the host has closed, not even by a body that outlives it.
        """
        record = event.record
        if self.log.closed or record is None:
            return
        before, entry.record = entry.record, record
        self.sessions[event.session_id].last_activity = event.at
        self.log.append(event)
        if self.feed is None:
            self.show(event, entry)
        else:
            follows = None if event.type is EventType.REGISTERED else before.seq
            self.feed.put(Append(event, follows, entry.restart), entry)
        if record.state in TERMINAL:
            self._retire(entry, keep=keep)

    def show(self, event: TaskEvent, entry: Entry) -> None:
        """Let everybody see a durable event."""
        self.log.release(event)
        if event.record is not None and event.record.state in TERMINAL:
            entry.settle()

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
        entry.stir()

    def remove(self, entry: Entry) -> None:
        """Forget a task and what the journal has of it."""
        session = self.sessions[entry.record.session_id]
        self._drop(session, entry)
        self.discard_if_unused(session)

    def discard_if_unused(self, session: SessionTasks) -> None:
        """Forget a session of which nothing is left."""
        unused = not session.tasks and not session.hidden and not session.closing
        if unused and self.sessions.get(session.id) is session:
            del self.sessions[session.id]

    def prune(self, session_id: str | None, keep: int, before: float | None) -> int:
        """Forget finished tasks beyond the `keep` latest of each session that ended before `before`."""
        sessions = [self.sessions.get(session_id)] if session_id is not None else list(self.sessions.values())
        removed = 0
        for session in sessions:
            for entry in _surplus(session, keep) if session is not None else ():
                if before is None or (entry.record.completed_at or 0.0) < before:
                    self.remove(entry)
                    removed += 1
        return removed

    def _candidates(self, filter: TaskFilter) -> Iterator[Entry]:
        if filter.session_id is None:
            for session in self.sessions.values():
                yield from session.tasks.values()
        elif filter.session_id in self.sessions:
            yield from self.sessions[filter.session_id].tasks.values()

    def _retire(self, entry: Entry, *, keep: bool) -> None:
        session = self.sessions[entry.record.session_id]
        entry.hook = entry.restart = None
        if entry.parent is not None or entry.children:
            _leave_family(entry)
        if self._orphans:
            self._leave_orphans(entry)
        if keep:
            session.finished[entry.record.id] = entry
        else:
            self._drop(session, entry)
        while len(session.finished) > self._retain:
            self._drop(session, next(iter(session.finished.values())))
        if not session.tasks:
            self.discard_if_unused(session)

    def _drop(self, session: SessionTasks, entry: Entry) -> None:
        self._unindex(session, entry)
        for session_id in entry.left_behind:
            if self._moved.get((session_id, entry.record.id)) is entry:
                del self._moved[session_id, entry.record.id]
        self.roster.discard(entry)
        session.finished.pop(entry.record.id, None)
        if self.feed is not None:
            self.feed.put(Forget(session.id, entry.record.id, entry.record.seq))

    def _index(self, session: SessionTasks, entry: Entry) -> None:
        task_id, key = entry.record.id, entry.record.attempt.idempotency_key
        session.tasks[task_id] = entry
        if self._moved:
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
        task_id, key = entry.record.id, entry.record.attempt.idempotency_key
        session.tasks.pop(task_id, None)
        if key is not None and session.keys.get(key) is entry:
            del session.keys[key]
        others = self._ids[task_id]
        if not isinstance(others, dict):
            del self._ids[task_id]
            return
        del others[session.id]
        if len(others) == 1:
            (self._ids[task_id],) = others.values()

    def _join_parent(self, entry: Entry) -> None:
        parent_id, session_id = entry.record.parent_task_id, entry.record.session_id
        if parent_id is None or not entry.live:
            return
        parent = self.at(session_id, parent_id) or self._only_live(parent_id)
        if parent is not None and parent.live and entry not in _line_of(parent):
            _adopt(parent, entry)
        else:
            self._orphans.setdefault(parent_id, set()).add(entry)

    def _join_children(self, parent: Entry) -> None:
        for child in list(self._orphans.get(parent.record.id, ())):
            self._leave_orphans(child)
            self._join_parent(child)

    def _leave_orphans(self, entry: Entry) -> None:
        parent_id = entry.record.parent_task_id
        orphans = self._orphans.get(parent_id) if parent_id is not None else None
        if parent_id is not None and orphans is not None:
            orphans.discard(entry)
            if not orphans:
                del self._orphans[parent_id]

    def _only_live(self, task_id: str) -> Entry | None:
        try:
            return self.find(task_id)
        except AmbiguousTaskId:
            return None


def _line_of(entry: Entry) -> Iterator[Entry]:
    """Return a task and those it descends from."""
    above: Entry | None = entry
    while above is not None:
        yield above
        above = above.parent


def _adopt(parent: Entry, child: Entry) -> None:
    child.parent = parent
    parent.children = parent.children or set()
    parent.children.add(child)


def _leave_family(entry: Entry) -> None:
    """Take a task that has ended out of its family; its children become those of its parent, so that a
    request to stop still reaches them from further up.
    """
    parent, children = entry.parent, entry.children
    entry.parent = entry.children = None
    if parent is not None and parent.children is not None:
        parent.children.discard(entry)
    for child in children or ():
        child.parent = None
        if parent is not None:
            _adopt(parent, child)


def _number(entry: Entry) -> int:
    return entry.number


def _age(record: TaskRecord) -> tuple[float, str]:
    return record.created_at, record.id


def _surplus(session: SessionTasks, keep: int) -> Iterable[Entry]:
    finished = list(session.finished.values())
    return finished[: max(0, len(finished) - keep)]
