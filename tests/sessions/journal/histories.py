"""Histories of tasks, made by the transitions alone, and what a journal has kept of them."""

from pathlib import Path

import attrs

from hostel.sessions import (
    CancelPolicy,
    ClosePolicy,
    JsonValue,
    Priority,
    Progress,
    TaskAttempt,
    TaskEvent,
    TaskFilter,
    TaskRecord,
    TaskState,
)
from hostel.sessions import _transitions as changes
from hostel.sessions._journal.protocol import Append, Forget
from hostel.sessions.journal import JournalReader

EVERY_STATE = TaskFilter(include_terminal=True)


@attrs.define
class History:
    """What one host would tell its journal; `events` are all it ever told."""

    seq: int = 0
    records: dict[tuple[str, str], TaskRecord] = attrs.Factory(dict)
    events: list[TaskEvent] = attrs.Factory(list)

    def stamp(self) -> changes.Stamp:
        return 1_800_000_000.0 + self.seq, self.seq + 1

    def register(self, session_id: str, task_id: str, params: JsonValue = None) -> Append:
        at, seq = self.stamp()
        state, attempt = TaskState.PENDING, TaskAttempt()
        policies = CancelPolicy.COOPERATIVE, ClosePolicy.KEEP
        nothing = None, None, None
        record = TaskRecord(
            task_id, session_id, "other", "", "", None, None, state, *policies, attempt, *nothing,
            None, 0, Priority.NORMAL, None, None, None,
            at, None, at, None, "host", seq,
        )  # fmt: skip
        return self._append(changes.registered(record), None, params)

    def move(self, session_id: str, task_id: str, state: TaskState) -> Append:
        record = self.records[session_id, task_id]
        if state is TaskState.CANCEL_REQUESTED:
            event = changes.cancel_requested(record, self.stamp(), "because", None)
        elif state.is_terminal:
            event = changes.ended(record, self.stamp(), state)
        elif state is TaskState.PENDING:
            event = changes.interrupted(record, self.stamp(), "next", by_stop=True)
        else:
            event = changes.moved(record, self.stamp(), state)
        return self._append(event, record.seq)

    def progress(self, session_id: str, task_id: str, done: float = 1.0) -> Append:
        record = self.records[session_id, task_id]
        return self._append(changes.progressed(record, self.stamp(), Progress(done=done)), record.seq)

    def transfer(self, session_id: str, task_id: str, to: str) -> Append:
        record = self.records.pop((session_id, task_id))
        return self._append(changes.transferred(record, self.stamp(), to), record.seq)

    def forget(self, session_id: str, task_id: str) -> Forget:
        record = self.records.pop((session_id, task_id))
        return Forget(session_id, task_id, record.seq)

    def _append(self, event: TaskEvent, expected: int | None, params: JsonValue = None) -> Append:
        assert event.record is not None
        self.seq = event.seq
        self.records[event.session_id, event.task_id] = event.record
        self.events.append(event)
        return Append(event, expected, params)


def kept_records(path: Path) -> list[TaskRecord]:
    with JournalReader(path) as reader:
        return reader.records(EVERY_STATE)


def kept_events(path: Path, after: int = 0) -> list[TaskEvent]:
    with JournalReader(path) as reader:
        return list(reader.events(after))
