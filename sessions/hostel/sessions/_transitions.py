"""How a record changes: pure functions from a record and what happened to the next record and its event.

Every host and every journal changes records through this module alone, so that their invariants are the
same. A change is decided by one of the verbs (`moved`, `progressed`, ...), which return the event; the
record after it travels inside. The way back, from a log to its records, is `_folding`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Concatenate, ParamSpec

import attrs

from ._errors import IllegalTransition
from ._events import END_EVENTS, EventType, TaskEvent
from ._frozen import maker
from ._records import TaskAttempt, TaskRecord
from .states import MOVES, TaskState

if TYPE_CHECKING:
    from ._records import CancelPolicy, JsonValue, Progress, Question, TaskFailure, TaskOutcome, TaskSpec


Stamp = tuple[float, int]
"""When a change happens (seconds since the epoch, UTC) and the number of its event."""

P = ParamSpec("P")
Change = Callable[Concatenate[TaskRecord, Stamp, P], TaskEvent]
"""A verb of this module: what happens to a record at a time, with what the verb takes besides."""

_new_record, _new_event = maker(TaskRecord), maker(TaskEvent)


def new_record(
    session_id: str,
    task_id: str,
    spec: TaskSpec,
    state: TaskState,
    policy: CancelPolicy,
    host_id: str,
    stamp: Stamp,
    heartbeat_ttl: float | None = None,
) -> TaskRecord:
    """Return the first record of a task; `policy` is its cancel policy unless `spec` names one, and
    `heartbeat_ttl` is what its owner promised.
    """
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
        None,  # question
        0,  # output_bytes
        spec.priority,
        spec.not_before,
        None,  # cancel_reason
        None,  # cancel_actor
        at,
        None if state is TaskState.PENDING else at,
        at,
        None,  # completed_at
        host_id,
        seq,
        None,  # cancel_requested_at
        heartbeat_ttl,
        None if heartbeat_ttl is None else at,
    )


_ONLY_ATTEMPT = TaskAttempt()


def _first_attempt(spec: TaskSpec) -> TaskAttempt:
    if spec.max_attempts == 1 and spec.idempotency_key is None:
        return _ONLY_ATTEMPT
    return TaskAttempt(1, spec.max_attempts, spec.idempotency_key)


def interrupted(record: TaskRecord, stamp: Stamp, host_id: str, *, by_stop: bool) -> TaskEvent:
    """Let a task wait to be run again: its host stops (`by_stop`) or has died.

    :raises IllegalTransition: if it has ended, was asked to stop or waits already.
    """
    at, seq = stamp
    _check(record, TaskState.PENDING)
    attempt = record.attempt
    if by_stop:
        attempt = attrs.evolve(attempt, interruptions=attempt.interruptions + 1)
    after = attrs.evolve(
        record,
        state=TaskState.PENDING,
        attempt=attempt,
        question=None,
        host_id=host_id,
        updated_at=at,
        seq=seq,
    )
    return _event(EventType.INTERRUPTED, after, previous=record.state)


def adopted(record: TaskRecord, stamp: Stamp, host_id: str) -> TaskEvent:
    """Let a pending task that somebody else runs go on, its record kept by another host.

    :raises IllegalTransition: if it is not pending.
    """
    at, seq = stamp
    _check(record, TaskState.RUNNING)
    after = attrs.evolve(
        record,
        state=TaskState.RUNNING,
        host_id=host_id,
        updated_at=at,
        seq=seq,
        heartbeat_ttl=None,  # that was promised to the host before
        heartbeat_at=None,
    )
    return _event(EventType.STATE_CHANGED, after, previous=record.state)


def registered(record: TaskRecord) -> TaskEvent:
    """Announce a new record."""
    return _new_event(
        record.seq, record.created_at, EventType.REGISTERED, record.session_id, record.id, record
    )


def moved(record: TaskRecord, stamp: Stamp, to: TaskState) -> TaskEvent:
    """Move a live task to another live state.

    :raises IllegalTransition: if the table forbids it, and always back to pending.
    """
    at, seq = stamp
    if to is TaskState.PENDING:
        raise IllegalTransition(record.id, record.state, to)
    _check(record, to)
    started = at if record.started_at is None else record.started_at
    after = attrs.evolve(record, state=to, started_at=started, question=None, updated_at=at, seq=seq)
    return _event(EventType.STATE_CHANGED, after, previous=record.state)


def begun(record: TaskRecord, stamp: Stamp, host_id: str) -> TaskEvent:
    """Let a pending task run for the first time, its turn having come.

    :raises IllegalTransition: if it is not pending.
    """
    at, seq = stamp
    _check(record, TaskState.RUNNING)
    after = attrs.evolve(
        record, state=TaskState.RUNNING, host_id=host_id, started_at=at, updated_at=at, seq=seq
    )
    return _event(EventType.STATE_CHANGED, after, previous=record.state)


def asked(record: TaskRecord, stamp: Stamp, question: Question) -> TaskEvent:
    """Let a task wait for the answer to a question.

    :raises IllegalTransition: if it has ended or was asked to stop.
    """
    at, seq = stamp
    if record.state is not TaskState.WAITING:
        _check(record, TaskState.WAITING)
    started = at if record.started_at is None else record.started_at
    after = attrs.evolve(
        record, state=TaskState.WAITING, question=question, started_at=started, updated_at=at, seq=seq
    )
    return _event(EventType.STATE_CHANGED, after, previous=record.state)


def answered(
    record: TaskRecord, stamp: Stamp, to: TaskState, actor: str | None, *, value: JsonValue = None
) -> TaskEvent:
    """Let a task whose question is answered go on in state `to`, running or still waiting. `value` is for
    the owner of a task that the host does not run.

    :raises IllegalTransition: if it asks nothing.
    """
    after = _asking_no_more(record, stamp, to)
    return _new_event(
        after.seq,
        after.updated_at,
        EventType.ANSWERED,
        after.session_id,
        after.id,
        after,
        record.state,
        None,  # reason
        None,  # from_session_id
        None,  # count
        None,  # next_seq
        actor,
        value,
    )


def withdrawn(record: TaskRecord, stamp: Stamp, to: TaskState) -> TaskEvent:
    """Let a task go on whose question nobody has answered.

    :raises IllegalTransition: if it asks nothing.
    """
    return _event(EventType.STATE_CHANGED, _asking_no_more(record, stamp, to), previous=record.state)


def _asking_no_more(record: TaskRecord, stamp: Stamp, to: TaskState) -> TaskRecord:
    at, seq = stamp
    if record.question is None or to not in (TaskState.RUNNING, TaskState.WAITING):
        raise IllegalTransition(record.id, record.state, to)
    return attrs.evolve(record, state=to, question=None, updated_at=at, seq=seq)


def retried(record: TaskRecord, stamp: Stamp) -> TaskEvent:
    """Let a task wait for its next attempt.

    :raises IllegalTransition: if it has ended or was asked to stop.
    """
    return _next_attempt(record, stamp, TaskState.WAITING, record.host_id)


def resumed(record: TaskRecord, stamp: Stamp, host_id: str) -> TaskEvent:
    """Start a task again in a new host, as its next attempt.

    :raises IllegalTransition: if it has ended or was asked to stop.
    """
    return _next_attempt(record, stamp, TaskState.RUNNING, host_id)


def _next_attempt(record: TaskRecord, stamp: Stamp, state: TaskState, host_id: str) -> TaskEvent:
    at, seq = stamp
    # a body that fails while it is waiting goes on waiting, for its next attempt
    if record.state is not state:
        _check(record, state)
    after = attrs.evolve(
        record,
        state=state,
        attempt=attrs.evolve(record.attempt, attempt=record.attempt.attempt + 1),
        question=None,
        host_id=host_id,
        started_at=at if record.started_at is None else record.started_at,
        updated_at=at,
        seq=seq,
    )
    return _event(EventType.STATE_CHANGED, after, previous=record.state)


def progressed(record: TaskRecord, stamp: Stamp, progress: Progress, *, notify: bool = False) -> TaskEvent:
    """Keep the latest progress of a live task; `notify` says that its session is to be told.

    :raises IllegalTransition: if it has ended.
    """
    at, seq = stamp
    _check_live(record)
    event = _event(EventType.PROGRESS, attrs.evolve(record, progress=progress, updated_at=at, seq=seq))
    return attrs.evolve(event, notify=True) if notify else event


def continued(record: TaskRecord, stamp: Stamp) -> TaskEvent:
    """Count the run of a live task as the continuation of the one before, which its host's death cut short.

    :raises IllegalTransition: if it has ended.
    """
    at, seq = stamp
    _check_live(record)
    attempt = attrs.evolve(record.attempt, interruptions=record.attempt.interruptions + 1)
    return _event(EventType.PROGRESS, attrs.evolve(record, attempt=attempt, updated_at=at, seq=seq))


def cancel_requested(record: TaskRecord, stamp: Stamp, reason: str | None, actor: str | None) -> TaskEvent:
    """Note that somebody asked a live task to stop.

    :raises IllegalTransition: if it has ended or was asked already.
    """
    at, seq = stamp
    _check(record, TaskState.CANCEL_REQUESTED)
    after = attrs.evolve(
        record,
        state=TaskState.CANCEL_REQUESTED,
        question=None,
        cancel_reason=reason,
        cancel_actor=actor,
        cancel_requested_at=at,
        updated_at=at,
        seq=seq,
    )
    return _event(EventType.CANCEL_REQUESTED, after, previous=record.state, reason=reason)


def ended(
    record: TaskRecord,
    stamp: Stamp,
    state: TaskState,
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
        None,  # question
        record.output_bytes,
        record.priority,
        record.not_before,
        record.cancel_reason,
        record.cancel_actor,
        record.created_at,
        record.started_at,
        at,
        at,
        record.host_id,
        seq,
        record.cancel_requested_at,
        record.heartbeat_ttl,
        record.heartbeat_at,
    )
    return _new_event(seq, at, END_EVENTS[state], record.session_id, record.id, after)


def transferred(record: TaskRecord, stamp: Stamp, session_id: str) -> TaskEvent:
    """Move a live task to another session.

    :raises IllegalTransition: if it has ended.
    """
    at, seq = stamp
    _check_live(record)
    after = attrs.evolve(record, session_id=session_id, updated_at=at, seq=seq)
    return _event(EventType.TRANSFERRED, after, from_session_id=record.session_id)


def _check(record: TaskRecord, to: TaskState) -> None:
    if to not in MOVES[record.state]:
        raise IllegalTransition(record.id, record.state, to)


def _check_live(record: TaskRecord) -> None:
    if record.state.is_terminal:
        raise IllegalTransition(record.id, record.state, record.state)


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
