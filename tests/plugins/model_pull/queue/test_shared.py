"""Work that several want, done by a test that decides when it ends."""

import anyio

from hostel.plugins.model_pull._queue.shared import Shared, joinable


class Work(Shared[str]):
    """Runs until it is stopped, and then until the test lets it end."""

    def __init__(self) -> None:
        super().__init__()
        self.may_end = anyio.Event()

    async def run(self) -> None:
        with self.scope:
            await anyio.sleep_forever()
        await self.may_end.wait()
        self.done.set()


async def test_who_stops_it_waits_until_it_has_stopped_also_the_second_one() -> None:
    work, stopped = Work(), list[int]()

    async def stop(number: int) -> None:
        await work.stop()
        stopped.append(number)

    async with anyio.create_task_group() as group:
        group.start_soon(work.run)
        for number in (1, 2):
            group.start_soon(stop, number)
        await anyio.wait_all_tasks_blocked()
        assert (work.stopping, stopped) == (True, [])
        work.may_end.set()

    assert sorted(stopped) == [1, 2]
    await work.stop()


async def test_who_is_cancelled_while_he_stops_it_does_not_leave_it_half_stopped() -> None:
    work = Work()
    async with anyio.create_task_group() as group:
        group.start_soon(work.run)
        await anyio.wait_all_tasks_blocked()
        with anyio.CancelScope() as scope:
            scope.cancel()
            group.start_soon(_end_soon, work)
            await work.stop()

    assert work.done.is_set()


async def test_who_asks_while_it_stops_waits_and_has_nothing_to_join() -> None:
    work, found = Work(), list[Work | None]()
    assert await joinable(lambda: work) is work

    async def ask() -> None:
        found.append(await joinable(lambda: None if work.done.is_set() else work))

    async with anyio.create_task_group() as group:
        group.start_soon(work.run)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(work.stop)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        assert found == []
        work.may_end.set()

    assert found == [None]


async def _end_soon(work: Work) -> None:
    await anyio.wait_all_tasks_blocked()
    work.may_end.set()
