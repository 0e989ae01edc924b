from hypothesis import given
from hypothesis import strategies as st

from hostel.plugins.model_pull._engine.retry_budget import LONGEST_WAIT, PROGRESS, RetryBudget, backoff


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_waiting_doubles_up_to_half_a_minute_and_varies_by_half(failures: int, chance: float) -> None:
    wait = backoff(failures, chance)

    assert 0.25 <= wait <= LONGEST_WAIT
    assert backoff(failures, 0) >= wait >= backoff(failures, 0) / 2
    assert backoff(1, 0) == 0.5
    assert backoff(7, 0) == LONGEST_WAIT


def test_bytes_renew_patience_and_forgive_nonsense() -> None:
    budget = RetryBudget(300, since=0.0)
    assert budget.strike()
    assert budget.left(299) == 1
    budget.fed(299, PROGRESS)

    assert (budget.left(300), budget.quiet(300), budget.strikes) == (299, 1, 0)


def test_a_byte_now_and_then_is_no_progress_but_many_are() -> None:
    budget = RetryBudget(300, since=0.0)
    for now in range(1, 300):
        budget.fed(now, 1)
    assert budget.left(299) == 1
    budget.fed(299, PROGRESS - 299)

    assert budget.left(299) == 300


def test_nonsense_is_not_endured_for_long() -> None:
    budget = RetryBudget(300, since=0.0)

    assert [budget.strike() for _ in range(4)] == [True, True, True, False]


def test_no_patience_allows_no_second_try() -> None:
    assert RetryBudget(0, since=5.0).left(5.0) <= 0
