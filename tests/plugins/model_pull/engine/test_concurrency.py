from contextlib import ExitStack

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.plugins.model_pull._engine import ConnectionBudget
from hostel.plugins.model_pull._engine.concurrency import CALM_SECONDS, WINDOW_SECONDS, Concurrency


@given(st.integers(1, 8), st.integers(1, 12))
def test_connections_are_dealt_out_evenly_and_completely(start: int, transfers: int) -> None:
    budget = ConnectionBudget(start, 8)
    with ExitStack() as stack:
        shares = [stack.enter_context(budget.join("hub")) for _ in range(transfers)]
        dealt = [share.allowance() for share in shares]

    assert sum(dealt) == start
    assert max(dealt) - min(dealt) <= 1
    assert dealt == sorted(dealt, reverse=True)


def test_who_leaves_makes_room() -> None:
    budget = ConnectionBudget(2)
    with budget.join("hub") as first:
        with budget.join("hub"), budget.join("hub") as third:
            assert (first.allowance(), third.allowance()) == (1, 0)
        assert first.allowance() == 2


def test_hosts_do_not_share() -> None:
    budget = ConnectionBudget(4)
    with budget.join("one") as one, budget.join("two") as two:
        one.troubled()

        assert (one.allowance(), two.allowance()) == (2, 4)


def test_what_a_host_taught_is_kept_for_the_next_transfer() -> None:
    budget = ConnectionBudget(4)
    with budget.join("hub") as share:
        share.troubled()
    with budget.join("hub") as share:
        assert share.allowance() == 2
    assert budget.wanted("hub") == 2
    assert budget.wanted("unknown") == 4


def test_bytes_of_all_transfers_together_decide_about_more() -> None:
    now = 0.0
    budget = ConnectionBudget(4, clock=lambda: now)
    with budget.join("hub") as one, budget.join("hub") as two:
        for _ in range(12):
            one.arrived(100)
            two.arrived(100)
            one.observe(fair=True)
            now += 1

        assert budget.wanted("hub") == 5


@pytest.mark.parametrize(("start", "ceiling"), [(0, 8), (9, 8)])
def test_senseless_numbers_are_refused(start: int, ceiling: int) -> None:
    with pytest.raises(ValueError, match="start"):
        ConnectionBudget(start, ceiling)


class Drive:
    """Let time pass at some rate, one look a second."""

    def __init__(self, concurrency: Concurrency) -> None:
        self.concurrency, self.now, self.arrived = concurrency, 100.0, 0

    def window(self, rate: float, *, fair: bool = True) -> int:
        for _ in range(int(WINDOW_SECONDS)):
            self.concurrency = self.concurrency.observed(self.now, self.arrived, fair=fair)
            self.now += 1
            self.arrived += int(rate)
        self.concurrency = self.concurrency.observed(self.now, self.arrived, fair=fair)
        return self.concurrency.count

    def trouble(self) -> int:
        self.concurrency = self.concurrency.troubled(self.now)
        return self.concurrency.count


def test_connections_grow_one_by_one_while_each_pays() -> None:
    drive = Drive(Concurrency(4, 8))

    assert [drive.window(rate) for rate in (400, 500, 600, 700, 800, 800)] == [5, 6, 7, 8, 8, 8]


def test_a_try_that_does_not_pay_is_taken_back_and_not_repeated_for_a_minute() -> None:
    drive = Drive(Concurrency(4, 8))
    counts = [drive.window(400) for _ in range(10)]

    assert counts[:2] == [5, 4]
    assert counts[2:7] == [4] * 5
    assert 5 in counts[7:]


def test_trouble_halves_at_once_but_one_burst_counts_once() -> None:
    drive = Drive(Concurrency(8, 8))

    assert [drive.trouble() for _ in range(5)] == [4] * 5
    drive.now += WINDOW_SECONDS
    assert drive.trouble() == 2


def test_the_last_connection_is_never_taken() -> None:
    drive = Drive(Concurrency(1, 8))

    assert drive.trouble() == 1


def test_a_collapse_halves() -> None:
    drive = Drive(Concurrency(8, 8))
    drive.window(1000)

    assert drive.window(400) == 4


def test_a_rate_that_something_else_holds_down_is_not_judged() -> None:
    drive = Drive(Concurrency(4, 8))
    drive.window(1000)

    assert [drive.window(10, fair=False) for _ in range(3)] == [5, 5, 5]


def test_after_trouble_nothing_is_tried_for_a_minute() -> None:
    drive = Drive(Concurrency(4, 8))
    drive.trouble()
    calm = [drive.window(100) for _ in range(int(CALM_SECONDS / WINDOW_SECONDS) - 1)]

    assert calm == [2] * len(calm)
    assert 3 in [drive.window(100) for _ in range(3)]


@given(st.lists(st.none() | st.integers(0, 10**9), max_size=40), st.integers(1, 8))
def test_there_is_always_a_connection_and_never_too_many(history: list[int | None], start: int) -> None:
    drive = Drive(Concurrency(start, 8))
    for rate in history:
        count = drive.trouble() if rate is None else drive.window(rate)
        assert 1 <= count <= 8


def test_a_gear_is_a_value() -> None:
    concurrency = Concurrency(4, 8)
    concurrency.troubled(1.0)

    assert concurrency == Concurrency(4, 8)
    assert attrs.evolve(concurrency) == concurrency
