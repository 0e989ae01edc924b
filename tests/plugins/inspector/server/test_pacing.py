"""Streams are as fast as they can on an idle loop and hold back on a busy one; no clock decides here."""

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.plugins.inspector._server.pacing import LEAST, LONGEST, STRETCH, WOKEN_AT_ONCE, Pace, Turns

SPEEDS = st.floats(0.2, 1.0)


class Loop:
    """A loop in numbers: streams that always want it, others that want a part of it, and how much of a
    processor the machine gives it.
    """

    def __init__(self, wanted: float, speed: float) -> None:
        self.pace = Pace()
        self.wanted, self.speed = wanted, speed
        self.ours = self.theirs = self.lasted = 0.0
        self._backlog = 0.0

    def run(self, rounds: int) -> None:
        """Let streams work and pause so often."""
        for _ in range(rounds):
            self._stretch()
            self._pause()

    def _stretch(self) -> None:
        while not self.pace.is_over:
            worked, lasted = STRETCH / 10, STRETCH / 10 / self.speed
            self.pace.work(worked, lasted)
            self.ours += worked
            self._pass(lasted)

    def _pause(self) -> None:
        worked, lasted = self.pace.worked, self.pace.pause()
        self._pass(lasted)
        done = min(self._backlog, lasted * self.speed)
        self._backlog -= done
        self.theirs += done
        self.pace.resume(worked, lasted, done)

    def _pass(self, seconds: float) -> None:
        self.lasted += seconds
        self._backlog += seconds * self.wanted * self.speed

    @property
    def our_part(self) -> float:
        return self.ours / (self.lasted * self.speed)

    @property
    def their_part(self) -> float:
        return self.theirs / (self.lasted * self.speed)


@given(SPEEDS)
def test_a_loop_nobody_else_wants_is_theirs_however_busy_the_machine_is(speed: float) -> None:
    loop = Loop(0, speed)
    loop.run(200)

    assert loop.our_part > 0.9


@given(SPEEDS, st.floats(1, 10))
def test_beside_others_who_want_all_of_the_loop_streams_have_a_small_part(
    speed: float, wanted: float
) -> None:
    loop = Loop(wanted, speed)
    loop.run(200)

    assert 0.9 * LEAST < loop.our_part < 1.2 * LEAST
    assert loop.their_part > 0.8


@given(SPEEDS, st.floats(0.01, 0.75))
def test_what_others_want_they_get_and_streams_much_of_what_is_left(speed: float, wanted: float) -> None:
    loop = Loop(wanted, speed)
    loop.run(400)

    assert loop.their_part == pytest.approx(wanted, rel=0.15)
    assert loop.our_part > min(LEAST, 1 - wanted) * 0.9
    if wanted < 0.3:
        assert loop.our_part > 0.4


@given(SPEEDS)
def test_others_are_noticed_at_once_and_forgotten_little_by_little(speed: float) -> None:
    loop = Loop(0, speed)
    loop.run(50)
    loop.wanted = 10
    loop.run(1)
    busy = loop.pace.busy
    loop.wanted = loop._backlog = 0
    calmer = []
    for _ in range(12):
        loop.run(1)
        calmer.append(loop.pace.busy)

    assert busy > 0.9
    assert calmer == sorted(calmer, reverse=True)
    assert calmer[0] > 0.5
    assert calmer[-1] < 0.05


@given(st.floats(0.001, 0.2), st.floats(0, 10))
def test_however_slow_the_machine_is_readers_wait_a_second_at_most(speed: float, wanted: float) -> None:
    loop = Loop(wanted, speed)
    for _ in range(50):
        loop.run(1)
        loop._stretch()

        assert loop.pace.pause() <= LONGEST


class Thread:
    """The clock of a thread: what streams have worked, and what others work all the while."""

    def __init__(self, others: float = 0.0) -> None:
        self.others = others
        self.ours = 0.0
        self.turns = Turns(anyio.current_time, self.used)

    def used(self) -> float:
        return self.ours + self.others * anyio.current_time()

    async def work(self, seconds: float, steps: int) -> None:
        async def greedy() -> None:
            for _ in range(steps):
                await self.turns.turn()
                self.ours += seconds
                await anyio.lowlevel.checkpoint()
            await self.turns.turn()

        await self.turns.timed(greedy())


@pytest.mark.virtual_time
async def test_work_that_costs_little_never_waits() -> None:
    begun = anyio.current_time()
    await Thread(others=1).work(STRETCH / 100, 50)

    assert anyio.current_time() == begun


@pytest.mark.virtual_time
async def test_pauses_are_long_where_others_work_and_short_where_they_do_not() -> None:
    took = []
    for others in (0, 1):
        begun = anyio.current_time()
        await Thread(others).work(0.03, 20)
        took.append(anyio.current_time() - begun)

    assert took[0] < 0.6 * 0.1
    assert took[1] > 0.6 * 4


@pytest.mark.virtual_time
async def test_of_many_who_wait_a_few_are_let_in_at_once_in_the_order_they_came() -> None:
    thread, order = Thread(), list[int]()

    async def work(number: int) -> None:
        await thread.turns.turn()
        order.append(number)
        thread.ours += STRETCH
        await anyio.lowlevel.checkpoint()

    async def wait(number: int) -> None:
        await thread.turns.timed(work(number))

    async def spend() -> None:
        thread.ours += 2 * STRETCH

    await thread.turns.timed(spend())
    count = 3 * WOKEN_AT_ONCE
    async with anyio.create_task_group() as group:
        for number in range(count):
            group.start_soon(wait, number)
            await anyio.lowlevel.checkpoint()

    batches = [order[at : at + WOKEN_AT_ONCE] for at in range(0, count, WOKEN_AT_ONCE)]
    assert [sorted(batch) for batch in batches] == [
        list(range(at, at + WOKEN_AT_ONCE)) for at in range(0, count, WOKEN_AT_ONCE)
    ]


@pytest.mark.virtual_time
async def test_whoever_keeps_the_time_may_leave() -> None:
    thread, order = Thread(), list[str]()

    async def spend() -> None:
        thread.ours += 2 * STRETCH

    async def wait(name: str, scope: anyio.CancelScope) -> None:
        with scope:
            await thread.turns.turn()
            order.append(name)

    await thread.turns.timed(spend())
    scopes = {name: anyio.CancelScope() for name in "abc"}
    async with anyio.create_task_group() as group:
        for name, scope in scopes.items():
            group.start_soon(wait, name, scope)
            await anyio.lowlevel.checkpoint()
        scopes["a"].cancel()

    assert sorted(order) == ["b", "c"]


async def test_what_work_raises_is_raised_and_what_it_is_thrown_it_gets() -> None:
    turns, told = Turns(), list[str]()

    async def breaks() -> None:
        await anyio.lowlevel.checkpoint()
        raise KeyError("broken")

    async def waits() -> None:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            told.append("cancelled")
            raise

    with pytest.raises(KeyError, match="broken"):
        await turns.timed(breaks())
    with anyio.move_on_after(0) as scope:
        await turns.timed(waits())

    assert scope.cancelled_caught
    assert told == ["cancelled"]
