"""What looks wrong about a task, and what does not: lints are functions of a record and the time."""

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.plugins.inspector._lints import all_lints, findings
from hostel.sessions import Progress, Question, TaskAttempt, TaskRecord, TaskState

from ...sessions.strategies import record_in, records

AT = 1_000_000.0
LIVE = [state for state in TaskState if state.is_live]


def found(record: TaskRecord, seconds: float, silent_after: float = 300) -> list[str]:
    """Return what is wrong with a task so many seconds after AT."""
    now = AT + seconds
    return [one.lint.name for one in findings([record], all_lints(silent_after), now)]


def task(state: TaskState = TaskState.RUNNING, **fields: object) -> TaskRecord:
    return record_in(state, **{"created_at": AT, "started_at": AT, "updated_at": AT, **fields})


@pytest.mark.parametrize("sign", [{"progress": Progress("on it")}, {"output_bytes": 1}])
def test_one_that_has_spoken_and_shows_no_sign_is_silent(sign: dict[str, Any]) -> None:
    assert found(task(**sign), 300) == []
    assert found(task(**sign), 301) == ["silent"]
    assert found(task(**sign), 301, silent_after=600) == []
    assert found(task(**sign), 11, silent_after=10) == ["silent"]


@pytest.mark.parametrize(
    "record",
    [
        task(),  # has never reported: nothing is expected of it
        task(TaskState.WAITING, progress=Progress("for its turn")),
        task(TaskState.WAITING, progress=Progress("a"), question=Question("go on?")),
        task(TaskState.PENDING, output_bytes=12),
        task(TaskState.COMPLETED, output_bytes=12),
        task(TaskState.FAILED, progress=Progress("half")),
    ],
)
def test_whoever_waits_or_never_spoke_is_not_silent(record: TaskRecord) -> None:
    assert found(record, 86_400) == []


def test_a_request_to_stop_is_ignored_after_half_a_minute_also_by_one_that_reports_on() -> None:
    asked = task(TaskState.CANCEL_REQUESTED, cancel_requested_at=AT, progress=Progress("so what"))

    assert found(asked, 30) == []
    assert found(attrs.evolve(asked, updated_at=AT + 31), 31) == ["cancel_ignored"]


def test_many_attempts_in_a_short_time_are_a_storm() -> None:
    tried = task(TaskState.WAITING, attempt=TaskAttempt(5, 9))

    assert found(tried, 59) == ["retry_storm"]
    assert found(tried, 60) == []
    assert found(task(attempt=TaskAttempt(4, 9)), 1) == []


def test_runs_that_a_stop_cut_short_are_no_storm() -> None:
    assert found(task(attempt=TaskAttempt(5, 9, None, 2)), 1) == []


@pytest.mark.parametrize("state", LIVE)
def test_a_heartbeat_is_late_when_a_quarter_of_its_time_is_left(state: TaskState) -> None:
    promising = task(state, heartbeat_ttl=40.0, heartbeat_at=AT)

    assert "heartbeat_late" not in found(promising, 30)
    assert "heartbeat_late" in found(promising, 31)


@given(records, st.floats(AT, AT + 1e6))
def test_nothing_is_wrong_with_what_has_ended_and_nothing_starts_in_the_future(
    record: TaskRecord, now: float
) -> None:
    wrong = list(findings([record], all_lints(), now))

    assert not wrong or not record.is_terminal
    assert all(one.since <= now for one in wrong)


def test_each_says_what_is_wrong_in_words_for_one_and_for_many() -> None:
    for lint in all_lints():
        assert "{time}" in lint.one
        assert "{count}" in lint.many
    (late,) = findings([task(heartbeat_ttl=4.0, heartbeat_at=AT)], all_lints(), AT + 125)

    assert late.text(AT + 125) == "no heartbeat for 2m 05s, nearly its time"


def test_each_has_a_name_of_its_own() -> None:
    names = [lint.name for lint in all_lints()]

    assert len(set(names)) == len(names)
