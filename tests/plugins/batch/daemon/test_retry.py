"""When a failed attempt is made again."""

import pytest

from hostel.plugins.batch import RetryPolicy
from hostel.plugins.batch._daemon.sender import retry_after

FAR = 1e9


def attempts(policy: RetryPolicy, deadline: float) -> int:
    """Count the attempts of a request that always fails at once, with the shortest waits."""
    now, tries = 0.0, 1
    while (start := policy.next_attempt(tries - 1, now, deadline, None, 1.0)) is not None:
        now, tries = start, tries + 1
    return tries


def test_waits_double_up_to_their_limit() -> None:
    policy = RetryPolicy(backoff=1, factor=2, max_backoff=10)

    waits = [policy.next_attempt(attempt, 0.0, FAR, None, 1.0) for attempt in range(6)]

    assert waits == [1, 2, 4, 8, 10, 10]


def test_chance_spreads_a_wait_over_its_second_half() -> None:
    policy = RetryPolicy(backoff=8)

    assert [policy.next_attempt(0, 0.0, FAR, None, chance) for chance in (0.0, 0.5, 1.0)] == [4, 6, 8]


def test_an_answer_may_ask_to_wait_longer_but_not_shorter() -> None:
    policy = RetryPolicy(backoff=4)

    assert policy.next_attempt(0, 100.0, FAR, 60.0, 1.0) == 160
    assert policy.next_attempt(0, 100.0, FAR, 0.0, 1.0) == 104


def test_attempts_end_with_their_number() -> None:
    policy = RetryPolicy(max_retries=3)

    assert policy.next_attempt(2, 0.0, FAR, None, 0.0) is not None
    assert policy.next_attempt(3, 0.0, FAR, None, 0.0) is None


def test_no_attempt_begins_after_the_deadline_or_shortly_before_it() -> None:
    assert RetryPolicy(backoff=1).next_attempt(0, 0.0, 1.0, None, 1.0) is None
    assert RetryPolicy(backoff=1, stop_before_deadline=5).next_attempt(0, 0.0, 6.0, None, 1.0) is None
    assert RetryPolicy(backoff=1, stop_before_deadline=5).next_attempt(0, 0.0, 6.1, None, 1.0) == 1


def test_a_window_of_two_seconds_has_room_for_eight_retries_or_so() -> None:
    policy = RetryPolicy(max_retries=None, backoff=0.05, factor=2, max_backoff=0.2, stop_before_deadline=0.5)

    assert 8 <= attempts(policy, 2.0) <= 10


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 40.0),
        ("Thu, 01 Jan 1970 00:00:10 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("²", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(text: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": text}, 60.0) == seconds
