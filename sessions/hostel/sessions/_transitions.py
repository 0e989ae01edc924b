"""How a record changes: pure functions from a record and what happened to the next record and its event.

Every host and every journal changes records through this module alone, so that their invariants are the
same. A change is decided by one of the verbs (`moved`, `progressed`, ...), which return the event; the
record after it travels inside. `reduce` is the way back: it checks an event against the record it claims to
follow and returns the record after it, so folding a log rebuilds every record, and a log that breaks the
rules is refused instead of believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ._errors import IllegalTransition
from ._events import END_EVENTS, EventType, TaskEvent
from ._frozen import maker
from ._records import TaskAttempt, TaskRecord
from .states import MOVES, TaskState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._records import CancelPolicy, Progress, TaskFailure, TaskOutcome, TaskSpec


Stamp = tuple[float, int]
"""When a change happens (seconds since the epoch, UTC) and the number of its event."""

_EVENT_OF = {
    **END_EVENTS,
    TaskState.CANCEL_REQUESTED: EventType.CANCEL_REQUESTED,
    TaskState.PENDING: EventType.INTERRUPTED,
}
_new_record, _new_event = maker(TaskRecord), maker(TaskEvent)
_KEEP_STATE = {EventType.PROGRESS, EventType.TRANSFERRED}


def new_record(
    session_id: str,
    task_id: str,
    spec: TaskSpec,
    state: TaskState,
    policy: CancelPolicy,
    host_id: str,
    stamp: Stamp,
) -> TaskRecord:
    """Return the first record of a task; `policy` is its cancel policy unless `spec` names one."""
    at, seq = stamp
    return _new_record(  # by position, here and where it ends: keywords double the time
        task_id,
        session_id,
        spec.kind,
        spec.producer,
        spec.label,
        spec.parent_task_id,
        spec.child_session_id,
        state,
        spec.cancel_policy or policy,
        spec.close_policy,
        _first_attempt(spec),
        None,  # progress
        None,  # result
        None,  # failure
        None,  # cancel_reason
        None,  # cancel_actor
        at,
        None if state is TaskState.PENDING else at,
        at,
        None,  # completed_at
        host_id,
        seq,
    )


_ONLY_ATTEMPT = TaskAttempt()


def _first_attempt(spec: TaskSpec) -> TaskAttempt:
    if spec.max_attempts == 1 and spec.idempotency_key is None:
        return _ONLY_ATTEMPT
    return TaskAttempt(1, spec.max_attempts, spec.idempotency_key)


def interrupted(record: TaskRecord, host_id: str, stamp: Stamp, *, by_stop: bool) -> TaskEvent:
    """Let a task wait to be run again: its host stops (`by_stop`) or has died.

    :raises IllegalTransition: if it has ended, was asked to stop or waits already.
    """
    at, seq = stamp
    _check(record, TaskState.PENDING)
    attempt = record.attempt
    if by_stop:
        attempt = attrs.evolve(attempt, interruptions=attempt.interruptions + 1)
    after = attrs.evolve(
        record, state=TaskState.PENDING, attempt=attempt, host_id=host_id, updated_at=at, seq=seq
    )
    return _event(EventType.INTERRUPTED, after, previous=record.state)


def adopted(record: TaskRecord, host_id: str, stamp: Stamp) -> TaskEvent:
    """Let a pending task that somebody else runs go on, its record kept by another host.

    :raises IllegalTransition: if it is not pending.
    """
    at, seq = stamp
    _check(record, TaskState.RUNNING)
    after = attrs.evolve(record, state=TaskState.RUNNING, host_id=host_id, updated_at=at, seq=seq)
    return _event(EventType.STATE_CHANGED, after, previous=record.state)


def registered(record: TaskRecord) -> TaskEvent:
    """Announce a new record."""
    return _new_event(
        record.seq, record.created_at, EventType.REGISTERED, record.session_id, record.id, record
    )


def moved(record: TaskRecord, to: TaskState, stamp: Stamp) -> TaskEvent:
    """Move a live task to another live state.

    :raises IllegalTransition: if the table forbids it, and always back to pending.
    """
    at, seq = stamp
    if to is TaskState.PENDING:
        raise IllegalTransition(record.id, record.state, to)
    _check(record, to)
    started = at if record.started_at is None else record.started_at
    after = attrs.evolve(record, state=to, started_at=started, updated_at=at, seq=seq)
    return _event(EventType.STATE_CHANGED, after, previous=record.state)


def retried(record: TaskRecord, stamp: Stamp) -> TaskEvent:
    """Let a task wait for its next attempt.

    :raises IllegalTransition: if it has ended or was asked to stop.
    """
    return _next_attempt(record, TaskState.WAITING, record.host_id, stamp)


def resumed(record: TaskRecord, host_id: str, stamp: Stamp) -> TaskEvent:
    """Start a task again in a new host, as its next attempt.

    :raises IllegalTransition: if it has ended or was asked to stop.
    """
    return _next_attempt(record, TaskState.RUNNING, host_id, stamp)


def _next_attempt(record: TaskRecord, state: TaskState, host_id: str, stamp: Stamp) -> TaskEvent:
    at, seq = stamp
    # a body that fails while it is waiting goes on waiting, for its next attempt
    if record.state is not state:
        _check(record, state)
    after = attrs.evolve(
        record,
        state=state,
        attempt=attrs.evolve(record.attempt, attempt=record.attempt.attempt + 1),
        host_id=host_id,
        started_at=at if record.started_at is None else record.started_at,
        updated_at=at,
        seq=seq,
    )
    return _event(EventType.STATE_CHANGED, after, previous=record.state)


def progressed(record: TaskRecord, progress: Progress, stamp: Stamp) -> TaskEvent:
    """Keep the latest progress of a live task.

    :raises IllegalTransition: if it has ended.
    """
    at, seq = stamp
    _check_live(record)
    return _event(EventType.PROGRESS, attrs.evolve(record, progress=progress, updated_at=at, seq=seq))


def cancel_requested(record: TaskRecord, reason: str | None, actor: str | None, stamp: Stamp) -> TaskEvent:
    """Note that somebody asked a live task to stop.

    :raises IllegalTransition: if it has ended or was asked already.
    """
    at, seq = stamp
    _check(record, TaskState.CANCEL_REQUESTED)
    after = attrs.evolve(
        record,
        state=TaskState.CANCEL_REQUESTED,
        cancel_reason=reason,
        cancel_actor=actor,
        updated_at=at,
        seq=seq,
    )
    return _event(EventType.CANCEL_REQUESTED, after, previous=record.state, reason=reason)


def ended(
    record: TaskRecord,
    state: TaskState,
    stamp: Stamp,
    *,
    result: TaskOutcome | None = None,
    failure: TaskFailure | None = None,
) -> TaskEvent:
    """End a live task in a terminal state.

    :raises IllegalTransition: if `state` is not terminal or the task has ended already.
    """
    at, seq = stamp
    if state not in END_EVENTS:
        raise IllegalTransition(record.id, record.state, state)
    _check(record, state)
    after = _new_record(
        record.id,
        record.session_id,
        record.kind,
        record.producer,
        record.label,
        record.parent_task_id,
        record.child_session_id,
        state,
        record.cancel_policy,
        record.close_policy,
        record.attempt,
        record.progress,
        result,
        failure,
        record.cancel_reason,
        record.cancel_actor,
        record.created_at,
        record.started_at,
        at,
        at,
        record.host_id,
        seq,
    )
    return _new_event(seq, at, END_EVENTS[state], record.session_id, record.id, after)


def transferred(record: TaskRecord, session_id: str, stamp: Stamp) -> TaskEvent:
    """Move a live task to another session.

    :raises IllegalTransition: if it has ended.
    """
    at, seq = stamp
    _check_live(record)
    after = attrs.evolve(record, session_id=session_id, updated_at=at, seq=seq)
    return _event(EventType.TRANSFERRED, after, from_session_id=record.session_id)


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
    if type is not _EVENT_OF.get(after.state, EventType.STATE_CHANGED):
        return False
    if after.state is record.state:
        return after.attempt.attempt > record.attempt.attempt
    return after.state in MOVES[record.state]


def _check(record: TaskRecord, to: TaskState) -> None:
    if to not in MOVES[record.state]:
        raise IllegalTransition(record.id, record.state, to)


def _check_live(record: TaskRecord) -> None:
    if record.state.is_terminal:
        raise IllegalTransition(record.id, record.state, record.state)


def _check_over(record: TaskRecord, next: TaskRecord) -> None:
    if record.state.is_live:
        raise IllegalTransition(record.id, record.state, next.state)


def _event(
    type: EventType,
    after: TaskRecord,
    *,
    previous: TaskState | None = None,
    reason: str | None = None,
    from_session_id: str | None = None,
) -> TaskEvent:
    return _new_event(
        after.seq,
        after.updated_at,
        type,
        after.session_id,
        after.id,
        after,
        previous,
        reason,
        from_session_id,
    )
