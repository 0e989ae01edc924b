"""Anything in any order: spawns with parents, questions, answers, cancellations, transfers, closed sessions,
and the stop of the host at any moment. What must hold whatever happens is looked at after each step.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import anyio
import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostel.sessions import (
    AsksNothing,
    CancelPolicy,
    ClosePolicy,
    EventType,
    Limits,
    LocalBackgroundTaskHost,
    MailboxFull,
    Priority,
    StaleQuestion,
    TakesNoMessages,
    TaskEvent,
    TaskFilter,
    TaskSpec,
    TaskState,
    WrongAnswer,
    current_task,
)

from .steering import settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostel.sessions import TaskRecord

SESSIONS, KINDS = ["s0", "s1", "s2"], ["a", "b"]
NEVER = 3600.0
EVERYTHING = TaskFilter(include_terminal=True)
STARTED = {TaskState.RUNNING, TaskState.WAITING, TaskState.CANCEL_REQUESTED}


@attrs.define(eq=False)
class Steered:
    """A task that does what it is told, one thing after the other."""

    kind: str
    parent: Steered | None
    orders: list[str] = attrs.Factory(list)
    told: anyio.Event = attrs.Factory(anyio.Event)
    runs: bool = False
    record: Callable[[], TaskRecord] | None = None

    def tell(self, order: str) -> None:
        self.orders.append(order)
        self.told.set()

    async def body(self) -> str:
        assert not self.runs
        self.runs = True
        try:
            while True:
                while not self.orders:
                    self.told = anyio.Event()
                    await self.told.wait()
                match self.orders.pop(0):
                    case "end":
                        return "done"
                    case "fail":
                        raise ValueError("as told")
                    case "ask":
                        await current_task().ask("go on?", choices=["yes", "no"])
                    case "write":
                        await current_task().write("a line\n")
        finally:
            self.runs = False


class World:
    """One host, all that was started in it, and what must hold of them."""

    def __init__(self, host: LocalBackgroundTaskHost, limits: Limits) -> None:
        self.host, self.limits = host, limits
        self.tasks: list[Steered] = []
        self.moved = False
        self.old_questions: list[str] = []

    async def do(self, verb: str, which: int, session: str, how: int) -> None:
        if verb == "spawn":
            await self.spawn(which, session, how)
        elif verb == "close":
            successor = SESSIONS[how % 3] if SESSIONS[how % 3] != session else None
            self.moved = self.moved or successor is not None
            await self.host.close_session(session, successor=successor, grace=0)
        elif self.tasks:
            task = self.tasks[which % len(self.tasks)]
            if verb in ("end", "fail", "ask", "write"):
                task.tell(verb)
            else:
                await getattr(self, verb)(task, session, how)
        await settle()

    async def spawn(self, which: int, session: str, how: int) -> None:
        parent = self.tasks[which % len(self.tasks)] if self.tasks and how % 2 else None
        task = Steered(KINDS[which % 2], parent)
        spec = TaskSpec(
            kind=task.kind,
            parent_task_id=parent.record().id if parent and parent.record else None,
            priority=list(Priority)[how % 4],
            not_before=time.time() + NEVER if how % 11 == 10 else None,
            close_policy=list(ClosePolicy)[how % 3],
            cancel_policy=CancelPolicy.COOPERATIVE if how % 7 == 6 else None,
        )
        handle = await self.host.spawn_managed(session, spec, task.body)
        task.record = lambda: handle.record
        self.tasks.append(task)

    async def answer(self, task: Steered, session: str, how: int) -> None:
        record = _record(task)
        question = record.question
        wanted = (
            self.old_questions[how % len(self.old_questions)] if self.old_questions and how % 3 == 0 else None
        )
        fits = how % 4 != 3
        outcome: type[Exception] | None = None
        try:
            await self.host.answer(record.id, "yes" if fits else "perhaps", question_id=wanted)
        except (AsksNothing, StaleQuestion, WrongAnswer) as error:
            outcome = type(error)
        if question is None:
            assert outcome is (StaleQuestion if wanted else AsksNothing)
        elif wanted not in (None, question.id):
            assert outcome is StaleQuestion
        else:
            assert outcome is (None if fits else WrongAnswer)
        if question is not None:
            self.old_questions.append(question.id)

    async def cancel(self, task: Steered, session: str, how: int) -> None:
        verb = self.host.request_cancel if how % 2 else self.insist
        await verb(_record(task).id)

    async def insist(self, task_id: str) -> None:
        record = await self.host.get(task_id)
        assert record is not None
        await self.host.cancel_managed(record.session_id, task_id, grace=60)

    async def transfer(self, task: Steered, session: str, how: int) -> None:
        if _record(task).state.is_live:
            self.moved = self.moved or _record(task).session_id != session
            await self.host.transfer(_record(task).id, session)
            assert _record(task).session_id == session

    async def send(self, task: Steered, session: str, how: int) -> None:
        try:
            await self.host.send(_record(task).id, how)
        except TakesNoMessages:
            assert not _record(task).state.is_live
        except MailboxFull:
            pass

    async def complete(self, task: Steered, session: str, how: int) -> None:
        state = [TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED, TaskState.ABANDONED][how % 4]
        before = _record(task).state
        record = await self.host.complete(_record(task).id, state)
        if before is TaskState.PENDING:
            assert record.state is state

    async def flip(self, task: Steered, session: str, how: int) -> None:
        await self.host.mark_live_state(_record(task).session_id, _record(task).id, list(TaskState)[how % 8])

    def let_cooperative_ones_end(self) -> None:
        for task in self.tasks:
            if _record(task).cancel_policy is CancelPolicy.COOPERATIVE:
                task.orders[:0] = ["end"]
                task.told.set()

    def check(self) -> None:
        for task in self.tasks:
            record = _record(task)
            assert task.runs == (record.state in STARTED), record
            assert record.question is None or record.state is TaskState.WAITING
            assert (record.started_at is None) == (
                not task.runs and record.completed_at is None
            ) or not task.runs
        limits = self.limits
        running = [task for task in self.tasks if task.runs]
        assert places(running) <= (limits.total or len(running))
        for kind, size in limits.per_kind.items():
            assert places([task for task in running if task.kind == kind]) <= size
        for session in SESSIONS if limits.per_session and not self.moved else ():
            here = [task for task in running if _record(task).session_id == session]
            assert places(here) <= (limits.per_session or 0)

    def check_idle(self) -> None:
        """Look that nothing waits for nothing, and that nothing is kept of what has ended."""
        live = [task for task in self.tasks if _record(task).state.is_live]
        admission = self.host._host.turns._admission
        assert len(admission._tasks) <= len(live)
        if not live:
            assert not admission._groups
            assert not admission._sessions
            assert not self.host._host.table._asking


def _record(task: Steered) -> TaskRecord:
    assert task.record is not None
    return task.record()


def _line(task: Steered) -> list[Steered]:
    line = [task]
    while line[-1].parent is not None:
        line.append(line[-1].parent)
    return line


def places(running: list[Steered]) -> int:
    """Return how many places these take at least: each lends its own to one child."""
    lenders = {above for task in running for above in _line(task)[1:] if above in running}
    return len(running) - len(lenders)


def check_history(events: list[TaskEvent], tasks: list[Steered]) -> None:
    ends = Counter(event.task_id for event in events if event.record is not None and event.record.is_terminal)
    assert ends == Counter(_record(task).id for task in tasks)
    answered = Counter[str]()
    asked = defaultdict[str, str](str)
    for event in events:
        assert event.record is not None
        if event.type is EventType.ANSWERED:
            answered[asked[event.task_id]] += 1
        if event.record.question is not None:
            assert event.record.state is TaskState.WAITING
            asked[event.task_id] = event.record.question.id
    assert set(answered.values()) <= {1}


small = st.integers(0, 1_000)
verbs = st.sampled_from(
    ["spawn"] * 5 + ["end", "fail", "ask", "ask", "write", "answer", "answer", "cancel", "transfer"]
    + ["send", "complete", "flip", "close"]
)  # fmt: skip
sizes = st.one_of(st.none(), st.integers(1, 3))
limits = st.builds(
    Limits, sizes, sizes, st.dictionaries(st.sampled_from(KINDS), st.integers(1, 2), max_size=2)
)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@given(limits=limits, steps=st.lists(st.tuples(verbs, small, st.sampled_from(SESSIONS), small), max_size=40))
@settings(max_examples=150)
def test_whatever_is_done_in_whatever_order(
    loop: str, limits: Limits, steps: list[tuple[str, int, str, int]]
) -> None:
    async def live() -> None:
        events: list[TaskEvent] = []
        async with LocalBackgroundTaskHost(limits=limits, stop_grace=60) as host:
            history = host.subscribe(after=0)
            world = World(host, limits)
            for step in steps:
                await world.do(*step)
                world.check()
                world.check_idle()
            world.let_cooperative_ones_end()
        events = [event async for event in history]
        assert all(not task.runs for task in world.tasks)
        assert all(_record(task).is_terminal for task in world.tasks)
        check_history(events, world.tasks)

    anyio.run(live, backend=loop)
