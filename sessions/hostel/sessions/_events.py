"""What happens to tasks, as values in one ordered stream."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import attrs

from .states import TaskState

if TYPE_CHECKING:
    from ._records import JsonValue, TaskFilter, TaskRecord


class EventType(StrEnum):
    """What an event tells."""

    REGISTERED = "registered"
    STATE_CHANGED = "state_changed"
    PROGRESS = "progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCEL_REQUESTED = "cancel_requested"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"
    TRANSFERRED = "transferred"
    INTERRUPTED = "interrupted"
    ANSWERED = "answered"
    MISSED = "missed"


END_EVENTS = {
    TaskState.COMPLETED: EventType.COMPLETED,
    TaskState.FAILED: EventType.FAILED,
    TaskState.CANCELLED: EventType.CANCELLED,
    TaskState.ABANDONED: EventType.ABANDONED,
}
"""The event that announces each terminal state."""


@attrs.frozen(weakref_slot=False)
class TaskEvent:
    """One thing that happened, with the task's record after it.

    `seq` strictly increases within a host; `at` is in seconds since the epoch, UTC. `previous`
    (state_changed, interrupted) is the state before, `reason` (cancel_requested) is why, `from_session_id`
    (transferred) is where the task was. `actor` (answered) is who did, `value` what the answer was if the
    host does not run the task; `notify` (progress) says that the session is to be told. A `missed` event has
    no task: of what happened before `next_seq`, `count` events are no longer retained that may have concerned
    the subscriber."""

    seq: int
    at: float
    type: EventType
    session_id: str
    task_id: str
    record: TaskRecord | None
    previous: TaskState | None = None
    reason: str | None = None
    from_session_id: str | None = None
    count: int | None = None
    next_seq: int | None = None
    actor: str | None = None
    value: JsonValue = None
    notify: bool = False

    def matches(self, filter: TaskFilter) -> bool:
        """Tell whether the event concerns `filter`; a transfer concerns both its sessions, `missed`
        everybody.
        """
        return self.record is None or filter.matches(self.record, self.from_session_id)


def missed(after: int, next_seq: int, at: float, count: int | None = None) -> TaskEvent:
    """Return the event that tells a subscriber at `after` that it goes on at `next_seq`."""
    lost = next_seq - after - 1 if count is None else count
    return TaskEvent(next_seq - 1, at, EventType.MISSED, "", "", None, count=lost, next_seq=next_seq)
