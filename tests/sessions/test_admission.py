"""Admission: who starts, in which order, and what a limit, a delay, a parent and a transfer do to that."""

import gc
import weakref
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hostel.sessions import Limits, Place, Priority
from hostel.sessions._admission.admission import HEAD_START, Admission

from .admission_model import Model, Modelled

INTERACTIVE, NORMAL, BATCH, IDLE = Priority


def offer(
    admission: Admission[str],
    key: str,
    session_id: str = "s",
    kind: str = "job",
    priority: Priority = NORMAL,
    at: float = 0,
    not_before: float | None = None,
    parent: str | None = None,
) -> bool:
    return admission.offer(key, session_id, kind, priority, at, not_before=not_before, parent=parent)


# limits


@pytest.mark.parametrize("wrong", [0, -1, True, 2.0, "3"])
def test_a_limit_that_is_no_number_of_places_is_named(wrong: Any) -> None:
    with pytest.raises(
        ValueError, match=f"^total is {wrong!r}, but a limit is a whole number of at least 1$"
    ):
        Limits(total=wrong)
    with pytest.raises(ValueError, match=r"^per_session is "):
        Limits(per_session=wrong)
    with pytest.raises(ValueError, match=r"^per_kind\['job'\] is "):
        Limits(per_kind={"job": wrong})


def test_a_limit_of_a_kind_is_never_none() -> None:
    with pytest.raises(ValueError, match=r"^per_kind\['job'\] is None"):
        Limits(per_kind={"job": None})  # type: ignore[dict-item]


def test_limits_do_not_change_with_what_they_were_made_from() -> None:
    sizes = {"job": 1}
    limits = Limits(per_kind=sizes)
    sizes["job"] = 5

    assert limits == Limits(per_kind={"job": 1})


def test_without_limits_everything_starts_and_nothing_is_kept() -> None:
    admission = Admission[str](Limits())

    assert all(offer(admission, str(number)) for number in range(100))
    assert admission.release("5") == []
    assert admission.move("6", "other") == []
    assert admission.place("7") is None
    assert not admission._tasks


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(total=1), "limit of 1 in all"),
        (Limits(per_session=1), "limit of 1 for session 's'"),
        (Limits(per_kind={"job": 1}), "limit of 1 for kind 'job'"),
    ],
)
def test_what_is_over_a_limit_waits_and_says_why(limits: Limits, reason: str) -> None:
    admission = Admission[str](limits)
    assert offer(admission, "a")
    assert not offer(admission, "b")
    assert not offer(admission, "c")

    assert admission.place("a") is None
    assert admission.place("b") == Place(1, reason)
    assert admission.place("c") == Place(2, reason)
    assert admission.release("a") == ["b"]
    assert admission.place("c") == Place(1, reason)


def test_who_is_over_its_own_limit_blocks_nobody_behind_it() -> None:
    admission = Admission[str](Limits(total=3, per_session=1, per_kind={"rare": 1}))
    offer(admission, "first", "s1", "rare")
    assert not offer(admission, "same session", "s1")
    assert not offer(admission, "same kind", "s2", "rare")

    assert offer(admission, "other", "s3")
    assert offer(admission, "another", "s2")
    assert admission.release("first") == ["same session"]
    assert admission.release("another") == ["same kind"]


def test_a_place_wanted_by_one_blocked_elsewhere_goes_to_the_next() -> None:
    admission = Admission[str](Limits(per_session=1, per_kind={"rare": 1}))
    offer(admission, "rare one", "s1", "rare")
    offer(admission, "plain one", "s2")
    offer(admission, "blocked twice", "s2", "rare")
    offer(admission, "blocked once", "s2")

    assert admission.release("plain one") == ["blocked once"]


@pytest.mark.parametrize("behind", [[], ["idle"]])
def test_a_place_that_a_ready_task_leaves_goes_to_the_next(behind: list[str]) -> None:
    admission = Admission[str](Limits(total=1, per_session=1))
    offer(admission, "running", "s1")
    offer(admission, "ready", "s1")
    offer(admission, "other kind", "s1", "other")
    for key in behind:
        offer(admission, key, "s1", priority=IDLE)
    offer(admission, "preferred", "s2", priority=INTERACTIVE)
    assert admission.release("running") == ["preferred"]

    assert admission.release("ready") == []
    assert admission.release("preferred") == ["other kind"]


