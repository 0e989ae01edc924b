"""External tasks whose owners promised a heartbeat; on a clock that jumps."""

import anyio
import pytest

from hostel.sessions import (
    BackgroundTaskHost,
    EventType,
    FailureKind,
    TaskSpec,
    TaskState,
    UnknownTask,
)

from .steering import is_idle, settle, take

pytestmark = pytest.mark.virtual_time


async def state(host: BackgroundTaskHost, task_id: str) -> TaskState:
    record = await host.get(task_id)
    assert record is not None
    return record.state


async def test_a_task_whose_owner_falls_silent_is_abandoned(host: BackgroundTaskHost) -> None:
    events = host.subscribe()
    start = anyio.current_time()
    await host.register_external("s1", TaskSpec(id="t1", heartbeat_ttl=30))

    record = await host.wait("t1")

    assert anyio.current_time() - start == pytest.approx(30)
    assert record.failure is not None
    assert (record.state, record.failure.kind) == (TaskState.ABANDONED, FailureKind.HEARTBEAT)
    assert record.failure.message == "no heartbeat for 30 s"
    assert [event.type for event in await take(events, 2)] == [EventType.REGISTERED, EventType.ABANDONED]
    assert await is_idle(events)


async def test_heartbeats_keep_a_task_alive(host: BackgroundTaskHost) -> None:
    await host.register_external("s1", TaskSpec(id="t1", heartbeat_ttl=30))
    events = host.subscribe()
    for _ in range(10):
        await anyio.sleep(29)
        await host.heartbeat("s1", "t1")

    assert await state(host, "t1") is TaskState.RUNNING
    assert await is_idle(events)
    await anyio.sleep(31)
    assert await state(host, "t1") is TaskState.ABANDONED


async def test_each_task_has_its_own_time(host: BackgroundTaskHost) -> None:
    await host.register_external("s1", TaskSpec(id="slow", heartbeat_ttl=100))
    await settle()
    await host.register_external("s1", TaskSpec(id="quick", heartbeat_ttl=10))

    await anyio.sleep(11)

    assert (await state(host, "quick"), await state(host, "slow")) == (
        TaskState.ABANDONED,
        TaskState.RUNNING,
    )
    await anyio.sleep(90)
    assert await state(host, "slow") is TaskState.ABANDONED


async def test_a_task_that_ended_is_left_in_peace(host: BackgroundTaskHost) -> None:
    await host.register_external("s1", TaskSpec(id="t1", heartbeat_ttl=30))
    done = await host.complete("t1")
    await host.heartbeat("s1", "t1")

    await anyio.sleep(100)

    assert await host.get("t1") == done


async def test_a_task_that_was_asked_to_stop_may_still_fall_silent(host: BackgroundTaskHost) -> None:
    await host.register_external("s1", TaskSpec(id="t1", heartbeat_ttl=30))
    await host.request_cancel("t1", "why")

    record = await host.wait("t1")

    assert (record.state, record.cancel_reason) == (TaskState.ABANDONED, "why")


async def test_a_moved_task_is_watched_on(host: BackgroundTaskHost) -> None:
    await host.register_external("s1", TaskSpec(id="t1", heartbeat_ttl=30))
    await host.transfer("t1", "s2")
    await anyio.sleep(29)
    await host.heartbeat("s2", "t1")
    await anyio.sleep(29)
    await host.heartbeat("s1", "t1")  # the session its owner knows it by
    await anyio.sleep(29)
    assert await state(host, "t1") is TaskState.RUNNING

    assert (await host.wait("t1")).session_id == "s2"


async def test_a_task_registered_without_a_runner_can_promise_heartbeats_too(
    host: BackgroundTaskHost,
) -> None:
    await host.register("s1", TaskSpec(id="t1", heartbeat_ttl=30))

    assert (await host.wait("t1")).state is TaskState.ABANDONED


async def test_no_promise_no_abandonment(host: BackgroundTaskHost) -> None:
    await host.register_external("s1", TaskSpec(id="t1"))
    await host.heartbeat("s1", "t1")

    await anyio.sleep(80_000)

    assert await state(host, "t1") is TaskState.RUNNING


async def test_a_managed_task_needs_no_heartbeat(host: BackgroundTaskHost) -> None:
    handle = await host.spawn_managed("s1", TaskSpec(heartbeat_ttl=1), anyio.sleep, 100)
    await host.heartbeat("s1", handle.id)

    assert (await host.wait(handle.id)).state is TaskState.COMPLETED


async def test_a_heartbeat_of_an_unknown_task_is_an_error(host: BackgroundTaskHost) -> None:
    with pytest.raises(UnknownTask):
        await host.heartbeat("s1", "t1")


async def test_a_new_task_of_the_same_id_has_its_own_heartbeat(host: BackgroundTaskHost) -> None:
    await host.register_external("s1", TaskSpec(id="t1", heartbeat_ttl=30))
    await anyio.sleep(20)
    await host.complete("t1")
    await host.register_external("s1", TaskSpec(id="t1", heartbeat_ttl=30))

    await anyio.sleep(20)
    assert await state(host, "t1") is TaskState.RUNNING
    await anyio.sleep(11)
    assert await state(host, "t1") is TaskState.ABANDONED


async def test_a_thousand_promises_are_watched_by_one_task(host: BackgroundTaskHost) -> None:
    for number in range(1000):
        await host.register_external("s1", TaskSpec(id=f"t{number}", heartbeat_ttl=1 + number))

    await anyio.sleep(500.5)

    assert len(await host.list()) == 500
