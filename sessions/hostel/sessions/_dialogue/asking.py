"""A task that asks, and its answer.

The question is in the record: whoever looks at the task sees it, and the first answer that fits takes it out
again, which is one event. So two answers cannot both take effect, and an answer to what is no longer asked is
refused. While a task waits for an answer, nobody's time runs: its deadline is put off by as long as people
take. A task that has to stop asks no more."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import anyio
import attrs

from .. import _transitions as changes
from .._errors import AsksNothing, QuestionWithdrawn, StaleQuestion
from .._ids import new_id
from .._json import as_json
from .._questions import check_answer, checked_question
from ..states import TaskState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._records import JsonValue, Question
    from .._tasks.entry import Entry, Run


class Deadlines(Protocol):
    """Who watches over a body that runs in a thread."""

    def expect(self, entry: Entry, seconds: float) -> None: ...

    def dismiss(self, entry: Entry) -> None: ...


class Applies(Protocol):
    """What a host does for a task that asks."""

    @property
    def heartbeats(self) -> Deadlines: ...

    def stamp(self) -> changes.Stamp: ...

    def apply(
        self,
        entry: Entry,
        change: changes.Change[changes.P],
        *args: changes.P.args,
        **more: changes.P.kwargs,
    ) -> None: ...


async def ask(host: Applies, entry: Entry, run: Run, question: Question, timeout: float | None) -> JsonValue:
    """Ask a question of a task and return what it is answered within `timeout` seconds.

    :raises TimeoutError: if nobody answers in time.
    :raises QuestionWithdrawn: if the task has to stop.
    """
    run.asking = run.asking or anyio.Lock()
    async with run.asking:
        if entry.must_stop:
            raise QuestionWithdrawn(entry.record.id)
        run.waits += 1
        host.apply(entry, changes.asked, question)
        entry.notify()
        try:
            with _stopped_clock(host.heartbeats, entry, run), anyio.move_on_after(timeout):
                while entry.record.question is question and not entry.must_stop:
                    await entry.changed()
            return _answer_to(entry, run, question)
        finally:
            run.waits -= 1
            if entry.record.question is question:
                host.apply(entry, changes.withdrawn, _next_state(run))


def _answer_to(entry: Entry, run: Run, question: Question) -> JsonValue:
    if entry.must_stop:
        run.saw_request = True
        raise QuestionWithdrawn(entry.record.id)
    # by the record, not by the clock: an answer of the last moment has taken effect
    if entry.record.question is question:
        raise TimeoutError
    answer, run.answer = run.answer, None
    return answer


def answer(host: Applies, entry: Entry, value: JsonValue, question_id: str | None, actor: str | None) -> None:
    """Answer the question of a task.

    :raises AsksNothing: if it asks nothing.
    :raises StaleQuestion: if it asks something else than `question_id`.
    :raises WrongAnswer: if the value does not fit.
    :raises TypeError, ValueError: if it is no JSON.
    """
    question = entry.record.question
    if question is None and question_id is None:
        raise AsksNothing(entry.record.id)
    if question is None or question_id not in (None, question.id):
        raise StaleQuestion(entry.record.id, question_id or "")
    given = as_json(value)
    check_answer(entry.record.id, question, given)
    run = entry.run
    state = TaskState.RUNNING if run is None or run.waits <= 1 else TaskState.WAITING
    # the owner of an external task reads it from the event; nobody else has to know it
    told = given if run is None else None
    host.apply(entry, changes.answered, state, actor, value=told)
    if run is not None:
        run.answer = given
    entry.notify()


def pose(host: Applies, entry: Entry, question: Question, state: TaskState | None) -> None:
    """Ask a question for a task that somebody else runs.

    :raises InvalidQuestion: if nobody could answer it.
    :raises IllegalTransition: if the task has ended or was asked to stop.
    :raises ValueError: if `state` is not waiting, or the host runs the task.
    """
    if state is not TaskState.WAITING or entry.run is not None:
        raise ValueError("a question needs state=WAITING and a task that somebody else runs")
    at = host.stamp()[0]
    posed = attrs.evolve(checked_question(question), id=question.id or new_id(at), asked_at=at)
    host.apply(entry, changes.asked, posed)
    entry.notify()


def _next_state(run: Run) -> TaskState:
    return TaskState.WAITING if run.waits else TaskState.RUNNING


@contextmanager
def _stopped_clock(heartbeats: Deadlines, entry: Entry, run: Run) -> Iterator[None]:
    """Put the deadline of a body off by as long as the block takes."""
    scope, began = run.scope, anyio.current_time()
    left = scope.deadline - began if scope is not None else math.inf
    in_thread, allowed = entry.silent_at - began, entry.allowed
    if scope is not None:
        scope.deadline = math.inf
    heartbeats.dismiss(entry)
    try:
        yield
    finally:
        now = anyio.current_time()
        if scope is not None:
            scope.deadline = now + left
        if in_thread < math.inf:
            heartbeats.expect(entry, in_thread)
            entry.allowed = allowed
