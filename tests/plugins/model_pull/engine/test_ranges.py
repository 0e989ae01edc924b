"""The plan against a model that knows every byte: bytes here are units of 1 MiB, to keep the model small."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hostel.plugins.model_pull._engine.ranges import (
    CHUNK,
    CHUNK_MAX,
    CHUNK_MIN,
    MIB,
    SPLIT_MIN,
    UNKNOWN,
    RangePlan,
    Span,
)

WORKERS = range(4)


def mib(start: float, end: float) -> Span:
    return Span(int(start * MIB), int(end * MIB))


def test_chunks_are_given_in_file_order() -> None:
    plan = RangePlan(40 * MIB)

    assert [plan.take(worker, CHUNK) for worker in range(3)] == [mib(0, 16), mib(16, 32), mib(32, 40)]


def test_what_is_given_back_is_given_out_first() -> None:
    plan = RangePlan(64 * MIB)
    plan.take(0, CHUNK)
    plan.take(1, CHUNK)
    plan.place(0, mib(0, 3))
    plan.release(0)

    assert plan.take(2, CHUNK) == mib(3, 16)


def test_an_idle_worker_takes_the_rear_half_of_the_largest_rest() -> None:
    plan = RangePlan(24 * MIB)
    plan.take(0, 8 * MIB)
    plan.take(1, None)
    plan.place(1, mib(8, 12))

    assert plan.take(2, CHUNK) == mib(18, 24)
    assert plan.end_of(1) == 18 * MIB
    assert plan.end_of(0) == 8 * MIB


def test_a_small_rest_is_not_split() -> None:
    plan = RangePlan(SPLIT_MIN - 1)
    plan.take(0, None)

    assert not plan.idle_work
    assert plan.take(1, CHUNK) is None


def test_the_smallest_rest_that_is_split_gives_whole_mebibytes_away() -> None:
    plan = RangePlan(SPLIT_MIN + 5)
    plan.take(0, None)
    assert plan.idle_work
    assert plan.take(1, CHUNK) == Span(3 * MIB, SPLIT_MIN + 5)
    exact = RangePlan(SPLIT_MIN)
    exact.take(0, None)

    assert exact.take(1, CHUNK) == mib(2, 4)
    assert exact.end_of(0) == 2 * MIB


def test_bytes_before_the_lease_do_not_move_it_back() -> None:
    plan = RangePlan(10 * MIB, [mib(0, 2)])
    plan.take(0, None)
    plan.place(0, mib(2, 6))
    plan.place(0, mib(1, 3))
    plan.take(1, CHUNK)

    assert plan.end_of(1) == 10 * MIB
    assert plan.end_of(0) == 8 * MIB


def test_a_file_that_turns_out_shorter_leaves_nothing_to_whoever_is_beyond_its_end() -> None:
    plan = RangePlan()
    plan.take(0, CHUNK)
    plan.take(1, CHUNK)
    plan.set_size(5 * MIB)

    assert plan.end_of(1) == 5 * MIB
    plan.place(0, mib(0, 5))
    plan.release(0)
    plan.release(1)
    assert plan.complete
    assert not plan.idle_work


@pytest.mark.parametrize("span", [Span(0, 0), Span(5, 3), Span(-1, 2), Span(90, 101)])
def test_bytes_that_are_no_part_of_the_file_are_refused(span: Span) -> None:
    with pytest.raises(ValueError, match="no part"):
        RangePlan(100).place(0, span)


@pytest.mark.parametrize(
    ("rate", "chunk"), [(None, CHUNK), (5 * MIB, 10 * MIB), (MIB, CHUNK_MIN), (MIB * 100, CHUNK_MAX)]
)
def test_a_chunk_takes_two_seconds(rate: float | None, chunk: int) -> None:
    assert RangePlan(1 << 40).chunk(4, rate) == chunk


def test_the_frontier_is_at_the_beginning_as_long_as_the_first_byte_is_missing() -> None:
    assert RangePlan(10, [Span(1, 5)]).frontier == 0
    assert RangePlan(10, [Span(0, 5), Span(6, 10)]).frontier == 5


def test_a_resumed_file_continues_in_its_gaps() -> None:
    plan = RangePlan(10 * MIB, [mib(0, 2), mib(5, 6)])

    assert (plan.frontier, plan.done_bytes) == (2 * MIB, 3 * MIB)
    assert [plan.take(worker, CHUNK) for worker in range(2)] == [mib(2, 5), mib(6, 10)]


def test_bytes_beyond_the_lease_count_and_are_seen_as_present() -> None:
    plan = RangePlan(10 * MIB, [mib(4, 5)])
    plan.take(0, None)
    plan.place(0, mib(0, 6))

    assert plan.done == (mib(0, 6),)
    assert plan.missing(mib(5, 8)) == [mib(6, 8)]


def test_a_file_of_unknown_size_settles_when_it_tells() -> None:
    plan = RangePlan()
    assert plan.take(0, CHUNK) == mib(0, 16)
    plan.set_size(5 * MIB)

    assert plan.end_of(0) == 5 * MIB
    assert not plan.complete
    plan.place(0, mib(0, 5))
    assert plan.complete


def test_an_empty_file_is_complete_at_once_and_an_unknown_one_never() -> None:
    assert RangePlan(0).complete
    assert not RangePlan(UNKNOWN).complete


def test_a_lone_worker_takes_as_much_as_it_can() -> None:
    assert RangePlan(50 * MIB).chunk(1, None) == CHUNK_MAX


@given(st.integers(2, 8), st.none() | st.floats(0, 1e10), st.integers(0, 1 << 40))
def test_a_chunk_is_two_seconds_worth_and_shrinks_towards_the_end(
    workers: int, rate: float | None, size: int
) -> None:
    chunk = RangePlan(size).chunk(workers, rate)

    assert SPLIT_MIN <= chunk <= CHUNK_MAX
    assert chunk >= CHUNK_MIN or chunk * 2 * workers <= max(size, 2 * workers * SPLIT_MIN)


class PlanMachine(RuleBasedStateMachine):
    """Workers take, place, fail and split in any order; a set of MiB numbers is the truth."""

    @initialize(size=st.integers(0, 60), done=st.sets(st.integers(0, 59)))
    def begin(self, size: int, done: set[int]) -> None:
        self.size = size
        self.here = {at for at in done if at < size}
        self.plan = RangePlan(size * MIB, [mib(at, at + 1) for at in sorted(self.here)])
        self.at: dict[int, int] = {}

    @rule(worker=st.sampled_from(WORKERS), chunk=st.none() | st.integers(1, 20))
    def take(self, worker: int, chunk: int | None) -> None:
        span = self.plan.take(worker, None if chunk is None else chunk * MIB)
        self.at.pop(worker, None)
        if span is None:
            return
        assert span.start % MIB == 0
        assert not self.here & set(range(span.start // MIB, -(-span.end // MIB)))
        self.at[worker] = span.start // MIB

    @precondition(lambda self: self.at)
    @rule(data=st.data())
    def place(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.at)))
        at, end = self.at[worker], self.plan.end_of(worker)
        if at * MIB < end:
            span = Span(at * MIB, min(at * MIB + MIB, end))
            self.plan.place(worker, span)
            self.at[worker] += 1
            self.here.add(at)

    @precondition(lambda self: self.at)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.at)))
        self.plan.release(worker)
        del self.at[worker]

    @invariant()
    def nobody_fetches_what_another_has(self) -> None:
        if not hasattr(self, "plan"):
            return
        spans = sorted(Span(at * MIB, self.plan.end_of(worker)) for worker, at in self.at.items())
        spans = [span for span in spans if span.start < span.end]
        assert all(left.end <= right.start for left, right in pairwise(spans))

    def teardown(self) -> None:
        """However it stands, one worker alone can finish."""
        if not hasattr(self, "plan"):
            return
        for worker in WORKERS:
            self.plan.release(worker)
        while (span := self.plan.take(0, 7 * MIB)) is not None:
            assert self.plan.missing(span) == [span]
            self.plan.place(0, span)
        assert self.plan.complete
        assert self.plan.done_bytes == self.size * MIB


PlanMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestPlan = PlanMachine.TestCase


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 30)), max_size=30))
def test_spans_in_place_are_sorted_apart_and_hold_exactly_what_was_placed(
    parts: list[tuple[int, int]],
) -> None:
    plan, model = RangePlan(240), set[int]()
    for start, length in parts:
        plan.place(0, Span(start, start + length))
        model |= set(range(start, start + length))

    assert {at for span in plan.done for at in range(span.start, span.end)} == model
    assert all(left.end < right.start for left, right in pairwise(plan.done))
    assert plan.frontier == next(at for at in range(241) if at not in model)
