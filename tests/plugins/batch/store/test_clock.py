"""The time of a database, told without asking."""

import math
import time

from hostel.plugins.batch._store.database.clock import DatabaseClock

FAR = 1e9


def ahead(clock: DatabaseClock) -> float:
    return clock.now() - time.monotonic()


def test_the_quickest_answer_counts() -> None:
    clock = DatabaseClock()
    for took, wrong in [(4.0, 1.5), (0.2, 0.05), (3.0, -1.0)]:
        clock.learn(100.0, FAR + 100 + took / 2 + wrong, 100 + took)

    assert math.isclose(ahead(clock), FAR + 0.05, abs_tol=0.1)


def test_a_clock_that_was_set_is_followed() -> None:
    clock = DatabaseClock()
    clock.learn(100.0, FAR, 100.2)

    clock.learn(101.0, FAR - 3600, 103.0)

    assert math.isclose(ahead(clock), FAR - 3600 - 102, abs_tol=0.1)
