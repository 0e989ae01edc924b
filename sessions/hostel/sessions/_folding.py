"""The way back from a log of events to the records it leaves.

`reduce` checks an event against the record it claims to follow and returns the record after it. So folding a
log rebuilds every record, and a log that breaks the rules is refused instead of believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ._errors import IllegalTransition
from ._events import END_EVENTS, EventType, TaskEvent
from .states import MOVES, TaskState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._records import TaskRecord

_EVENT_OF = {
    **END_EVENTS,
    TaskState.CANCEL_REQUESTED: EventType.CANCEL_REQUESTED,
    TaskState.PENDING: EventType.INTERRUPTED,
}
_KEEP_STATE = {EventType.PROGRESS, EventType.TRANSFERRED}
_GOING_ON = (TaskState.RUNNING, TaskState.WAITING)


def reduce(record: TaskRecord | None, event: TaskEvent) -> TaskRecord | None:
    """Return the record after `event`, which must be the next one of its task; `record` is None before
    registration.

    :raises IllegalTransition: if the event cannot follow the record.
    """
    after = event.record
    if after is None:
        return record
    if after.seq != event.seq or not _follows(record, event.type, after):
        raise IllegalTransition(event.task_id, record.state if record else after.state, after.state)
    return after


def as_indexed(event: TaskEvent, seq: int, state: TaskState, session_id: str) -> TaskEvent:
    """Return `event`, the last readable one of a task, brought up to what a damaged journal's index says of
    it.
    """
    if event.seq == seq or event.record is None:
        return event
    ended_at = event.at if state.is_terminal else None
    after = attrs.evolve(event.record, state=state, session_id=session_id, seq=seq, completed_at=ended_at)
    type = END_EVENTS.get(state, EventType.STATE_CHANGED)
    return TaskEvent(seq, event.at, type, session_id, after.id, after)


def fold(events: Iterable[TaskEvent]) -> dict[tuple[str, str], TaskRecord]:
    """Return the records that a whole log leaves, by (session id, task id).

    :raises IllegalTransition: if an event cannot follow those before it.
    """
    records: dict[tuple[str, str], TaskRecord] = {}
    for event in events:
        before = records.pop((event.from_session_id or event.session_id, event.task_id), None)
        after = reduce(before, event)
        if after is not None:
            replaced = records.get((after.session_id, after.id))
            if replaced is not None:
                _check_over(replaced, after)
            records[after.session_id, after.id] = after
    return records


def _follows(record: TaskRecord | None, type: EventType, after: TaskRecord) -> bool:
    if type is EventType.REGISTERED:
        return after.state.is_live and (record is None or record.state.is_terminal)
    if record is None or record.state.is_terminal or after.seq <= record.seq:
        return False
    if type in _KEEP_STATE:
        return after.state is record.state
    if type is EventType.ANSWERED:
        return record.question is not None and after.question is None and after.state in _GOING_ON
    if type is not _EVENT_OF.get(after.state, EventType.STATE_CHANGED):
        return False
    if after.state is record.state:
        return after.attempt.attempt > record.attempt.attempt or after.question != record.question
    return after.state in MOVES[record.state]


def _check_over(record: TaskRecord, next: TaskRecord) -> None:
    if record.state.is_live:
        raise IllegalTransition(record.id, record.state, next.state)
