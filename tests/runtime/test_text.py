"""Sizes, rates and durations."""

import pytest

from hostel.runtime.text import clock_text, duration_text, parse_duration, parse_size, rate_text


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (-5, "0s"),
        (0.9, "1s"),
        (59, "59s"),
        (59.7, "1m 00s"),
        (61, "1m 01s"),
        (119.6, "2m 00s"),
        (3_599, "59m 59s"),
        (3_661, "1h 01m"),
        (90_000, "1d 01h"),
    ],
)
def test_a_duration_is_said_in_its_two_largest_units(value: float, said: str) -> None:
    assert duration_text(value) == said


@pytest.mark.parametrize(
    ("text", "value"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5_400), (" 2D ", 172_800), ("0", 0)]
)
def test_a_duration_is_read(text: str, value: float) -> None:
    assert parse_duration(text) == value


@pytest.mark.parametrize("text", ["", "soon", "-1m", "1w", "m", "1 2", "\u0661m x"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0, "0 B/s"), (999, "999 B/s"), (1000, "1.0 kB/s"), (3.2e6, "3.2 MB/s"), (5e9, "5.0 GB/s")],
)
def test_rates_are_decimal(rate: float, text: str) -> None:
    assert rate_text(rate) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.4, "0:59"), (61, "1:01"), (3661, "1:01:01")])
def test_times_are_as_on_a_clock(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("500k", 500_000), ("10M", 10_000_000), ("1.5Gi", 1_610_612_736), ("2 MB/s", 2_000_000)],
)
def test_a_size_is_read_in_powers_of_1000_or_with_an_i_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "k", "-1", "1x", "0.1", "1e3"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount of bytes"):
        parse_size(text)