def test_a_key_is_offered_once_until_it_is_released() -> None:
    admission = Admission[str](Limits(total=1))
    offer(admission, "a")

    with pytest.raises(ValueError, match="task 'a' waits or runs already"):
        offer(admission, "a")
    admission.release("a")
    assert offer(admission, "a")


# order


def test_classes_are_preferred_and_equals_start_as_they_came() -> None:
    admission = Admission[str](Limits(total=1))
    offer(admission, "running")
    for priority in reversed(Priority):
        offer(admission, f"{priority} 1", priority=priority)
        offer(admission, f"{priority} 2", priority=priority)

    started, ended = [], "running"
    while admitted := admission.release(ended):
        started += admitted
        ended = admitted[0]
    assert started == [f"{priority} {number}" for priority in Priority for number in (1, 2)]


@pytest.mark.parametrize("priority", Priority)
def test_nobody_who_comes_after_the_head_start_overtakes(priority: Priority) -> None:
    admission = Admission[str](Limits(total=1))
    offer(admission, "running")
    offer(admission, "early", priority=priority, at=0)
    offer(admission, "late", priority=INTERACTIVE, at=HEAD_START[priority] + 0.001)

    assert admission.release("running") == ["early"]


def test_an_idle_task_starts_under_an_endless_stream_of_interactive_ones() -> None:
    admission = Admission[str](Limits(total=1))
    offer(admission, "0", priority=INTERACTIVE, at=0)
    offer(admission, "idle", priority=IDLE, at=0)
    now, started = 0, ["0"]
    while "idle" not in started:
        now += 1
        offer(admission, str(now), priority=INTERACTIVE, at=now)
        offer(admission, f"{now} more", priority=INTERACTIVE, at=now)
        started += admission.release(started[-1])

    assert len(started) <= 2 * HEAD_START[IDLE] + 2


# delays


def test_a_delayed_task_arrives_when_it_is_due() -> None:
    admission = Admission[str](Limits(total=1))
    assert not offer(admission, "later", at=0, not_before=20)
    assert not offer(admission, "sooner", at=0, not_before=10)
    assert admission.next_due() == 10
    assert admission.place("sooner") == Place(1, "not before 1970-01-01 00:00:10 UTC")
    assert admission.place("later") == Place(2, "not before 1970-01-01 00:00:20 UTC")

    assert admission.due(9.9) == []
    assert admission.due(10) == ["sooner"]
    assert admission.next_due() == 20
    assert offer(admission, "meanwhile", at=15) is False
    assert admission.due(30) == []
    assert admission.next_due() is None
    assert admission.release("sooner") == ["meanwhile"]


def test_a_delay_holds_without_limits_too() -> None:
    admission = Admission[str](Limits())
    assert not offer(admission, "later", at=0, not_before=10)

    assert admission.due(10) == ["later"]
    assert admission.release("later") == []


def test_a_time_that_is_past_delays_nothing() -> None:
    assert offer(Admission(Limits(total=1)), "a", at=10, not_before=10)


def test_what_is_cancelled_before_it_is_due_never_starts() -> None:
    admission = Admission[str](Limits())
    offer(admission, "a", not_before=10)
    admission.release("a")

    assert admission.next_due() is None
    assert admission.due(10) == []


# draining


def test_after_draining_nothing_starts_and_what_waits_can_be_cancelled() -> None:
    admission = Admission[str](Limits(total=1))
    offer(admission, "a")
    offer(admission, "b")
    offer(admission, "c", not_before=5)
    admission.drain()

    assert admission.release("a") == []
    assert admission.due(10) == []
    assert not offer(admission, "d")
    assert admission.place("b") == Place(1, "nothing is started any more")
    assert admission.place("d") == Place(2, "nothing is started any more")
    assert [admission.release(key) for key in "bcd"] == [[], [], []]


def test_after_draining_nothing_starts_without_limits_either() -> None:
    admission = Admission[str](Limits())
    admission.drain()

    assert not offer(admission, "a")


# transfers


