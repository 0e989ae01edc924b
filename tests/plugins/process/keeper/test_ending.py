"""Which signal comes when."""

import signal

from hypothesis import given
from hypothesis import strategies as st

from hostel.plugins.process._keeper.ending import AGAIN, Ending

seconds = st.floats(0, 100)


def test_first_asking_then_insisting() -> None:
    ending = Ending(10.0, 2.0, 3.0)

    assert [ending.due(now) for now in (10, 11.9, 12, 14.9, 15, 15.01, 15 + AGAIN)] == [
        signal.SIGINT,
        None,
        signal.SIGTERM,
        None,
        signal.SIGKILL,
        None,
        signal.SIGKILL,
    ]


def test_those_who_are_left_when_the_command_has_ended_are_not_interrupted() -> None:
    ending = Ending(10.0, 2.0, 3.0)
    ending.command_ended(10.0)

    assert [ending.due(now) for now in (10, 12.9, 13)] == [signal.SIGTERM, None, signal.SIGKILL]


def test_they_are_not_asked_again_when_it_ends_while_they_are_asked() -> None:
    ending = Ending(10.0, 2.0, 3.0)
    asked = [ending.due(10), ending.due(12)]
    ending.command_ended(13.0)

    assert asked == [signal.SIGINT, signal.SIGTERM]
    assert [ending.due(14.9), ending.due(15)] == [None, signal.SIGKILL]


@given(seconds, seconds, st.lists(st.floats(0, 50), max_size=30), st.integers(0, 30))
def test_everything_is_killed_when_the_graces_are_over(
    interrupt: float, terminate: float, steps: list[float], ends_at: int
) -> None:
    now, sent = 0.0, []
    ending = Ending(now, interrupt, terminate)
    for number, step in enumerate([*steps, 50.0, 51.0, 101.0, 101.0]):
        now += step
        if number == ends_at:
            ending.command_ended(now)
        sent.append(ending.due(now))
    order = [number for number in sent if number is not None]

    assert order[-1] is signal.SIGKILL
    assert sorted(order, key=[signal.SIGINT, signal.SIGTERM, signal.SIGKILL].index) == order
    assert order.count(signal.SIGINT) <= 1
    assert order.count(signal.SIGTERM) == 1
