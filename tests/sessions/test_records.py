"""Values: backoff, progress, filters, events."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.sessions import (
    Backoff,
    EventType,
    InvalidProgress,
    Progress,
    SessionSummary,
    TaskEvent,
    TaskFilter,
    TaskRecord,
    TaskState,
)
from hostel.sessions._events import missed

from .strategies import record_in, records

numbers = st.none() | st.floats() | st.integers()


@given(numbers, numbers)
def test_progress_exists_exactly_if_it_is_possible(done: float | None, total: float | None) -> None:
    amounts = [amount for amount in (done, total) if amount is not None]
    possible = all(0 <= amount < float("inf") for amount in amounts)
    possible &= done is None or total is None or done <= total

    if possible:
        assert Progress(done=done, total=total).done == done
    else:
        with pytest.raises(InvalidProgress):
            Progress(done=done, total=total)


@given(
    st.builds(
        Backoff,
        st.floats(0, 1e9),
        st.floats(1, 1e9),
        st.floats(0, 1e9),
        st.floats(0, 1),
    ),
    st.integers(2, 10_000),
    st.floats(0, 1),
)
def test_a_pause_is_never_negative_nor_above_its_maximum(
    backoff: Backoff, attempt: int, chance: float
) -> None:
    pause = backoff.delay(attempt, chance)

    assert 0 <= pause <= backoff.maximum
    assert pause <= backoff.delay(attempt, 0) <= backoff.delay(attempt + 1, 0)


def test_pauses_grow_by_their_factor_and_vary_by_their_jitter() -> None:
    backoff = Backoff(initial=1, factor=3, maximum=20, jitter=0.5)

    assert [backoff.delay(attempt, 0) for attempt in (2, 3, 4, 5)] == [1, 3, 9, 20]
    assert backoff.delay(4, 1) == 4.5


@pytest.mark.parametrize(
    "wrong", [{"initial": -1}, {"factor": 0.5}, {"maximum": -1}, {"jitter": 1.5}, {"jitter": -1}], ids=str
)
def test_an_impossible_backoff_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Backoff(**wrong)


@given(records)
def test_an_empty_filter_matches_everything_and_a_full_one_its_own_record(record: TaskRecord) -> None:
    assert TaskFilter().matches(record)
    full = TaskFilter(record.session_id, record.kind, record.state, record.parent_task_id)
    assert full.matches(record)


@pytest.mark.parametrize("field", ["session_id", "kind", "parent_task_id"])
def test_each_field_of_a_filter_must_match(field: str) -> None:
    record = record_in(TaskState.RUNNING, **{field: "this"})

    assert TaskFilter(**{field: "this"}).matches(record)  # type: ignore[arg-type]
    assert not TaskFilter(**{field: "that"}).matches(record)  # type: ignore[arg-type]


def test_an_event_of_a_transfer_matches_both_sessions_and_no_other() -> None:
    record = record_in(TaskState.RUNNING, session_id="s2")
    event = TaskEvent(1, 1.0, EventType.TRANSFERRED, "s2", "t1", record, from_session_id="s1")

    assert [event.matches(TaskFilter(session_id=session)) for session in ("s1", "s2", "s3")] == [
        True,
        True,
        False,
    ]


def test_what_was_missed_concerns_everybody() -> None:
    event = missed(10, 15, 1.0)

    assert (event.seq, event.count, event.next_seq) == (14, 4, 15)
    assert event.matches(TaskFilter(session_id="anything", kind="at all"))


def test_records_and_events_cannot_be_changed() -> None:
    record = record_in(TaskState.RUNNING)
    event = TaskEvent(1, 1.0, EventType.REGISTERED, "s1", "t1", record)

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        record.state = TaskState.FAILED  # type: ignore[misc]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.seq = 2  # type: ignore[misc]
    assert not hasattr(record, "__dict__")


def test_a_summary_counts_its_live_tasks() -> None:
    counts = {TaskState.RUNNING: 2, TaskState.CANCEL_REQUESTED: 1, TaskState.FAILED: 5}

    assert SessionSummary("s1", counts, 0, 1.0, 2.0).live == 3
