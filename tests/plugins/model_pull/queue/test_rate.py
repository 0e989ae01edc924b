"""The estimator, sample by sample; it has no clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.plugins.model_pull._queue.rate import RateEstimate


def steady(rate: float, seconds: float, *, base: int = 0, step: float = 0.25) -> RateEstimate:
    estimate, samples = RateEstimate(), int(seconds / step)
    for tick in range(samples + 1):
        estimate = estimate.sampled(tick * step, base + int(rate * tick * step))
    return estimate


def test_nothing_is_said_before_anything_was_sampled() -> None:
    assert RateEstimate().rate(5.0) is None
    assert RateEstimate().eta(5.0, 100) is None


def test_nothing_is_said_in_the_first_second_and_a_half() -> None:
    estimate = steady(1000, 1.25)

    assert estimate.rate(1.49) is None
    assert estimate.rate(1.5) is not None


def test_a_steady_flow_has_its_rate_and_its_time_left() -> None:
    estimate = steady(1000, 10)

    assert estimate.rate(10.0) == pytest.approx(1000, rel=0.01)
    assert estimate.eta(10.0, 15_000) == pytest.approx(5.0, rel=0.01)


def test_bytes_of_an_earlier_run_are_no_burst() -> None:
    assert steady(1000, 5, base=10**12).rate(5.0) == pytest.approx(1000, rel=0.01)


def test_a_counter_that_goes_down_begins_a_new_baseline() -> None:
    estimate = steady(1000, 10).sampled(10.25, 0)

    assert estimate.rate(10.5) is None
    assert estimate.sampled(12.25, 2000).rate(12.25) == pytest.approx(1000)


def test_a_stall_decays_the_rate_without_a_sample_and_reading_changes_nothing() -> None:
    estimate = steady(1000, 30)
    rates = [estimate.rate(30.0 + silence) or 0.0 for silence in (0, 5, 15, 60)]

    assert rates == sorted(rates, reverse=True)
    assert rates[2] == pytest.approx(1000 * 0.37, rel=0.2)
    assert estimate.rate(30.0) == rates[0]


def test_the_time_left_follows_a_change_sooner_than_the_rate() -> None:
    estimate = steady(1000, 30)
    for tick in range(1, 21):
        estimate = estimate.sampled(30 + tick / 4, 30_000 + tick * 2500)
    rate, eta = estimate.rate(35.0), estimate.eta(35.0, 180_000)

    assert rate is not None
    assert eta is not None
    assert 100_000 / eta > rate > 1000


@pytest.mark.parametrize("total", [None, 0, 10_000, 5_000])
def test_there_is_no_time_left_without_a_total_or_at_the_end(total: int | None) -> None:
    assert steady(1000, 10).eta(10.0, total) is None


@given(
    st.lists(st.tuples(st.floats(0, 10), st.integers(0, 10**9)), min_size=1, max_size=50),
    st.floats(0, 100),
)
def test_a_rate_is_never_negative_nor_above_the_fastest_moment(
    steps: list[tuple[float, int]], later: float
) -> None:
    estimate, now, done, fastest = RateEstimate().sampled(0, 0), 0.0, 0, 0.0
    for seconds, count in steps:
        now, done = now + seconds + 0.01, done + count
        fastest = max(fastest, count / (seconds + 0.01))
        estimate = estimate.sampled(now, done)
    rate = estimate.rate(now + later)

    assert rate is None or 0 <= rate <= fastest * 1.0001
