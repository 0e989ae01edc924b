"""The JSON form of records and events: snake_case, enums as their values, times in seconds since the epoch.

Written out by hand, field by field, since this form is part of the contract and a journal makes thousands a
second. A reader ignores fields it does not know."""

from __future__ import annotations

import dataclasses
import json
from datetime import date, time
from decimal import Decimal
from enum import Enum
from operator import itemgetter
from pathlib import PurePath
from typing import Any, cast
from uuid import UUID

import attrs

from ._events import EventType, TaskEvent
from ._records import (
    CancelPolicy,
    ClosePolicy,
    FailureKind,
    JsonValue,
    Priority,
    Progress,
    Question,
    SessionSummary,
    TaskAttempt,
    TaskFailure,
    TaskOutcome,
    TaskRecord,
)
from .states import TaskState

Json = dict[str, JsonValue]


def as_json(value: object) -> JsonValue:
    """Return `value` as JSON would give it back, a copy that nobody else can change.

    Classes of attrs, dataclasses and pydantic become objects of their fields; sets lists; enums their values;
    dates, paths, UUIDs and decimals text.

    :raises TypeError, ValueError, RecursionError: if JSON cannot say it.
    """
    if value is None or type(value) in (str, bool):
        return cast("JsonValue", value)
    return cast("JsonValue", json.loads(json.dumps(value, allow_nan=False, default=_plain)))


def _plain(value: object) -> object:
    kind = type(value)
    if attrs.has(kind):
        return {field.name: getattr(value, field.name) for field in attrs.fields(kind)}
    if dataclasses.is_dataclass(kind):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(kind)}
    if dump := getattr(kind, "model_dump", None):
        return dump(value, mode="json")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (PurePath, UUID, Decimal)):
        return str(value)
    raise TypeError(f"a {kind.__name__} is not JSON")


_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=str).encode


def to_text(value: JsonValue) -> str:
    """Return `value` as compact JSON; what JSON cannot say becomes a string."""
    return _encode(value)


def event_to_text(event: TaskEvent) -> str:
    """Return the JSON form of an event as compact text."""
    return _encode(event_to_json(event))


def record_to_json(record: TaskRecord) -> Json:
    """Return the JSON form of a record."""
    attempt, progress, result, failure = record.attempt, record.progress, record.result, record.failure
    question = record.question
    return {
        "id": record.id,
        "session_id": record.session_id,
        "kind": record.kind,
        "producer": record.producer,
        "label": record.label,
        "parent_task_id": record.parent_task_id,
        "child_session_id": record.child_session_id,
        "state": record.state.value,
        "cancel_policy": record.cancel_policy.value,
        "close_policy": record.close_policy.value,
        "attempt": {
            "attempt": attempt.attempt,
            "max_attempts": attempt.max_attempts,
            "idempotency_key": attempt.idempotency_key,
            "interruptions": attempt.interruptions,
        },
        "progress": None if progress is None else _progress(progress),
        "result": None if result is None else _outcome(result),
        "failure": None if failure is None else _failure(failure),
        "question": None if question is None else question_to_json(question),
        "output_bytes": record.output_bytes,
        "priority": record.priority.value,
        "not_before": record.not_before,
        "cancel_reason": record.cancel_reason,
        "cancel_actor": record.cancel_actor,
        "created_at": record.created_at,
        "started_at": record.started_at,
        "updated_at": record.updated_at,
        "completed_at": record.completed_at,
        "host_id": record.host_id,
        "seq": record.seq,
        "cancel_requested_at": record.cancel_requested_at,
        "heartbeat_ttl": record.heartbeat_ttl,
        "heartbeat_at": record.heartbeat_at,
    }


def _progress(progress: Progress) -> Json:
    return {
        "message": progress.message,
        "done": progress.done,
        "total": progress.total,
        "unit": progress.unit,
    }


def _outcome(result: TaskOutcome) -> Json:
    return {"summary": result.summary, "value": result.value, "size": result.size}


def question_to_json(question: Question) -> Json:
    """Return the JSON form of a question."""
    return {
        "id": question.id,
        "message": question.message,
        "schema": question.schema,
        "choices": None if question.choices is None else [*question.choices],
        "asked_at": question.asked_at,
    }


def _failure(failure: TaskFailure) -> Json:
    return {"kind": failure.kind.value, "message": failure.message, "traceback": failure.traceback}


