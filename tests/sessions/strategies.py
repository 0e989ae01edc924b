"""Records and events of every shape, for properties."""

from hypothesis import strategies as st

from hostel.sessions import (
    CancelPolicy,
    ClosePolicy,
    EventType,
    FailureKind,
    JsonValue,
    Priority,
    Progress,
    Question,
    TaskAttempt,
    TaskEvent,
    TaskFailure,
    TaskOutcome,
    TaskRecord,
    TaskState,
)

times = st.floats(min_value=0, max_value=4e9)
maybe_times = st.none() | times
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
maybe_texts = st.none() | texts
seqs = st.integers(min_value=1, max_value=2**53)

json_values: st.SearchStrategy[JsonValue] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def progresses(draw: st.DrawFn) -> Progress:
    amounts = st.none() | st.floats(min_value=0, max_value=1e15) | st.integers(0, 2**53)
    done, total = draw(amounts), draw(amounts)
    if done is not None and total is not None and done > total:
        done, total = total, done
    return Progress(draw(maybe_texts), done, total, draw(maybe_texts))


questions: st.SearchStrategy[Question] = st.builds(
    Question,
    message=texts,
    schema=st.none() | st.dictionaries(texts, json_values, max_size=3),
    choices=st.none() | st.lists(texts, max_size=3).map(tuple),
    id=texts,
    asked_at=times,
)

records: st.SearchStrategy[TaskRecord] = st.builds(
    TaskRecord,
    id=texts,
    session_id=texts,
    kind=texts,
    producer=texts,
    label=texts,
    parent_task_id=maybe_texts,
    child_session_id=maybe_texts,
    state=st.sampled_from(TaskState),
    cancel_policy=st.sampled_from(CancelPolicy),
    close_policy=st.sampled_from(ClosePolicy),
    attempt=st.builds(TaskAttempt, st.integers(1, 99), st.integers(1, 99), maybe_texts),
    progress=st.none() | progresses(),
    result=st.none() | st.builds(TaskOutcome, maybe_texts, json_values),
    failure=st.none() | st.builds(TaskFailure, st.sampled_from(FailureKind), texts, maybe_texts),
    question=st.none() | questions,
    output_bytes=seqs,
    priority=st.sampled_from(Priority),
    not_before=maybe_times,
    cancel_reason=maybe_texts,
    cancel_actor=maybe_texts,
    created_at=times,
    started_at=maybe_times,
    updated_at=times,
    completed_at=maybe_times,
    host_id=texts,
    seq=seqs,
    cancel_requested_at=maybe_times,
    heartbeat_ttl=maybe_times,
    heartbeat_at=maybe_times,
)

events: st.SearchStrategy[TaskEvent] = st.builds(
    TaskEvent,
    seq=seqs,
    at=times,
    type=st.sampled_from(EventType),
    session_id=texts,
    task_id=texts,
    record=st.none() | records,
    previous=st.none() | st.sampled_from(TaskState),
    reason=maybe_texts,
    from_session_id=maybe_texts,
    count=st.none() | st.integers(0, 2**53),
    next_seq=st.none() | seqs,
    actor=maybe_texts,
    value=json_values,
    notify=st.booleans(),
)


def record_in(state: TaskState, **fields: object) -> TaskRecord:
    """Return a plain record in `state`; `fields` change what they name."""
    values: dict[str, object] = {
        "id": "t1",
        "session_id": "s1",
        "kind": "other",
        "producer": "",
        "label": "",
        "parent_task_id": None,
        "child_session_id": None,
        "state": state,
        "cancel_policy": CancelPolicy.COOPERATIVE,
        "close_policy": ClosePolicy.KEEP,
        "attempt": TaskAttempt(1, 3),
        "progress": None,
        "result": None,
        "failure": None,
        "question": None,
        "output_bytes": 0,
        "priority": Priority.NORMAL,
        "not_before": None,
        "cancel_reason": None,
        "cancel_actor": None,
        "created_at": 1.0,
        "started_at": None if state is TaskState.PENDING else 2.0,
        "updated_at": 3.0,
        "completed_at": 3.0 if state.is_terminal else None,
        "host_id": "h1",
        "seq": 5,
        **fields,
    }
    return TaskRecord(**values)  # type: ignore[arg-type]
