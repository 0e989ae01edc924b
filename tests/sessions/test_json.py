"""The JSON form of records and events, which is part of the contract."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.sessions import (
    EventType,
    FailureKind,
    JsonValue,
    Priority,
    Progress,
    Question,
    SessionSummary,
    TaskEvent,
    TaskFailure,
    TaskOutcome,
    TaskRecord,
    TaskState,
)
from hostel.sessions.json import (
    event_from_json,
    event_to_json,
    record_from_json,
    record_to_json,
    summary_to_json,
)

from .strategies import events, record_in, records

RECORD: dict[str, JsonValue] = {
    "id": "t1",
    "session_id": "s1",
    "kind": "other",
    "producer": "",
    "label": "",
    "parent_task_id": None,
    "child_session_id": None,
    "state": "running",
    "cancel_policy": "cooperative",
    "close_policy": "keep",
    "attempt": {"attempt": 1, "max_attempts": 3, "idempotency_key": None, "interruptions": 0},
    "progress": {"message": "half", "done": 1, "total": 2, "unit": None},
    "result": {"summary": "fine", "value": [1, {"a": None}], "size": None},
    "failure": {"kind": "timeout", "message": "late", "traceback": None},
    "question": {"message": "go on?", "schema": None, "choices": ["yes", "no"], "id": "q1", "asked_at": 2.5},
    "output_bytes": 12,
    "priority": "batch",
    "not_before": None,
    "cancel_reason": None,
    "cancel_actor": None,
    "created_at": 1.0,
    "started_at": 2.0,
    "updated_at": 3.0,
    "completed_at": None,
    "host_id": "h1",
    "seq": 5,
    "cancel_requested_at": None,
    "heartbeat_ttl": None,
    "heartbeat_at": None,
}


def test_the_form_of_a_record_is_fixed() -> None:
    record = record_in(
        TaskState.RUNNING,
        progress=Progress("half", 1, 2),
        result=TaskOutcome("fine", [1, {"a": None}]),
        failure=TaskFailure(FailureKind.TIMEOUT, "late"),
        question=Question("go on?", None, ("yes", "no"), "q1", 2.5),
        output_bytes=12,
        priority=Priority.BATCH,
    )

    assert record_to_json(record) == RECORD
    assert list(record_to_json(record)) == list(RECORD)
    assert record_from_json(json.loads(json.dumps(RECORD))) == record


def test_the_form_of_an_event_is_fixed() -> None:
    event = TaskEvent(7, 3.0, EventType.STATE_CHANGED, "s1", "t1", None, previous=TaskState.WAITING)

    assert event_to_json(event) == {
        "seq": 7,
        "at": 3.0,
        "type": "state_changed",
        "session_id": "s1",
        "task_id": "t1",
        "record": None,
        "previous": "waiting",
        "reason": None,
        "from_session_id": None,
        "count": None,
        "next_seq": None,
        "actor": None,
        "value": None,
        "notify": False,
    }


def test_the_form_of_a_summary_is_fixed() -> None:
    summary = SessionSummary("s1", {TaskState.RUNNING: 2}, 1, 1.0, 2.0)

    assert summary_to_json(summary) == {
        "id": "s1",
        "counts": {"running": 2},
        "hidden": 1,
        "first_activity": 1.0,
        "last_activity": 2.0,
    }


@given(records)
def test_a_record_survives_the_way_through_text(record: TaskRecord) -> None:
    assert record_from_json(json.loads(json.dumps(record_to_json(record), allow_nan=False))) == record


@given(events)
def test_an_event_survives_the_way_through_text(event: TaskEvent) -> None:
    assert event_from_json(json.loads(json.dumps(event_to_json(event), allow_nan=False))) == event


@given(records)
def test_enums_are_enums_again(record: TaskRecord) -> None:
    again = record_from_json(record_to_json(record))

    assert again.state is record.state
    assert again.cancel_policy is record.cancel_policy
    assert again.close_policy is record.close_policy
    assert again.failure is None or again.failure.kind is record.failure.kind  # type: ignore[union-attr]


def test_a_reader_ignores_what_a_newer_writer_adds() -> None:
    result: dict[str, JsonValue] = {"summary": "fine", "value": 1, "mood": 1}
    newer: dict[str, JsonValue] = {**RECORD, "colour": "red", "result": result}

    assert record_from_json(newer).result == TaskOutcome("fine", 1)


SINCE = {
    "question": None,
    "output_bytes": 0,
    "priority": Priority.NORMAL,
    "not_before": None,
    "cancel_requested_at": None,
    "heartbeat_ttl": None,
    "heartbeat_at": None,
}


@pytest.mark.parametrize(("field", "value"), SINCE.items())
def test_a_record_of_before_a_field_was_added_is_read(field: str, value: object) -> None:
    older = {name: given for name, given in RECORD.items() if name != field}

    assert getattr(record_from_json(older), field) == value


@pytest.mark.parametrize("field", [field for field in RECORD if field not in SINCE])
def test_a_record_with_a_field_missing_is_refused(field: str) -> None:
    torn = {name: value for name, value in RECORD.items() if name != field}

    with pytest.raises((KeyError, TypeError, ValueError)):
        record_from_json(torn)


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "asleep"},
        {"close_policy": 3},
        {"attempt": None},
        {"attempt": "first"},
        {"progress": {"done": 2, "total": 1}},
        {"failure": {"kind": "bad luck", "message": ""}},
    ],
    ids=str,
)
def test_a_record_with_an_impossible_field_is_refused(wrong: dict[str, JsonValue]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        record_from_json({**RECORD, **wrong})


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_something_else_altogether_is_refused(other: object) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        record_from_json({"id": other})  # type: ignore[dict-item]
    with pytest.raises((KeyError, TypeError, ValueError)):
        event_from_json({"record": other})  # type: ignore[dict-item]