def record_from_json(data: Json) -> TaskRecord:
    """Return the record whose JSON form is `data`.

    :raises KeyError, TypeError, ValueError: if it is not one.
    """
    *identity, state, cancel, close, attempt, progress, result, failure = _known_of(data)
    question = data.get("question")
    values: tuple[Any, ...] = (
        *identity,
        _STATES[state],
        _CANCEL_POLICIES[cancel],
        _CLOSE_POLICIES[close],
        _attempt(attempt),
        None if progress is None else Progress(*_progress_of(progress)),
        None if result is None else _outcome_from(result),
        None if failure is None else _failure_from(failure),
        None if question is None else _question_from(cast("Json", question)),
        data.get("output_bytes", 0),
        _PRIORITIES[cast("str", data.get("priority", "normal"))],
        data.get("not_before"),
        *_rest_of(data),
        data.get("cancel_requested_at"),
        data.get("heartbeat_ttl"),
        data.get("heartbeat_at"),
    )
    return TaskRecord(*values)


_FIELDS = [field.name for field in attrs.fields(TaskRecord)]
# what lies between and after these has been added since, so that older files lack it
_known_of = itemgetter(*_FIELDS[: _FIELDS.index("question")])
_rest_of = itemgetter(*_FIELDS[_FIELDS.index("cancel_reason") : _FIELDS.index("seq") + 1])
_attempt_of = itemgetter("attempt", "max_attempts", "idempotency_key", "interruptions")
_progress_of = itemgetter("message", "done", "total", "unit")
_outcome_of = itemgetter("summary", "value")
_question_of = itemgetter("message", "schema", "choices", "id", "asked_at")
_failure_of = itemgetter("kind", "message", "traceback")
_STATES = {state.value: state for state in TaskState}
_CANCEL_POLICIES = {policy.value: policy for policy in CancelPolicy}
_CLOSE_POLICIES = {policy.value: policy for policy in ClosePolicy}
_PRIORITIES = {priority.value: priority for priority in Priority}
_EVENT_TYPES = {type.value: type for type in EventType}
_ONLY_ATTEMPT = TaskAttempt()


def _attempt(data: Json) -> TaskAttempt:
    values = _attempt_of({"interruptions": 0, **data})
    return _ONLY_ATTEMPT if values == (1, 1, None, 0) else TaskAttempt(*values)


def _outcome_from(data: Json) -> TaskOutcome:
    summary, value = _outcome_of(data)
    return TaskOutcome(summary, value, cast("int | None", data.get("size")))


def _question_from(data: Json) -> Question:
    message, schema, choices, id, asked_at = _question_of(data)
    return Question(message, schema, None if choices is None else tuple(choices), id, asked_at)


def _failure_from(data: Json) -> TaskFailure:
    kind, message, traceback = _failure_of(data)
    return TaskFailure(FailureKind(kind), message, traceback)


def event_to_json(event: TaskEvent) -> Json:
    """Return the JSON form of an event."""
    return {
        "seq": event.seq,
        "at": event.at,
        "type": event.type.value,
        "session_id": event.session_id,
        "task_id": event.task_id,
        "record": record_to_json(event.record) if event.record is not None else None,
        "previous": event.previous and event.previous.value,
        "reason": event.reason,
        "from_session_id": event.from_session_id,
        "count": event.count,
        "next_seq": event.next_seq,
        "actor": event.actor,
        "value": event.value,
        "notify": event.notify,
    }


def event_from_json(data: Json) -> TaskEvent:
    """Return the event whose JSON form is `data`.

    :raises KeyError, TypeError, ValueError: if it is not one.
    """
    seq, at, type, session_id, task_id, record, previous, *rest = _event_of(data)
    return TaskEvent(
        seq,
        at,
        _EVENT_TYPES[type],
        session_id,
        task_id,
        None if record is None else record_from_json(record),
        None if previous is None else _STATES[previous],
        *rest,
        *_added_of(data),
    )


_EVENT_FIELDS = [field.name for field in attrs.fields(TaskEvent)]


def _added_of(data: Json) -> tuple[Any, ...]:
    """Return what older files lack."""
    return data.get("actor"), data.get("value"), data.get("notify", False)


_event_of = itemgetter(*_EVENT_FIELDS[: _EVENT_FIELDS.index("actor")])


def summary_to_json(summary: SessionSummary) -> Json:
    """Return the JSON form of a session's summary."""
    return {
        "id": summary.id,
        "counts": {state.value: count for state, count in summary.counts.items()},
        "hidden": summary.hidden,
        "first_activity": summary.first_activity,
        "last_activity": summary.last_activity,
    }
