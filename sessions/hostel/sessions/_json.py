"""The JSON form of records and events: snake_case, enums as their values, times in seconds since the epoch.

Written out by hand, field by field, since this form is part of the contract and a journal makes thousands a
second. A reader ignores fields it does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

import attrs

from ._events import EventType, TaskEvent
from ._records import (
    CancelPolicy,
    ClosePolicy,
    FailureKind,
    JsonValue,
    Progress,
    SessionSummary,
    TaskAttempt,
    TaskFailure,
    TaskOutcome,
    TaskRecord,
)
from ._states import TaskState

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, JsonValue]
T = TypeVar("T")


def record_to_json(record: TaskRecord) -> Json:
    """Return the JSON form of a record."""
    attempt, progress, result, failure = record.attempt, record.progress, record.result, record.failure
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
        },
        "progress": None if progress is None else _progress(progress),
        "result": None if result is None else {"summary": result.summary, "value": result.value},
        "failure": None if failure is None else _failure(failure),
        "cancel_reason": record.cancel_reason,
        "cancel_actor": record.cancel_actor,
        "created_at": record.created_at,
        "started_at": record.started_at,
        "updated_at": record.updated_at,
        "completed_at": record.completed_at,
        "host_id": record.host_id,
        "seq": record.seq,
    }


def _progress(progress: Progress) -> Json:
    return {
        "message": progress.message,
        "done": progress.done,
        "total": progress.total,
        "unit": progress.unit,
    }


def _failure(failure: TaskFailure) -> Json:
    return {"kind": failure.kind.value, "message": failure.message, "traceback": failure.traceback}


def record_from_json(data: Json) -> TaskRecord:
    """Return the record whose JSON form is `data`.

    :raises KeyError, TypeError, ValueError: if it is not one.
    """
    known = _known(TaskRecord, data)
    known["state"] = TaskState(cast("str", data["state"]))
    known["cancel_policy"] = CancelPolicy(cast("str", data["cancel_policy"]))
    known["close_policy"] = ClosePolicy(cast("str", data["close_policy"]))
    known["attempt"] = _read(TaskAttempt, data["attempt"])
    known["progress"] = _read(Progress, data["progress"])
    known["result"] = _read(TaskOutcome, data["result"])
    known["failure"] = _read(TaskFailure, data["failure"], kind=FailureKind)
    return TaskRecord(**known)  # type: ignore[arg-type]


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
    }


def event_from_json(data: Json) -> TaskEvent:
    """Return the event whose JSON form is `data`.

    :raises KeyError, TypeError, ValueError: if it is not one.
    """
    known = _known(TaskEvent, data)
    known["type"] = EventType(cast("str", data["type"]))
    known["record"] = record_from_json(cast("Json", data["record"])) if data["record"] else None
    known["previous"] = TaskState(cast("str", data["previous"])) if data.get("previous") else None
    return TaskEvent(**known)  # type: ignore[arg-type]


def summary_to_json(summary: SessionSummary) -> Json:
    """Return the JSON form of a session's summary."""
    return {
        "id": summary.id,
        "counts": {state.value: count for state, count in summary.counts.items()},
        "hidden": summary.hidden,
        "first_activity": summary.first_activity,
        "last_activity": summary.last_activity,
    }


def _known(cls: type[attrs.AttrsInstance], data: JsonValue) -> dict[str, object]:
    names = {field.name for field in attrs.fields(cls)}
    return {name: value for name, value in cast("Json", data).items() if name in names}


def _read(cls: Callable[..., T], data: JsonValue, **enums: Callable[[str], object]) -> T | None:
    if data is None:
        return None
    known = _known(cast("type[attrs.AttrsInstance]", cls), data)
    for name, enum in enums.items():
        known[name] = enum(cast("str", known[name]))
    return cls(**known)