def test_a_waiting_task_that_moves_waits_for_its_new_session() -> None:
    admission = Admission[str](Limits(per_session=1))
    offer(admission, "a", "s1")
    offer(admission, "b", "s1")

    assert admission.move("b", "s2") == ["b"]


def test_a_running_task_that_moves_keeps_its_place_and_frees_the_old_one() -> None:
    admission = Admission[str](Limits(per_session=1))
    for key, session_id in [("a", "s1"), ("b", "s2"), ("waits 1", "s1"), ("waits 2", "s2")]:
        offer(admission, key, session_id)

    assert admission.move("a", "s2") == ["waits 1"]
    assert admission.release("b") == []
    assert admission.release("a") == ["waits 2"]


def test_a_delayed_task_that_moves_is_still_delayed() -> None:
    admission = Admission[str](Limits(per_session=1))
    offer(admission, "a", "s1")
    offer(admission, "b", "s1", not_before=10)

    assert admission.move("b", "s2") == []
    assert admission.due(10) == ["b"]


# parents and children


@pytest.mark.parametrize(
    "limits", [Limits(total=1), Limits(per_session=1), Limits(per_kind={"job": 1}), Limits(1, 1, {"job": 1})]
)
def test_a_parent_lends_its_place_to_one_child_at_a_time(limits: Limits) -> None:
    admission = Admission[str](limits)
    offer(admission, "parent")
    offer(admission, "stranger")

    assert offer(admission, "first", parent="parent")
    assert not offer(admission, "second", parent="parent")
    assert offer(admission, "grandchild", parent="first")
    assert admission.release("first") == []
    assert admission.release("grandchild") == ["second"]
    assert admission.release("second") == []
    assert admission.release("parent") == ["stranger"]


def test_a_child_whose_parent_ends_inherits_the_place() -> None:
    admission = Admission[str](Limits(total=1))
    offer(admission, "parent")
    offer(admission, "child", parent="parent")
    offer(admission, "stranger")

    assert admission.release("parent") == []
    assert offer(admission, "grandchild", parent="child")
    assert admission.release("child") == []
    assert admission.release("grandchild") == ["stranger"]


def test_the_place_of_a_kind_that_the_child_is_not_of_is_free_when_the_parent_ends() -> None:
    admission = Admission[str](Limits(total=1, per_kind={"agent": 1}))
    offer(admission, "parent", kind="agent")
    offer(admission, "child", kind="process", parent="parent")
    admission.release("parent")
    offer(admission, "next", kind="agent")

    assert admission.place("next") == Place(1, "limit of 1 in all")


def test_a_limit_that_does_not_count_the_parent_holds_for_its_child() -> None:
    admission = Admission[str](Limits(total=2, per_kind={"process": 1}))
    offer(admission, "stranger", kind="process")
    offer(admission, "parent", kind="agent")

    assert not offer(admission, "child", kind="process", parent="parent")
    assert admission.place("child") == Place(1, "limit of 1 for kind 'process'")
    assert offer(admission, "sibling", parent="parent", at=20)
    assert admission.release("stranger") == ["child"]


def test_a_kind_lent_through_another_kind_comes_back_to_the_grandchild() -> None:
    admission = Admission[str](Limits(per_kind={"agent": 1, "process": 1}))
    offer(admission, "agent", kind="agent")
    offer(admission, "process", kind="process", parent="agent")

    assert offer(admission, "agent below", kind="agent", parent="process")


def test_children_that_were_there_before_their_parent_started_borrow_then() -> None:
    admission = Admission[str](Limits(total=1))
    offer(admission, "running")
    offer(admission, "parent")
    offer(admission, "child", parent="parent", priority=IDLE)
    offer(admission, "stranger")

    assert admission.release("running") == ["parent", "child"]


def test_a_child_of_nobody_known_waits_as_everybody_does() -> None:
    admission = Admission[str](Limits(total=1))
    offer(admission, "a")

    assert not offer(admission, "child", parent="unknown")


def test_a_child_may_borrow_once_its_running_parent_moved_to_its_session() -> None:
    admission = Admission[str](Limits(per_session=1))
    offer(admission, "parent", "s1")
    offer(admission, "stranger", "s2")
    assert not offer(admission, "child", "s2", parent="parent")

    assert admission.move("parent", "s2") == ["child"]


