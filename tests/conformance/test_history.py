"""Random histories: a host and a plain model of it live through the same, and must agree after each step.

The model knows nothing of loops, scopes, logs or tables: a task is an object with a state, a session is a
dict. After each step the host has settled, and its lists, its summaries and the fold of its events are
compared with the model. Bodies do nothing by themselves: they are told when to end."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import anyio
import attrs
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hostel.sessions import (
    AmbiguousTaskId,
    BackgroundTaskHost,
    CancelPolicy,
    ClosePolicy,
    EventType,
    IllegalTransition,
    Progress,
    Subscription,
    TaskAlreadyExists,
    TaskEvent,
    TaskFilter,
    TaskRecord,
    TaskSpec,
    TaskState,
    TaskStillRuns,
    UnknownTask,
)
from hostel.sessions.journal import fold
from hostel.sessions.states import MOVES

from .conftest import HOSTS
from .steering import Body, quick_folder, settle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from anyio.from_thread import BlockingPortal

    from .conftest import HostFactory

SESSIONS = ["s1", "s2", "s3"]
IDS = ["a", "b", "c", "d"]
RETAIN = 2
ENDS = [TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED, TaskState.ABANDONED]
FENCE = "fence"
"""A session of our own: what is registered there comes after everything that was told before."""

sessions = st.sampled_from(SESSIONS)
ids = st.sampled_from(IDS)
picks = st.integers(0, 99)
hows = st.sampled_from(["register", "register_external", "spawn_managed"])


@attrs.define(eq=False)
class Task:
    """What the model knows of a task."""

    id: str
    session: str
    state: TaskState
    cancel_policy: CancelPolicy
    close_policy: ClosePolicy
    parent: Task | None = None
    wanted_parent: str | None = None
    body: Body | None = None
    progress: Progress | None = None
    actor: str | None = None

    @property
    def live(self) -> bool:
        return self.state.is_live

    @property
    def ancestors(self) -> list[Task]:
        return [self.parent, *self.parent.ancestors] if self.parent is not None else []


class Model:
    """What a host should know."""

    def __init__(self) -> None:
        self.sessions: dict[str, dict[str, Task]] = {name: {} for name in SESSIONS}
        self.finished: dict[str, list[Task]] = {name: [] for name in SESSIONS}
        self.left: dict[tuple[str, str], Task] = {}
        """Tasks by a session they have left."""
        self.just_ended: list[Task] = []

    @property
    def tasks(self) -> list[Task]:
        return [task for tasks in self.sessions.values() for task in tasks.values()]

    @property
    def live(self) -> list[Task]:
        return [task for task in self.tasks if task.live]

    def live_in(self, session: str) -> list[Task]:
        return [task for task in self.sessions[session].values() if task.live]

    def is_free(self, session: str, task_id: str) -> bool:
        task = self.sessions[session].get(task_id)
        return task is None or not task.live

    def find(self, session: str, task_id: str) -> Task | None:
        return self.sessions[session].get(task_id) or self.left.get((session, task_id))

    def parent_of(self, task: Task) -> Task | None:
        here = self.sessions[task.session].get(task.wanted_parent or "")
        if here is None or not here.live:
            elsewhere = [other for other in self.live if other.id == task.wanted_parent]
            here = elsewhere[0] if len(elsewhere) == 1 else None
        if here is None or not here.live or task in (here, *here.ancestors):
            return None
        return here

    def add(self, task: Task) -> None:
        self.forget(self.sessions[task.session].get(task.id))
        self.arrive(task)
        task.parent = self.parent_of(task)
        for orphan in self.live:
            if orphan.parent is None and orphan.wanted_parent == task.id:
                orphan.parent = self.parent_of(orphan)

    def arrive(self, task: Task) -> None:
        self.sessions[task.session][task.id] = task
        self.left.pop((task.session, task.id), None)

    def forget(self, task: Task | None) -> None:
        if task is not None:
            self.left = {place: other for place, other in self.left.items() if other is not task}
            del self.sessions[task.session][task.id]
            if task in self.finished[task.session]:
                self.finished[task.session].remove(task)

    def move(self, task: Task, session: str) -> None:
        del self.sessions[task.session][task.id]
        self.forget(self.sessions[session].get(task.id))
        self.left[task.session, task.id] = task
        task.session = session
        self.arrive(task)

    def end(self, task: Task, state: TaskState) -> None:
        task.state = state
        self.just_ended.append(task)

    def ask(self, tasks: list[Task], actor: str | None, *, cascade: bool = True) -> None:
        """Ask `tasks` and their descendants; those whose policy is to be aborted are gone at once."""
        family = [task for task in self.live if cascade and set(task.ancestors) & set(tasks)]
        for task in [*tasks, *(task for task in family if task not in tasks)]:
            if not task.live or task.state is TaskState.CANCEL_REQUESTED:
                continue
            task.state = TaskState.CANCEL_REQUESTED
            task.actor = actor if task in tasks else "parent"
            if task.body is not None and task.cancel_policy is CancelPolicy.ABORT_LOCAL:
                self.end(task, TaskState.CANCELLED)

    def cancel(self, tasks: list[Task], actor: str | None) -> None:
        """Ask `tasks` and their descendants, and end `tasks` themselves."""
        self.ask(tasks, actor)
        for task in tasks:
            if task.live:
                self.end(task, TaskState.CANCELLED)

    def retain(self, ended_at: dict[tuple[str, str], int]) -> None:
        """Note what ended in this step, in the order it was told, and forget what is too much."""
        for task in sorted(self.just_ended, key=lambda task: ended_at[task.session, task.id]):
            self.finished[task.session].append(task)
        self.just_ended.clear()
        for finished in self.finished.values():
            for task in finished[: max(0, len(finished) - RETAIN)]:
                self.forget(task)


class History(RuleBasedStateMachine):
    """Drives a host, made by `make`, on the loop `backend`."""

    backend: str
    make: Callable[[Path], HostFactory]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.model = Model()
        self.log: list[TaskEvent] = []

    @initialize()
    def open(self) -> None:
        folder = self.stack.enter_context(quick_folder())
        self.portal: BlockingPortal = self.stack.enter_context(start_blocking_portal(self.backend))
        host = type(self).make(folder)(retain_terminal=RETAIN)
        self.host: BackgroundTaskHost = self.stack.enter_context(self.portal.wrap_async_context_manager(host))
        self.events: Subscription = self.portal.call(self._subscribe, None, None)

    def teardown(self) -> None:
        for task in self.model.tasks:
            if task.body is not None and task.live:
                self.portal.call(self._set, task.body.go)
        self.stack.close()

    # what happens

    @rule(
        session=sessions,
        task_id=ids,
        how=hows,
        parent=ids,
        cancel_policy=st.sampled_from([CancelPolicy.COOPERATIVE, CancelPolicy.ABORT_LOCAL]),
        close_policy=st.sampled_from(ClosePolicy),
    )
    def begin(
        self,
        session: str,
        task_id: str,
        how: str,
        parent: str,
        cancel_policy: CancelPolicy,
        close_policy: ClosePolicy,
    ) -> None:
        spec = TaskSpec(
            id=task_id,
            parent_task_id=None if parent == task_id else parent,
            cancel_policy=cancel_policy,
            close_policy=close_policy,
        )
        body = Body(value="done") if how == "spawn_managed" else None
        args = (body.run,) if body is not None else ()
        call = partial(getattr(self.host, how), session, spec, *args)
        if not self.model.is_free(session, task_id):
            self.refused(TaskAlreadyExists, call)
            return
        state = TaskState.PENDING if how == "register" else TaskState.RUNNING
        task = Task(task_id, session, state, cancel_policy, close_policy, body=body)
        task.wanted_parent = spec.parent_task_id
        self.model.add(task)
        self.done(call)

    @rule(session=sessions, order=st.permutations(IDS), how=hows, close_policy=st.sampled_from(ClosePolicy))
    def begin_a_family(self, session: str, order: list[str], how: str, close_policy: ClosePolicy) -> None:
        parent = order[-1]
        for task_id in order:
            self.begin(session, task_id, how, parent, CancelPolicy.COOPERATIVE, close_policy)
            parent = task_id

    @precondition(lambda self: self._bodies())
    @rule(pick=picks, fails=st.booleans())
    def let_a_body_end(self, pick: int, fails: bool) -> None:
        task = self._pick(self._bodies(), pick)
        assert task.body is not None
        if fails:
            task.body.error = ValueError("told to fail")
        self.model.end(task, TaskState.FAILED if fails else TaskState.COMPLETED)
        self.done(partial(self._set, task.body.go))

    @precondition(lambda self: self.model.tasks)
    @rule(pick=picks, cascade=st.booleans())
    def request_cancel(self, pick: int, cascade: bool) -> None:
        task = self._pick(self.model.tasks, pick)
        if task.live:
            self.model.ask([task], "me", cascade=cascade)
        self.done(
            partial(self.host.request_cancel, task.id, actor="me", cascade=cascade, session_id=task.session)
        )

    @precondition(lambda self: self.model.tasks)
    @rule(pick=picks)
    def cancel_managed(self, pick: int) -> None:
        task = self._pick(self.model.tasks, pick)
        if task.live:
            self.model.cancel([task], "me")
        self.done(partial(self.host.cancel_managed, task.session, task.id, actor="me"))

    @rule(session=sessions)
    def cancel_all(self, session: str) -> None:
        self.model.cancel(self.model.live_in(session), "me")
        self.done(partial(self.host.cancel_all_managed, session, actor="me"))

    @precondition(lambda self: self.model.tasks)
    @rule(pick=picks, state=st.sampled_from(ENDS))
    def complete(self, pick: int, state: TaskState) -> None:
        task = self._pick(self.model.tasks, pick)
        if task.live:
            self.model.end(task, state)
        self.done(partial(self.host.complete, task.id, state, session_id=task.session))

    @precondition(lambda self: self.model.tasks)
    @rule(pick=picks, state=st.sampled_from([TaskState.PENDING, TaskState.RUNNING, TaskState.WAITING]))
    def update(self, pick: int, state: TaskState) -> None:
        task = self._pick(self.model.tasks, pick)
        call = partial(self.host.update, task.id, state=state, session_id=task.session)
        moves = MOVES[task.state] - {TaskState.PENDING}
        if state in moves or (task.live and task.state is state):
            task.state = state
            self.done(call)
        else:
            self.refused(IllegalTransition, call)

    @precondition(lambda self: self.model.live)
    @rule(pick=picks, done=st.integers(0, 9))
    def report(self, pick: int, done: int) -> None:
        task = self._pick(self.model.live, pick)
        task.progress = Progress(done=done)
        self.done(partial(self.host.update, task.id, progress=task.progress, session_id=task.session))

    @precondition(lambda self: self.model.tasks)
    @rule(pick=picks, to=sessions)
    def transfer(self, pick: int, to: str) -> None:
        task = self._pick(self.model.tasks, pick)
        call = partial(self.host.transfer, task.id, to, session_id=task.session)
        if not task.live:
            self.refused(IllegalTransition, call)
        elif to != task.session and not self.model.is_free(to, task.id):
            self.refused(TaskAlreadyExists, call)
        else:
            if to != task.session:
                self.model.move(task, to)
            self.done(call)

    @rule(source=sessions, to=sessions, chosen=st.lists(ids, max_size=4))
    def transfer_many(self, source: str, to: str, chosen: list[str]) -> None:
        call = partial(self.host.transfer_managed, source, to, chosen)
        found = [self.model.find(source, task_id) for task_id in dict.fromkeys(chosen)]
        if None in found:
            self.refused(UnknownTask, call)
            return
        moving = [task for task in found if task is not None and task.live and task.session != to]
        if any(not self.model.is_free(to, task.id) for task in moving):
            self.refused(TaskAlreadyExists, call)
            return
        for task in moving:
            self.model.move(task, to)
        self.done(call)

    @rule(session=sessions, successor=st.none() | sessions)
    def close(self, session: str, successor: str | None) -> None:
        if session == successor:
            self.refused(ValueError, partial(self.host.close_session, session, successor=successor))
            return
        stopped: list[Task] = []
        for task in self.model.live_in(session):
            movable = successor is not None and self.model.is_free(successor, task.id)
            if task.close_policy is ClosePolicy.TRANSFER and successor is not None and movable:
                self.model.move(task, successor)
            elif task.close_policy is not ClosePolicy.KEEP:
                stopped.append(task)
        self.model.cancel(stopped, "session closed")
        self.done(partial(self.host.close_session, session, successor=successor))

    @rule(session=st.none() | sessions, keep=st.integers(0, 3))
    def prune(self, session: str | None, keep: int) -> None:
        for name in SESSIONS if session is None else [session]:
            finished = self.model.finished[name]
            for task in finished[: max(0, len(finished) - keep)]:
                self.model.forget(task)
        self.done(partial(self.host.prune, session, keep=keep))

    @rule(session=sessions, task_id=ids)
    def unregister(self, session: str, task_id: str) -> None:
        task = self.model.find(session, task_id)
        call = partial(self.host.unregister_external, session, task_id)
        if task is None:
            self.refused(UnknownTask, call)
        elif task.live and task.body is not None:
            self.refused(TaskStillRuns, call)
        else:
            self.model.forget(task)
            self.done(call)

    # what can be seen at any time

    @precondition(lambda self: self.log)
    @rule(pick=picks, session=st.none() | sessions)
    def subscribe_after(self, pick: int, session: str | None) -> None:
        after = self.log[pick * len(self.log) // 100].seq
        filter = TaskFilter(session_id=session)
        expected = [event for event in self.log if event.seq > after and event.matches(filter)]

        events = self.portal.call(self._subscribe, filter, after)

        assert self.portal.call(self._take, events, len(expected)) == expected

    @rule(task_id=ids)
    def get_by_id_alone(self, task_id: str) -> None:
        found = [task for task in self.model.tasks if task.id == task_id]
        live = [task for task in found if task.live]
        call = partial(self.host.get, task_id)
        if len(live) == 1 or len(found) == 1:
            record = self.portal.call(call)
            assert record is not None
            assert record.session_id == (live or found)[0].session
        elif found:
            with pytest.raises(AmbiguousTaskId):
                self.portal.call(call)
        else:
            assert self.portal.call(call) is None

    @invariant()
    def the_host_agrees_with_the_model(self) -> None:
        records = self._listed(TaskFilter(include_terminal=True))
        seen = {
            (record.session_id, record.id): (record.state, record.progress, record.cancel_actor)
            for record in records
        }
        assert seen == {
            (task.session, task.id): (task.state, task.progress, task.actor) for task in self.model.tasks
        }
        assert records == sorted(records, key=lambda record: (record.created_at, record.id))
        assert self._listed(TaskFilter()) == [record for record in records if not record.is_terminal]

    @invariant()
    def the_records_are_the_fold_of_the_events(self) -> None:
        folded = fold(self.log)
        for record in self._listed(TaskFilter(include_terminal=True)):
            assert folded[record.session_id, record.id] == record

    @invariant()
    def events_have_no_gaps_and_each_life_has_at_most_one_end(self) -> None:
        assert [event.seq for event in self.log] == list(
            range(self.log[0].seq, self.log[0].seq + len(self.log)) if self.log else []
        )
        ended: set[tuple[str, str]] = set()
        for event in self.log:
            place = event.from_session_id or event.session_id, event.task_id
            if event.type is EventType.REGISTERED:
                ended.discard(place)
            assert place not in ended
            if event.type is EventType.TRANSFERRED:
                ended.discard((event.session_id, event.task_id))
            if event.record is not None and event.record.is_terminal:
                ended.add((event.session_id, event.task_id))

    @invariant()
    def the_summaries_count_what_the_model_has(self) -> None:
        counted = {summary.id: dict(summary.counts) for summary in self.portal.call(self.host.sessions)}
        expected: dict[str, dict[TaskState, int]] = {}
        for task in self.model.tasks:
            counts = expected.setdefault(task.session, {})
            counts[task.state] = counts.get(task.state, 0) + 1
        assert counted == expected

    # how it is done

    def done(self, call: Callable[[], Awaitable[object]]) -> None:
        """Let the host do it, and read what it tells."""
        new = self.portal.call(self._do, call)
        self.log += new
        ended_at = {
            (event.session_id, event.task_id): event.seq
            for event in new
            if event.record is not None and event.record.is_terminal
        }
        self.model.retain(ended_at)

    def refused(self, error: type[Exception], call: Callable[[], Awaitable[object]]) -> None:
        """Let the host refuse it; nothing is told of that."""
        with pytest.raises(error):
            self.portal.call(call)
        new = self.portal.call(self._read)
        self.log += new
        assert {event.session_id for event in new} == {FENCE}

    async def _do(self, call: Callable[[], Awaitable[object]]) -> list[TaskEvent]:
        with anyio.fail_after(60):
            await call()
            return await self._read()

    async def _read(self) -> list[TaskEvent]:
        await settle()
        fence = await self.host.register(FENCE, TaskSpec())
        new = await self._until(lambda event: event.task_id == fence.id)
        await self.host.unregister_external(FENCE, fence.id)
        new += await self._until(lambda event: event.type is EventType.ABANDONED)
        return new

    async def _until(self, last: Callable[[TaskEvent], bool]) -> list[TaskEvent]:
        new = [await anext(self.events)]
        while not last(new[-1]) or new[-1].session_id != FENCE:
            new.append(await anext(self.events))
        return new

    async def _take(self, events: Subscription, count: int) -> list[TaskEvent]:
        with anyio.fail_after(60):
            return [await anext(events) for _ in range(count)]

    async def _subscribe(self, filter: TaskFilter | None, after: int | None) -> Subscription:
        return self.host.subscribe(filter, after=after)

    async def _set(self, event: anyio.Event) -> None:
        event.set()

    def _listed(self, filter: TaskFilter) -> list[TaskRecord]:
        return self.portal.call(self.host.list, filter)

    def _bodies(self) -> list[Task]:
        return [task for task in self.model.live if task.body is not None]

    def _pick(self, tasks: list[Task], pick: int) -> Task:
        return tasks[pick % len(tasks)]


EXAMPLES = {"memory": 80}
"""How many histories to try; fewer where each step waits for a disk."""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("kind", list(HOSTS))
def test_a_host_and_a_plain_model_of_it_agree_whatever_happens(backend: str, kind: str) -> None:
    machine = type("History", (History,), {"backend": backend, "make": staticmethod(HOSTS[kind])})

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES.get(kind, 20),
            stateful_step_count=40,
            deadline=None,
            phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
        ),
    )
