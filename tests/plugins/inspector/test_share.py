"""Work that takes a share of the loop and no more."""

from time import perf_counter

import anyio
import anyio.lowlevel
import pytest

from hostel.plugins.inspector._share import Share


async def test_many_greedy_workers_leave_the_others_their_time() -> None:
    share, taken, enough = Share(0.25), 0.0, anyio.Event()

    async def greedy() -> None:
        nonlocal taken
        while True:
            await share.turn()
            began = perf_counter()
            while perf_counter() - began < 0.002:
                pass
            taken += perf_counter() - began
            if taken > 0.3:
                enough.set()
            await anyio.lowlevel.checkpoint()

    async def work() -> None:
        await share.timed(greedy())

    began = perf_counter()
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(share.run)
            for _ in range(50):
                group.start_soon(work)
            await enough.wait()
            group.cancel_scope.cancel()

    assert taken / (perf_counter() - began) < 0.4


async def test_work_that_costs_little_never_waits() -> None:
    share = Share(0.25)

    async def modest() -> None:
        for _ in range(200):
            await share.turn()
            await anyio.lowlevel.checkpoint()

    with anyio.fail_after(5):  # nobody runs the share, so that whoever had to wait would wait for ever
        await share.timed(modest())


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