def test_a_long_line_of_children_that_outlive_their_parents_keeps_none_of_them() -> None:
    admission = Admission[str](Limits(total=1))
    offer(admission, "0")
    first = weakref.ref(admission._tasks["0"])
    for number in range(3):
        offer(admission, str(number + 1), parent=str(number))
        admission.release(str(number))
    gc.collect()

    assert first() is None


# against a model


SESSIONS = st.sampled_from(["s1", "s2", "s3"])
KINDS = st.sampled_from(["agent", "process", "job"])
SIZES = st.integers(1, 3)
LIMITS = st.builds(
    Limits, st.none() | st.integers(1, 5), st.none() | SIZES, st.dictionaries(KINDS, SIZES, max_size=2)
)


class Histories(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.started = False

    @precondition(lambda self: not self.started)
    @rule(limits=LIMITS.filter(lambda limits: limits != Limits()))
    def begin(self, limits: Limits) -> None:
        self.started = True
        self.model, self.admission = Model(limits), Admission[str](limits)
        self.moved_into: set[tuple[str, str]] = set()

    @precondition(lambda self: self.started)
    @rule(
        session_id=SESSIONS,
        kind=KINDS,
        priority=st.sampled_from(Priority),
        data=st.data(),
        times=st.integers(1, 4),
    )
    def offer(self, session_id: str, kind: str, priority: Priority, data: st.DataObject, times: int) -> None:
        delay = data.draw(st.sampled_from([0, 0, 0, 5, 20, 100]))
        parent = data.draw(st.sampled_from([None, *self.model.tasks]))
        for _ in range(times):
            task = self.model.offer(session_id, kind, priority, self.model.now + delay, parent)
            admitted = self.admission.offer(
                task.key,
                session_id,
                kind,
                priority,
                self.model.now,
                not_before=task.not_before,
                parent=parent,
            )
            assert self.model.admit() == ([task.key] if admitted else [])

    @precondition(lambda self: self.started and self.model.running())
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        self.release(data.draw(st.sampled_from([task.key for task in self.model.running()])))

    @precondition(lambda self: self.started and self.model.tasks)
    @rule(data=st.data())
    def end_or_cancel(self, data: st.DataObject) -> None:
        self.release(data.draw(st.sampled_from(list(self.model.tasks))))

    def release(self, key: str) -> None:
        self.model.end(key)
        assert self.admission.release(key) == self.model.admit()

    @precondition(lambda self: self.started and self.model.tasks)
    @rule(data=st.data(), session_id=SESSIONS)
    def move(self, data: st.DataObject, session_id: str) -> None:
        task = self.model.tasks[data.draw(st.sampled_from(list(self.model.tasks)))]
        if task.line is not None:
            self.moved_into.add(("session", session_id))
        task.session_id = session_id
        assert self.admission.move(task.key, session_id) == self.model.admit()

    @precondition(lambda self: self.started)
    @rule(seconds=st.sampled_from([1, 10, 100, 400]))
    def advance(self, seconds: float) -> None:
        self.model.now += seconds
        assert self.admission.due(self.model.now) == self.model.admit()

    @invariant()
    def no_limit_is_exceeded_but_by_transfers(self) -> None:
        if self.started:
            used = self.model.used()
            assert all(used[limit] <= self.model.size(limit) for limit in used.keys() - self.moved_into)

    @invariant()
    def nobody_waits_whose_places_are_free(self) -> None:
        if self.started:
            assert all(self.model.stopping(task) for task in self.model.waiting())

    @invariant()
    def everybody_knows_its_place(self) -> None:
        if self.started:
            assert all(self.admission.place(task.key) is None for task in self.model.running())
            for task in self.model.waiting():
                self.compare_place(task)
            due = [task.not_before for task in self.model.delayed()]
            assert self.admission.next_due() == min(due, default=None)

    def compare_place(self, task: Modelled) -> None:
        place = self.admission.place(task.key)
        assert place is not None
        reasons = {
            "total": f"limit of {self.model.limits.total} in all",
            "session": f"limit of {self.model.limits.per_session} for session {task.session_id!r}",
            "kind": f"limit of {self.model.limits.per_kind.get(task.kind)} for kind {task.kind!r}",
        }
        assert place.reason in {reasons[limit] for limit, _ in self.model.stopping(task)}
        assert 1 <= place.number <= 1 + self.model.waiting().index(task)

    def teardown(self) -> None:
        if self.started:
            self.advance(1_000)
            for key in list(self.model.tasks):
                self.release(key)
            assert kept(self.admission) == []


def kept(admission: Admission[str]) -> list[object]:
    """What is left in an admission whose tasks have all been released."""
    limits = [limit for limit in (admission._total, *admission._kinds.values()) if limit]
    orders: list[Any] = [admission._delayed, admission._ordinary.ready, admission._lent.ready]
    orders += [order for limit in limits for order in limit.waiting]
    left: list[object] = [*admission._tasks, *admission._groups, *admission._sessions]
    return left + [order._heap for order in orders if order._heap] + [limit for limit in limits if limit.used]


TestHistories = Histories.TestCase


# nobody is forgotten


@given(LIMITS, st.randoms(use_true_random=False))
def test_everything_ends_though_parents_wait_for_their_children(limits: Limits, random: Random) -> None:
    admission = Admission[int](limits)
    kinds = ["agent", "job", "process"]  # a task starts none of a kind before its own
    unended: Counter[int | None] = Counter()
    known: dict[int, tuple[int | None, str, str]] = {}
    running: set[int] = set()

    def start(parent: int | None) -> None:
        key = len(known)
        session_id, least = (
            (known[parent][1:]) if parent is not None else (f"s{random.randrange(3)}", "agent")
        )
        kind = random.choice(kinds[kinds.index(least) :])
        known[key] = (parent, session_id, kind)
        unended[parent] += 1
        if admission.offer(key, session_id, kind, random.choice(list(Priority)), key, parent=parent):
            running.add(key)

    for _ in range(8):
        start(None)
    while unended[None]:
        able = sorted(running)
        if len(known) < 60:
            start(random.choice(able))
        leaves = [key for key in sorted(running) if not unended[key]]
        assert leaves, "those that run all wait for children that do not start"
        ended = random.choice(leaves)
        running.discard(ended)
        unended[known[ended][0]] -= 1
        running.update(admission.release(ended))


# costs


class Counted(float):
    """A time that counts how often it is compared."""

    compared = 0

    def __add__(self, other: float) -> "Counted":
        return Counted(float(self) + other)

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return float(self) == other

    def __lt__(self, other: float) -> bool:
        Counted.compared += 1
        return float.__lt__(self, other)

    __hash__ = float.__hash__


def crowd(size: int) -> Iterator[tuple[str, str, str, Priority, Counted]]:
    random = Random(size)
    for number in range(size):
        session_id, kind = f"s{random.randrange(size // 20)}", f"k{random.randrange(12)}"
        yield str(number), session_id, kind, random.choice(list(Priority)), Counted(random.random() * 600)


def comparisons_per_task(size: int) -> float:
    admission = Admission[str](Limits(20, 2, {f"k{number}": 4 for number in range(12)}))
    running = [task[0] for task in crowd(size) if admission.offer(*task)]
    Counted.compared, ended = 0, 0
    while running:
        running += admission.release(running.pop(ended % len(running)))
        ended += 1
    assert ended == size
    return Counted.compared / size


def test_what_a_start_costs_grows_with_the_logarithm_of_those_that_wait() -> None:
    assert comparisons_per_task(20_000) < 2 * comparisons_per_task(1_000)


def test_what_is_cancelled_while_it_waits_leaves_nothing_behind() -> None:
    admission = Admission[str](Limits(total=1, per_session=1, per_kind={"job": 1}))
    offer(admission, "running")
    offer(admission, "borrower", parent="running")
    for number in range(10_000):
        offer(admission, f"best {number}", priority=INTERACTIVE, at=-number, parent="running")
        offer(admission, f"later {number}", not_before=1_000 - number / 100)
        admission.release(f"best {number}")
        admission.release(f"later {number}")

    assert len(admission._tasks) == 2
    admission.release("running")
    admission.release("borrower")
    assert kept(admission) == []
