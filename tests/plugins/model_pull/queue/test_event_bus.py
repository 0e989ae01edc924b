import anyio
import pytest

from hostel.plugins.model_pull import Completed, DownloadEvent, FileCompleted, Missed, Progress, Subscription
from hostel.plugins.model_pull._queue.event_bus import LONGEST, EventBus


async def rest_of(reader: Subscription) -> list[DownloadEvent]:
    reader.close()
    return [event async for event in reader]


async def test_every_reader_gets_every_event_in_order() -> None:
    bus = EventBus()
    readers = [bus.subscribe() for _ in range(2)]
    events = [FileCompleted("m", str(number), 1) for number in range(5)]
    for event in events:
        bus.publish(event)

    for reader in readers:
        assert await rest_of(reader) == events


async def test_unread_progress_is_replaced_by_newer_progress_of_the_same_download() -> None:
    bus = EventBus()
    reader = bus.subscribe()
    for done in range(100):
        bus.publish(Progress("a", done, 100))
        bus.publish(Progress("b", done, 100))
    bus.publish(Completed("a", "/x"))

    assert await rest_of(reader) == [Progress("a", 99, 100), Progress("b", 99, 100), Completed("a", "/x")]


async def test_a_reader_that_falls_behind_is_told_how_many_events_it_missed() -> None:
    bus = EventBus()
    reader = bus.subscribe()
    for number in range(LONGEST + 7):
        bus.publish(FileCompleted("m", str(number), 1))

    first, *rest = await rest_of(reader)

    assert first == Missed(7)
    assert rest[0] == FileCompleted("m", "7", 1)
    assert len(rest) == LONGEST


async def test_a_waiting_reader_is_woken_by_an_event_and_by_the_end() -> None:
    bus = EventBus()
    read: list[DownloadEvent] = []

    async def listen(reader: Subscription) -> None:
        read.append(await anext(reader))
        with pytest.raises(StopAsyncIteration):
            await anext(reader)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(listen, bus.subscribe())
            await anyio.wait_all_tasks_blocked()
            bus.publish(Completed("a", "/x"))
            await anyio.wait_all_tasks_blocked()
            assert read == [Completed("a", "/x")]
            bus.close()

    assert await rest_of(bus.subscribe()) == []


async def test_a_reader_that_left_is_told_nothing_more() -> None:
    bus = EventBus()
    async with bus.subscribe() as reader:
        pass
    bus.publish(Completed("a", "/x"))

    assert await rest_of(reader) == []
