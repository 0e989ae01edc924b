from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.plugins.model_pull._engine import ConnectionBudget


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
