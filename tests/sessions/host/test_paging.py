"""Pages of a host's tasks, and reading many events at once."""

import anyio
import pytest

from hostel.sessions import (
    LocalBackgroundTaskHost,
    TaskEvent,
    TaskFilter,
    TaskSpec,
    TaskState,
    UnknownCursor,
)

LIVE = TaskFilter()
ALL = TaskFilter(include_terminal=True)


async def ids_of_all_pages(host: LocalBackgroundTaskHost, filter: TaskFilter, limit: int) -> list[list[str]]:
    pages: list[list[str]] = []
    after = None
    while not pages or after is not None:
        page = await host.page(filter, limit=limit, after=after)
        pages.append([record.id for record in page.records])
        after = page.next
    return pages


async def test_pages_hold_every_task_once_in_the_order_they_came() -> None:
    async with LocalBackgroundTaskHost() as host:
        for number in range(7):
            await host.register(f"s{number % 2}", TaskSpec(id=f"t{number}"))

        pages = await ids_of_all_pages(host, LIVE, 3)

        assert pages == [["t0", "t1", "t2"], ["t3", "t4", "t5"], ["t6"]]


async def test_a_page_that_is_just_full_is_the_last_one() -> None:
    async with LocalBackgroundTaskHost() as host:
        for number in range(4):
            await host.register("s", TaskSpec(id=f"t{number}"))

        assert (await host.page(LIVE, limit=4)).next is None
        assert (await host.page(LIVE, limit=3)).next is not None


async def test_what_comes_and_goes_between_pages_never_repeats_a_record() -> None:
    async with LocalBackgroundTaskHost() as host:
        for number in range(6):
            await host.register("s", TaskSpec(id=f"t{number}"))
        first = await host.page(ALL, limit=3)
        for gone in ("t0", "t2", "t4"):
            await host.complete(gone)
            await host.unregister_external("s", gone)
        await host.register("s", TaskSpec(id="t6"))
        await host.transfer("t3", "other")

        rest = await host.page(ALL, limit=9, after=first.next)

        assert [record.id for record in rest.records] == ["t3", "t5", "t6"]


async def test_pages_follow_the_filter() -> None:
    async with LocalBackgroundTaskHost() as host:
        for number in range(8):
            await host.register(
                f"s{number % 2}", TaskSpec(id=f"t{number}", kind="monitor" if number < 4 else "other")
            )
        await host.complete("t0")

        assert await ids_of_all_pages(host, TaskFilter("s0"), 2) == [["t2", "t4"], ["t6"]]
        assert await ids_of_all_pages(host, TaskFilter("s0", include_terminal=True), 9) == [
            ["t0", "t2", "t4", "t6"]
        ]
        assert await ids_of_all_pages(host, TaskFilter(kind="monitor"), 9) == [["t1", "t2", "t3"]]
        assert await ids_of_all_pages(host, TaskFilter(state=TaskState.COMPLETED), 9) == [["t0"]]
        assert await ids_of_all_pages(host, TaskFilter("nobody"), 9) == [[]]


async def test_a_session_of_many_tasks_is_paged_too() -> None:
    async with LocalBackgroundTaskHost() as host:
        for number in range(1_500):
            await host.register("s", TaskSpec(id=f"t{number}"))

        pages = await ids_of_all_pages(host, TaskFilter("s"), 1_000)

        assert [len(page) for page in pages] == [1_000, 500]


async def test_the_roster_does_not_grow_with_tasks_that_are_forgotten() -> None:
    async with LocalBackgroundTaskHost(retain_terminal=10) as host:
        for number in range(5_000):
            await host.register("s", TaskSpec(id=f"t{number}"))
            await host.complete(f"t{number}")
        index = host._host.table.index

        assert len(index) == 10
        assert len(index._entries) < 2_100
        assert (await ids_of_all_pages(host, ALL, 4))[0][0] == "t4990"


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "²", "9" * 5_000])
async def test_a_cursor_of_somewhere_else_is_refused(cursor: str) -> None:
    async with LocalBackgroundTaskHost() as host:
        with pytest.raises(UnknownCursor):
            await host.page(LIVE, after=cursor)


async def test_reading_returns_what_is_there_at_once_up_to_a_limit() -> None:
    async with LocalBackgroundTaskHost() as host:
        subscription = host.subscribe()
        for number in range(7):
            await host.register("s", TaskSpec(id=f"t{number}"))

        assert [event.seq for event in await subscription.read(5)] == [1, 2, 3, 4, 5]
        assert [event.seq for event in await subscription.read(5)] == [6, 7]
    assert len(await subscription.read()) == 7  # the host abandons what nobody ran
    assert await subscription.read() == []


async def test_cancelling_a_reader_at_any_moment_loses_no_event() -> None:
    async with LocalBackgroundTaskHost() as host:
        subscription = host.subscribe()
        for number in range(250):
            await host.register("s", TaskSpec(id=f"t{number}"))
        read: list[TaskEvent] = []
        while len(read) < 250:
            with anyio.CancelScope() as hurry:
                hurry.cancel()
                while len(read) < 250:
                    read.append(await anext(subscription))
            if hurry.cancelled_caught and len(read) < 250:
                read.append(await anext(subscription))

        assert [event.seq for event in read] == list(range(1, 251))


async def test_whoever_stops_waiting_leaves_nothing_behind() -> None:
    async with LocalBackgroundTaskHost() as host:
        for number in range(3):
            async with host.subscribe(TaskFilter(f"s{number}")) as subscription:
                with anyio.move_on_after(0):
                    await anext(subscription)

        assert not host._host.table.log.waiters
