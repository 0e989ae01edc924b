"""What a handle gives to whoever started a task."""

import anyio
import pytest

from hostel.sessions import (
    BackgroundTaskHost,
    TaskCancelled,
    TaskFailed,
    TaskSpec,
    TaskState,
)

from .steering import Body, Stubborn, settle


async def test_a_handle_follows_its_task(host: BackgroundTaskHost) -> None:
    body = Body(value=1)
    handle = await host.spawn_managed("s1", TaskSpec(id="t1"), body.run)
    assert repr(handle) == "<TaskHandle s1/t1 running>"

    await host.transfer("t1", "s2")
    assert (handle.session_id, handle.record) == ("s2", await host.get("t1"))
    body.go.set()
    with anyio.fail_after(60):
        assert await handle.wait() == 1
    assert repr(handle) == "<TaskHandle s2/t1 completed>"


async def test_many_may_wait_and_all_get_the_same(host: BackgroundTaskHost) -> None:
    body = Body(value=object())
    handle = await host.spawn_managed("s1", TaskSpec(), body.run)
    got: list[object] = []

    async def wait() -> None:
        got.append(await handle.wait())

    with anyio.fail_after(60):
        async with anyio.create_task_group() as waiters:
            for _ in range(3):
                waiters.start_soon(wait)
            await settle()
            body.go.set()
        got.append(await handle.wait())

    assert got == [body.value] * 4


async def test_being_cancelled_while_waiting_leaves_the_task_alone(host: BackgroundTaskHost) -> None:
    body = Body(value=1)
    handle = await host.spawn_managed("s1", TaskSpec(), body.run)

    with anyio.move_on_after(0) as given_up:
        await handle.wait()

    assert given_up.cancelled_caught
    await settle()
    assert not body.stopped.is_set()
    body.go.set()
    with anyio.fail_after(60):
        assert await handle.wait() == 1


async def test_dropping_a_handle_leaves_the_task_alone(host: BackgroundTaskHost) -> None:
    body = Body(value=1)
    await host.spawn_managed("s1", TaskSpec(id="t1"), body.run)
    body.go.set()

    with anyio.fail_after(60):
        assert (await host.wait("t1")).state is TaskState.COMPLETED


async def test_waiting_for_a_cancelled_task_says_who_cancelled_it_and_why(host: BackgroundTaskHost) -> None:
    handle = await host.spawn_managed("s1", TaskSpec(id="t1"), anyio.sleep_forever)
    await settle()

    record = await handle.cancel("no longer needed", actor="alice")

    assert record.state is TaskState.CANCEL_REQUESTED
    with anyio.fail_after(60), pytest.raises(TaskCancelled) as cancelled:
        await handle.wait()
    assert str(cancelled.value) == "task 't1' was cancelled by alice: no longer needed"
    assert cancelled.value.record == handle.record


async def test_waiting_for_a_failed_task_chains_what_it_raised(host: BackgroundTaskHost) -> None:
    error = ValueError("deep")
    body = Body(error=error)
    body.go.set()
    handle = await host.spawn_managed("s1", TaskSpec(id="t1"), body.run)

    for _ in range(2):
        with anyio.fail_after(60), pytest.raises(TaskFailed) as failed:
            await handle.wait()
        assert str(failed.value) == "task 't1' failed: ValueError: deep"
        assert failed.value.__cause__ is error


@pytest.mark.parametrize(
    ("end", "message"),
    [(TaskState.FAILED, "failed: broken"), (TaskState.ABANDONED, "abandoned: broken")],
)
async def test_waiting_for_a_task_that_somebody_ended_tells_what_they_said(
    host: BackgroundTaskHost, end: TaskState, message: str
) -> None:
    handle = await host.spawn_managed("s1", TaskSpec(id="t1"), anyio.sleep_forever)
    await host.complete("t1", end, summary="broken")

    with anyio.fail_after(60), pytest.raises(TaskFailed, match=message) as failed:
        await handle.wait()
    assert failed.value.__cause__ is None


