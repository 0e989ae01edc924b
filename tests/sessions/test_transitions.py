"""How records change, and how a log of changes is believed or refused."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.sessions import (
    CancelPolicy,
    EventType,
    FailureKind,
    IllegalTransition,
    Progress,
    Question,
    TaskAttempt,
    TaskEvent,
    TaskFailure,
    TaskOutcome,
    TaskRecord,
    TaskSpec,
    TaskState,
)
from hostel.sessions import _transitions as changes
from hostel.sessions._events import END_EVENTS, missed
from hostel.sessions.journal import fold, reduce
from hostel.sessions.states import LIVE, MOVES, TERMINAL

from .strategies import record_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostel.sessions._transitions import Stamp

NOW = (9.0, 17)
EVERY_STATE = pytest.mark.parametrize("state", list(TaskState))


def untouched(before: TaskRecord, after: TaskRecord, *changed: str) -> bool:
    return attrs.evolve(before, **{name: getattr(after, name) for name in changed}) == after


@pytest.mark.parametrize(("was", "wanted"), list(itertools.product(TaskState, sorted(LIVE))))
def test_a_move_changes_the_state_alone_or_nothing(was: TaskState, wanted: TaskState) -> None:
    record = record_in(was)
    if wanted not in MOVES[was] or wanted is TaskState.PENDING:
        with pytest.raises(IllegalTransition) as illegal:
            changes.moved(record, NOW, wanted)
        assert (illegal.value.was, illegal.value.wanted) == (was, wanted)
        return

    event = changes.moved(record, NOW, wanted)

    assert event.record is not None
    assert (event.type, event.previous, event.seq, event.at) == (EventType.STATE_CHANGED, was, 17, 9.0)
    assert (event.record.state, event.record.seq, event.record.updated_at) == (wanted, 17, 9.0)
    assert event.record.started_at == (9.0 if was is TaskState.PENDING else 2.0)
    assert untouched(record, event.record, "state", "started_at", "updated_at", "seq")


@EVERY_STATE
@pytest.mark.parametrize("end", list(TaskState))
def test_an_end_is_final_and_keeps_what_was_said(state: TaskState, end: TaskState) -> None:
    record, result = record_in(state), TaskOutcome("fine", 1)
    if end.is_live or state.is_terminal:
        with pytest.raises(IllegalTransition):
            changes.ended(record, NOW, end)
        return

    event = changes.ended(record, NOW, end, result=result)

    assert event.record is not None
    assert event.type is END_EVENTS[end]
    assert (event.record.result, event.record.completed_at) == (result, 9.0)
    assert untouched(record, event.record, "state", "result", "completed_at", "updated_at", "seq")


@EVERY_STATE
def test_the_first_request_is_kept_and_a_second_refused(state: TaskState) -> None:
    record = record_in(state)
    if TaskState.CANCEL_REQUESTED not in MOVES[state]:
        with pytest.raises(IllegalTransition):
            changes.cancel_requested(record, NOW, "why", "who")
        return

    event = changes.cancel_requested(record, NOW, "why", "who")

    assert event.record is not None
    assert (event.reason, event.previous) == ("why", state)
    assert (event.record.cancel_reason, event.record.cancel_actor) == ("why", "who")
    assert event.record.cancel_requested_at == NOW[0]
    asked = ("cancel_reason", "cancel_actor", "cancel_requested_at")
    assert untouched(record, event.record, "state", *asked, "updated_at", "seq")


@EVERY_STATE
def test_progress_and_place_change_while_a_task_is_live(state: TaskState) -> None:
    record = record_in(state)
    if state.is_terminal:
        with pytest.raises(IllegalTransition):
            changes.progressed(record, NOW, Progress("half"))
        with pytest.raises(IllegalTransition):
            changes.transferred(record, NOW, "s2")
        return

    progress, transfer = (
        changes.progressed(record, NOW, Progress("half")),
        changes.transferred(record, NOW, "s2"),
    )

    assert progress.record is not None
    assert transfer.record is not None
    assert untouched(record, progress.record, "progress", "updated_at", "seq")
    assert untouched(record, transfer.record, "session_id", "updated_at", "seq")
    assert (transfer.from_session_id, transfer.session_id) == ("s1", "s2")


@EVERY_STATE
def test_another_attempt_counts_and_needs_a_task_nobody_stopped(state: TaskState) -> None:
    record = record_in(state)
    if state not in (TaskState.PENDING, TaskState.RUNNING, TaskState.WAITING):
        with pytest.raises(IllegalTransition):
            changes.retried(record, NOW)
        with pytest.raises(IllegalTransition):
            changes.resumed(record, NOW, "h2")
        return

    retried, resumed = changes.retried(record, NOW).record, changes.resumed(record, NOW, "h2").record

    assert retried is not None
    assert resumed is not None
    assert (retried.state, retried.attempt, retried.host_id) == (TaskState.WAITING, TaskAttempt(2, 3), "h1")
    assert (resumed.state, resumed.attempt, resumed.host_id) == (TaskState.RUNNING, TaskAttempt(2, 3), "h2")
    assert retried.started_at == resumed.started_at == (9.0 if state is TaskState.PENDING else 2.0)


@EVERY_STATE
def test_a_run_that_continues_another_is_not_counted(state: TaskState) -> None:
    record = record_in(state)
    if state.is_terminal:
        with pytest.raises(IllegalTransition):
            changes.continued(record, NOW)
        return

    event = changes.continued(record, NOW)

    assert event.record is not None
    assert event.type is EventType.PROGRESS
    assert (event.record.attempt.interruptions, event.record.attempt.counted) == (1, 0)
    assert untouched(record, event.record, "attempt", "updated_at", "seq")
    assert reduce(record, event) == event.record


@EVERY_STATE
def test_a_question_needs_a_task_nobody_stopped_and_makes_it_wait(state: TaskState) -> None:
    record = record_in(state)
    question = Question("?", id="q")
    if TaskState.CANCEL_REQUESTED not in MOVES[state]:
        with pytest.raises(IllegalTransition):
            changes.asked(record, NOW, question)
        return

    event = changes.asked(record, NOW, question)

    after = reduce(record, event)
    assert after is not None
    assert (after.state, after.question, event.previous) == (TaskState.WAITING, question, state)


@pytest.mark.parametrize("to", [TaskState.RUNNING, TaskState.WAITING])
def test_an_answer_takes_the_question_out_of_the_record(to: TaskState) -> None:
    asking = record_in(TaskState.WAITING, question=Question("?", id="q"))

    answered = changes.answered(asking, NOW, to, "me", value=1)
    withdrawn = changes.withdrawn(asking, NOW, to)

    for event in (answered, withdrawn):
        after = reduce(asking, event)
        assert after is not None
        assert (after.state, after.question) == (to, None)
    assert (answered.type, answered.actor, answered.value) == (EventType.ANSWERED, "me", 1)
    assert withdrawn.type is EventType.STATE_CHANGED


@EVERY_STATE
def test_nothing_answers_what_is_not_asked(state: TaskState) -> None:
    record = record_in(state)
    asking = record_in(TaskState.WAITING, question=Question("?"))

    for change in (changes.answered(asking, NOW, TaskState.RUNNING, None), changes.withdrawn):
        if isinstance(change, TaskEvent):
            with pytest.raises(IllegalTransition):
                reduce(record, change)
        else:
            with pytest.raises(IllegalTransition):
                change(record, NOW, TaskState.RUNNING)


@pytest.mark.parametrize(
    "change",
    [
        lambda record: changes.moved(record, NOW, TaskState.RUNNING),
        lambda record: changes.retried(record, NOW),
        lambda record: changes.cancel_requested(record, NOW, None, None),
        lambda record: changes.interrupted(record, NOW, "h", by_stop=True),
        lambda record: changes.ended(record, NOW, TaskState.COMPLETED),
    ],
)
def test_whatever_ends_the_waiting_ends_the_question(change: Callable[[TaskRecord], TaskEvent]) -> None:
    event = change(record_in(TaskState.WAITING, question=Question("?")))

    assert event.record is not None
    assert event.record.question is None


def test_a_task_begins_once_its_turn_has_come() -> None:
    event = changes.begun(record_in(TaskState.PENDING), NOW, "h2")

    assert event.record is not None
    assert (event.record.state, event.record.host_id) == (TaskState.RUNNING, "h2")
    assert (event.record.started_at, event.record.attempt.attempt) == (NOW[0], 1)
    with pytest.raises(IllegalTransition):
        changes.begun(record_in(TaskState.CANCEL_REQUESTED), NOW, "h2")


def test_a_new_record_is_what_its_spec_says() -> None:
    spec = TaskSpec(kind="k", producer="p", label="l", max_attempts=4, idempotency_key="i")

    pending = changes.new_record("s", "t", spec, TaskState.PENDING, CancelPolicy.COOPERATIVE, "h", NOW)
    running = changes.new_record("s", "t", spec, TaskState.RUNNING, CancelPolicy.ABORT_LOCAL, "h", NOW)

    assert (pending.started_at, running.started_at) == (None, 9.0)
    assert pending.attempt == TaskAttempt(1, 4, "i")
    assert (pending.kind, pending.producer, pending.label, pending.host_id) == ("k", "p", "l", "h")
    assert (pending.created_at, pending.updated_at, pending.seq) == (9.0, 9.0, 17)


# every verb makes events that `reduce` accepts, one by one and folded


@st.composite
def histories(draw: st.DrawFn) -> list[TaskEvent]:
    """The events of some tasks in some sessions, as a host would make them."""
    records: dict[tuple[str, str], TaskRecord] = {}
    log: list[TaskEvent] = []
    for seq in range(1, draw(st.integers(1, 25))):
        stamp = float(seq), seq
        place = draw(st.sampled_from(["s1", "s2"])), draw(st.sampled_from(["a", "b"]))
        event = _next_event(draw, records, place, stamp)
        if event is None or event.record is None:
            continue
        if event.from_session_id is not None:
            del records[event.from_session_id, event.task_id]
        records[event.session_id, event.task_id] = event.record
        log.append(event)
    return log


def _next_event(
    draw: st.DrawFn, records: dict[tuple[str, str], TaskRecord], place: tuple[str, str], stamp: Stamp
) -> TaskEvent | None:
    record = records.get(place)
    if record is None or record.is_terminal:
        new = changes.new_record(*place, TaskSpec(), TaskState.PENDING, CancelPolicy.COOPERATIVE, "h", stamp)
        return changes.registered(new)
    other = "s2" if record.session_id == "s1" else "s1"
    there = records.get((other, record.id))
    can_stop = TaskState.CANCEL_REQUESTED in MOVES[record.state]
    can_move = there is None or there.is_terminal
    is_new, asks = record.state is TaskState.PENDING, record.question is not None
    next_state = draw(st.sampled_from([TaskState.RUNNING, TaskState.WAITING]))
    verbs: dict[str, Callable[[], TaskEvent | None]] = {
        "continue": lambda: changes.continued(record, stamp),
        "move": lambda: _any_move(draw, record, stamp),
        "progress": lambda: changes.progressed(record, stamp, Progress("p")),
        "end": lambda: changes.ended(record, stamp, draw(st.sampled_from(sorted(TERMINAL)))),
        "retry": lambda: changes.retried(record, stamp) if can_stop else None,
        "request": lambda: changes.cancel_requested(record, stamp, "why", None) if can_stop else None,
        "transfer": lambda: changes.transferred(record, stamp, other) if can_move else None,
        "begin": lambda: changes.begun(record, stamp, "h") if is_new else None,
        "ask": lambda: changes.asked(record, stamp, Question("?", id=str(stamp[1]))) if can_stop else None,
        "answer": lambda: changes.answered(record, stamp, next_state, "me") if asks else None,
        "withdraw": lambda: changes.withdrawn(record, stamp, next_state) if asks else None,
    }
    return verbs[draw(st.sampled_from(sorted(verbs)))]()


def _any_move(draw: st.DrawFn, record: TaskRecord, stamp: Stamp) -> TaskEvent | None:
    moves = sorted(MOVES[record.state] & {TaskState.RUNNING, TaskState.WAITING})
    return changes.moved(record, stamp, draw(st.sampled_from(moves))) if moves else None


@given(histories())
def test_folding_a_log_gives_the_latest_record_of_each_task(log: list[TaskEvent]) -> None:
    latest: dict[tuple[str, str], TaskRecord] = {}
    for event in log:
        assert event.record is not None
        latest.pop((event.from_session_id or "", event.task_id), None)
        latest[event.session_id, event.task_id] = event.record

    assert fold(log) == latest


@given(histories(), st.data())
def test_a_log_that_tells_something_twice_is_refused(log: list[TaskEvent], data: st.DataObject) -> None:
    if not log:
        return
    place = data.draw(st.integers(0, len(log) - 1))
    doubled = [*log[: place + 1], *log[place:]]

    with pytest.raises(IllegalTransition):
        fold(doubled)


def end_of(record: TaskRecord) -> TaskEvent:
    return changes.ended(record, NOW, TaskState.COMPLETED)


@pytest.mark.parametrize("change", ["progressed", "transferred", "moved", "ended"])
def test_nothing_follows_an_end(change: str) -> None:
    live = record_in(TaskState.RUNNING)
    ended = end_of(live).record
    assert ended is not None
    late = (10.0, 18)
    event = {
        "progressed": changes.progressed(live, late, Progress("late")),
        "transferred": changes.transferred(live, late, "s2"),
        "moved": changes.moved(live, late, TaskState.WAITING),
        "ended": changes.ended(live, late, TaskState.FAILED),
    }[change]

    with pytest.raises(IllegalTransition):
        reduce(ended, event)


@pytest.mark.parametrize(
    "forged",
    [
        {"seq": 18},
        {"type": EventType.FAILED},
        {"type": EventType.STATE_CHANGED},
        {"type": EventType.PROGRESS},
        {"type": EventType.TRANSFERRED},
        {"type": EventType.REGISTERED},
        {"type": EventType.CANCEL_REQUESTED},
    ],
    ids=str,
)
def test_an_event_that_contradicts_itself_is_refused(forged: dict[str, object]) -> None:
    live = record_in(TaskState.RUNNING)
    event = attrs.evolve(end_of(live), **forged)  # type: ignore[arg-type]

    with pytest.raises(IllegalTransition):
        reduce(live, event)


def test_an_event_without_its_registration_is_refused() -> None:
    with pytest.raises(IllegalTransition):
        reduce(None, end_of(record_in(TaskState.RUNNING)))


def test_an_old_event_does_not_follow_a_newer_record() -> None:
    live = record_in(TaskState.RUNNING, seq=17)

    with pytest.raises(IllegalTransition):
        reduce(live, end_of(live))


def test_a_state_that_changed_to_itself_is_refused_unless_it_is_another_attempt() -> None:
    waiting = record_in(TaskState.WAITING)
    same = changes.moved(record_in(TaskState.RUNNING), NOW, TaskState.WAITING)

    with pytest.raises(IllegalTransition):
        reduce(waiting, same)
    assert reduce(waiting, changes.retried(waiting, NOW)) is not None


def test_a_live_task_is_neither_registered_again_nor_overwritten_by_a_transfer() -> None:
    here = changes.registered(record_in(TaskState.PENDING, seq=1))
    again = changes.registered(record_in(TaskState.PENDING, seq=2))
    there = changes.registered(record_in(TaskState.PENDING, session_id="s2", seq=2))
    assert here.record is not None
    collision = changes.transferred(here.record, (9.0, 3), "s2")

    with pytest.raises(IllegalTransition):
        fold([here, again])
    with pytest.raises(IllegalTransition):
        fold([here, there, collision])


def test_what_was_missed_changes_no_record() -> None:
    record = record_in(TaskState.RUNNING)

    assert reduce(record, missed(3, 9, 1.0)) is record
    assert fold([changes.registered(record_in(TaskState.PENDING, seq=1)), missed(1, 9, 1.0)]) != {}


def test_a_failure_is_kept() -> None:
    failure = TaskFailure(FailureKind.ERROR, "no")

    event = changes.ended(record_in(TaskState.RUNNING), NOW, TaskState.FAILED, failure=failure)

    assert event.record is not None
    assert event.record.failure == failure
