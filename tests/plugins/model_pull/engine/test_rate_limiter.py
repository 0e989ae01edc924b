import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.plugins.model_pull._engine import Limiter, Loosest, loosest


@given(st.floats(1e3, 1e9), st.lists(st.integers(1, 1 << 20), min_size=1, max_size=50))
def test_over_time_the_mean_is_the_rate_and_never_more(rate: float, sips: list[int]) -> None:
    limiter, now = Limiter(rate), 10.0
    for count in sips:
        now += limiter.spend(count, now)

    assert now - 10.0 == pytest.approx(sum(sips) / rate, rel=1e-6)


def test_silence_saves_up_a_tenth_of_a_second_only() -> None:
    limiter = Limiter(1000)
    limiter.spend(1000, 0.0)

    assert limiter.spend(1100, 100.0) == pytest.approx(1.0)


def test_threads_that_share_a_limiter_share_the_rate() -> None:
    limiter = Limiter(1000)

    assert [limiter.spend(500, 0.0) for _ in range(3)] == pytest.approx([0.5, 1.0, 1.5])


def test_a_limiter_beneath_another_obeys_the_stricter() -> None:
    whole = Limiter(1000)
    mine, other = Limiter(100, parent=whole), Limiter(None, parent=whole)

    assert mine.spend(100, 0.0) == pytest.approx(1.0)
    assert other.spend(1900, 0.0) == pytest.approx(2.0)
    assert (mine.max_read, other.max_read) == (1024, 1024)


def test_without_a_rate_nothing_waits() -> None:
    assert Limiter(None).spend(1 << 40, 0.0) == 0
    assert Limiter(None).max_read is None


def test_a_changed_rate_forgets_old_debt() -> None:
    limiter = Limiter(1000)
    limiter.spend(10_000_000, 0.0)
    limiter.rate = 1_000_000

    assert limiter.rate == 1_000_000
    assert limiter.spend(1_000_000, 1.0) == pytest.approx(1.0)


@pytest.mark.parametrize("rate", [0, 0.1, -1, math.nan, math.inf, 10**400])
def test_a_senseless_rate_is_refused_and_changes_nothing(rate: float) -> None:
    limiter = Limiter(5.0)
    with pytest.raises(ValueError, match="rate"):
        Limiter(rate)
    with pytest.raises(ValueError, match="rate"):
        limiter.rate = rate

    assert limiter.rate == 5.0


def test_of_several_limiters_the_loosest_holds_and_alone_counts() -> None:
    slow, fast, pace = Limiter(10_240), Limiter(102_400), Loosest()
    assert (pace.max_read, pace.spend(1 << 40, 0.0)) == (None, 0.0)
    pace.add(slow)
    pace.add(fast)

    assert pace.max_read == 10_240
    assert pace.spend(102_400, 1.0) == pytest.approx(1.0)
    pace.remove(fast)
    assert pace.max_read == 1024
    assert pace.spend(1024, 1.0) == pytest.approx(0.1)
    pace.add(Limiter(None))
    assert pace.max_read is None


@pytest.mark.parametrize(
    ("rates", "expected"), [([], None), ([5.0], 5.0), ([5.0, 7.0], 7.0), ([5.0, None], None)]
)
def test_no_rate_is_looser_than_any(rates: list[float | None], expected: float | None) -> None:
    assert loosest(rates) == expected
