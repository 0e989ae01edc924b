"""Work that takes a share of the loop and no more."""

from time import thread_time

import anyio
import anyio.lowlevel
import pytest

from hostel.plugins.inspector._server.loop_share import Share

from ..program import SECONDS


async def test_many_greedy_workers_leave_the_others_their_time() -> None:
    share, taken, enough = Share(0.25), 0.0, anyio.Event()

    async def greedy() -> None:
        nonlocal taken
        while True:
            await share.turn()
            began = thread_time()
            while thread_time() - began < 0.002:
                pass
            taken += thread_time() - began
            if taken > 0.3:
                enough.set()
            await anyio.lowlevel.checkpoint()

    async def work() -> None:
        await share.timed(greedy())

    began = anyio.current_time()
    with anyio.fail_after(SECONDS):
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(work)
            await enough.wait()
            group.cancel_scope.cancel()

    assert taken / (anyio.current_time() - began) < 0.4


@pytest.mark.virtual_time
async def test_work_that_costs_little_never_waits() -> None:
    share = Share(0.25)

    async def modest() -> None:
        for _ in range(50):
            await share.turn()
            await anyio.lowlevel.checkpoint()

    begun = anyio.current_time()
    await share.timed(modest())

    assert anyio.current_time() == begun


@pytest.mark.virtual_time
async def test_the_loop_is_left_to_others_for_as_long_as_the_share_says() -> None:
    share, taken = Share(0.25), 0.0

    async def greedy() -> None:
        nonlocal taken
        for _ in range(5):
            await share.turn()
            began = thread_time()
            while thread_time() - began < 0.03:
                pass
            taken += thread_time() - began
            await anyio.lowlevel.checkpoint()
        await share.turn()

    begun = anyio.current_time()
    await share.timed(greedy())

    assert anyio.current_time() - begun >= 3 * taken


@pytest.mark.virtual_time
async def test_whoever_keeps_the_time_may_leave() -> None:
    share, order = Share(0.25), []

    async def greedy() -> None:
        began = thread_time()
        while thread_time() - began < 0.03:
            pass

    async def wait(name: str, scope: anyio.CancelScope) -> None:
        with scope:
            await share.turn()
            order.append(name)

    await share.timed(greedy())
    scopes = {name: anyio.CancelScope() for name in "abc"}
    async with anyio.create_task_group() as group:
        for name, scope in scopes.items():
            group.start_soon(wait, name, scope)
            await anyio.lowlevel.checkpoint()
        scopes["a"].cancel()

    assert sorted(order) == ["b", "c"]


async def test_what_work_raises_is_raised_and_what_it_is_thrown_it_gets() -> None:
    share, told = Share(0.25), []

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
        await share.timed(breaks())
    with anyio.move_on_after(0) as scope:
        await share.timed(waits())

    assert scope.cancelled_caught
    assert told == ["cancelled"]