async def test_waiting_for_a_task_that_somebody_completed_gives_their_value(host: BackgroundTaskHost) -> None:
    handle = await host.spawn_managed("s1", TaskSpec(id="t1"), anyio.sleep_forever)
    await host.complete("t1", value=[1, 2])

    with anyio.fail_after(60):
        assert await handle.wait() == [1, 2]  # type: ignore[func-returns-value]


async def test_what_a_body_returns_after_somebody_completed_its_task_is_not_its_result(
    host: BackgroundTaskHost,
) -> None:
    body = Stubborn(value="too late")
    handle = await host.spawn_managed("s1", TaskSpec(), body.run)
    await body.started.wait()
    await host.complete(handle.id, value="theirs")
    body.go.set()
    await settle()

    assert await handle.wait() == "theirs"


async def test_cancelling_through_a_handle_goes_by_the_policy_and_down_to_children(
    host: BackgroundTaskHost,
) -> None:
    handle = await host.spawn_managed("s1", TaskSpec(id="parent"), anyio.sleep_forever)
    child = await host.spawn_managed("s1", TaskSpec(parent_task_id="parent"), anyio.sleep_forever)
    await settle()

    await handle.cancel()

    with anyio.fail_after(60):
        assert (await host.wait(child.id)).cancel_actor == "parent"


async def test_cancelling_a_finished_task_through_its_handle_does_nothing(host: BackgroundTaskHost) -> None:
    body = Body()
    body.go.set()
    handle = await host.spawn_managed("s1", TaskSpec(), body.run)
    with anyio.fail_after(60):
        await handle.wait()

    assert (await handle.cancel("late")).cancel_reason is None


async def test_a_task_may_cancel_itself_and_goes_on_to_its_next_wait(host: BackgroundTaskHost) -> None:
    steps: list[str] = []

    async def body() -> None:
        record = await host.request_cancel("t1", "by myself")
        steps.append(record.state)
        await anyio.lowlevel.checkpoint()
        steps.append("never")

    handle = await host.spawn_managed("s1", TaskSpec(id="t1"), body)

    with anyio.fail_after(60), pytest.raises(TaskCancelled, match="by t1: by myself"):
        await handle.wait()
    assert steps == [TaskState.CANCEL_REQUESTED]


async def test_a_task_that_cancels_itself_for_good_stops_there(host: BackgroundTaskHost) -> None:
    async def body() -> None:
        await host.cancel_managed("s1", "t1", "by myself")

    handle = await host.spawn_managed("s1", TaskSpec(id="t1"), body)

    with anyio.fail_after(60), pytest.raises(TaskCancelled):
        await handle.wait()


async def test_a_task_that_waits_for_its_session_does_not_wait_for_itself(host: BackgroundTaskHost) -> None:
    async def body() -> list[str]:
        return [record.id for record in await host.wait_all("s1")]

    other = Body()
    await host.spawn_managed("s1", TaskSpec(id="other"), other.run)
    handle = await host.spawn_managed("s1", TaskSpec(id="waiter"), body)
    await settle()
    other.go.set()

    with anyio.fail_after(60):
        assert await handle.wait() == ["other"]


async def test_waiting_for_a_session_waits_for_those_started_meanwhile(host: BackgroundTaskHost) -> None:
    first, second = Body(), Body()
    waited: list[str] = []

    async def wait() -> None:
        waited.extend([record.id for record in await host.wait_all("s1")])

    await host.spawn_managed("s1", TaskSpec(id="first"), first.run)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(wait)
            await settle()
            await host.spawn_managed("s1", TaskSpec(id="second"), second.run)
            first.go.set()
            await settle()
            assert waited == []
            second.go.set()
        assert waited == ["first", "second"]
        assert await host.wait_all("s1") == []
