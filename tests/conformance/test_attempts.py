"""Attempts with backoff, and time limits; on a clock that jumps."""

import anyio
import pytest

from hostel.sessions import (
    BackgroundTaskHost,
    Backoff,
    CancelPolicy,
    EventType,
    FailureKind,
    TaskFailed,
    TaskSpec,
    TaskState,
    current_task,
)

from .steering import is_idle, settle, take, take_until

pytestmark = pytest.mark.virtual_time
STEADY = Backoff(initial=10, factor=2, maximum=25, jitter=0)


class Failing:
    """A body that fails `failures` times, then returns how often it ran."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.starts: list[float] = []

    async def run(self) -> int:
        self.starts.append(anyio.current_time())
        if len(self.starts) <= self.failures:
            raise ValueError(f"failure {len(self.starts)}")
        return len(self.starts)


async def test_a_body_that_fails_is_run_again_after_a_growing_pause(host: BackgroundTaskHost) -> None:
    body = Failing(3)
    events = host.subscribe()
    handle = await host.spawn_managed("s1", TaskSpec(max_attempts=5, retry=STEADY), body.run)

    assert await handle.wait() == 4

    pauses = [later - earlier for earlier, later in zip(body.starts, body.starts[1:], strict=False)]
    assert pauses == pytest.approx([10, 20, 25])
    assert handle.record.attempt.attempt == 4
    assert handle.record.failure is None
    told = await take_until(events, lambda event: event.type is EventType.COMPLETED)
    steps = [(event.record.state, event.record.attempt.attempt) for event in told if event.record]
    assert steps == [
        (TaskState.RUNNING, 1),
        (TaskState.WAITING, 2),
        (TaskState.RUNNING, 2),
        (TaskState.WAITING, 3),
        (TaskState.RUNNING, 3),
        (TaskState.WAITING, 4),
        (TaskState.RUNNING, 4),
        (TaskState.COMPLETED, 4),
    ]


async def test_the_last_failure_is_the_task_s(host: BackgroundTaskHost) -> None:
    handle = await host.spawn_managed("s1", TaskSpec(max_attempts=3, retry=STEADY), Failing(9).run)

    with pytest.raises(TaskFailed, match="failure 3") as failed:
        await handle.wait()

    assert isinstance(failed.value.__cause__, ValueError)
    assert handle.record.attempt.attempt == handle.record.attempt.max_attempts == 3


async def test_there_is_one_attempt_unless_more_are_asked_for(host: BackgroundTaskHost) -> None:
    body = Failing(1)
    handle = await host.spawn_managed("s1", TaskSpec(), body.run)

    with pytest.raises(TaskFailed, match="failure 1"):
        await handle.wait()
    assert len(body.starts) == 1


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt()], ids=["exit", "interrupt"])
async def test_an_exit_is_not_tried_again(host: BackgroundTaskHost, error: BaseException) -> None:
    runs: list[int] = []

    async def body() -> None:
        runs.append(1)
        raise error

    handle = await host.spawn_managed("s1", TaskSpec(max_attempts=3), body)
    with pytest.raises(TaskFailed):
        await handle.wait()
    assert runs == [1]


@pytest.mark.parametrize("policy", list(CancelPolicy))
async def test_a_task_that_waits_for_its_next_attempt_is_cancelled_at_once(
    host: BackgroundTaskHost, policy: CancelPolicy
) -> None:
    body = Failing(9)
    handle = await host.spawn_managed(
        "s1", TaskSpec(max_attempts=3, retry=STEADY, cancel_policy=policy), body.run
    )
    await settle()
    assert handle.record.state is TaskState.WAITING
    start = anyio.current_time()

    await host.request_cancel(handle.id)
    record = await host.wait(handle.id)

    assert (record.state, len(body.starts)) == (TaskState.CANCELLED, 1)
    assert anyio.current_time() == start


async def test_a_task_that_was_asked_to_stop_is_not_tried_again(host: BackgroundTaskHost) -> None:
    runs: list[int] = []

    async def body() -> None:
        runs.append(1)
        await current_task().cancellation()
        raise ValueError("no")

    spec = TaskSpec(max_attempts=3, cancel_policy=CancelPolicy.COOPERATIVE)
    handle = await host.spawn_managed("s1", spec, body)
    await settle()
    await host.request_cancel(handle.id)

    assert (await host.wait(handle.id)).state is TaskState.FAILED
    assert runs == [1]


async def test_somebody_may_end_a_task_that_waits_for_its_next_attempt(host: BackgroundTaskHost) -> None:
    body = Failing(9)
    handle = await host.spawn_managed("s1", TaskSpec(max_attempts=3, retry=STEADY), body.run)
    await settle()
    events = host.subscribe()

    await host.complete(handle.id, summary="never mind")

    assert [event.type for event in await take(events, 1)] == [EventType.COMPLETED]
    await anyio.sleep(100)
    assert await is_idle(events)
    assert len(body.starts) == 1


async def test_a_body_that_fails_while_others_call_it_waiting_is_tried_again(
    host: BackgroundTaskHost,
) -> None:
    async def body() -> str:
        task = current_task()
        await host.mark_live_state("s1", task.id, TaskState.WAITING)
        if task.attempt == 1:
            raise ValueError("no")
        return "done"

    handle = await host.spawn_managed("s1", TaskSpec(max_attempts=2), body)

    assert await handle.wait() == "done"


async def test_an_idempotency_key_and_all_attempts_are_one_task(host: BackgroundTaskHost) -> None:
    body = Failing(1)
    spec = TaskSpec(max_attempts=2, retry=STEADY, idempotency_key="k")
    first = await host.spawn_managed("s1", spec, body.run)
    await settle()

    second = await host.spawn_managed("s1", spec, body.run)

    assert (await first.wait(), await second.wait()) == (2, 2)


async def test_a_body_out_of_time_is_stopped_and_has_failed(host: BackgroundTaskHost) -> None:
    stopped = anyio.Event()

    async def body() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            stopped.set()

    start = anyio.current_time()
    handle = await host.spawn_managed("s1", TaskSpec(timeout=30), body)

    with pytest.raises(TaskFailed, match="not done after 30 s"):
        await handle.wait()

    assert anyio.current_time() - start == pytest.approx(30)
    assert stopped.is_set()
    failure = handle.record.failure
    assert failure is not None
    assert (handle.record.state, failure.kind) == (TaskState.FAILED, FailureKind.TIMEOUT)
    assert handle.record.cancel_actor is None


async def test_each_attempt_has_its_own_time(host: BackgroundTaskHost) -> None:
    starts: list[float] = []

    async def body() -> str:
        starts.append(anyio.current_time())
        await anyio.sleep(40 if len(starts) == 1 else 20)
        return "in time"

    handle = await host.spawn_managed("s1", TaskSpec(timeout=30, max_attempts=2, retry=STEADY), body)

    assert await handle.wait() == "in time"
    assert starts[1] - starts[0] == pytest.approx(40)


async def test_a_timeout_inside_a_body_is_an_error_like_others(host: BackgroundTaskHost) -> None:
    async def body() -> None:
        with anyio.fail_after(0):
            await anyio.sleep_forever()

    handle = await host.spawn_managed("s1", TaskSpec(timeout=30), body)

    with pytest.raises(TaskFailed):
        await handle.wait()
    assert handle.record.failure is not None
    assert handle.record.failure.kind is FailureKind.ERROR


async def test_a_request_before_the_time_is_over_is_a_cancellation(host: BackgroundTaskHost) -> None:
    handle = await host.spawn_managed("s1", TaskSpec(timeout=30), anyio.sleep_forever)
    await anyio.sleep(29)

    await host.request_cancel(handle.id)

    assert (await host.wait(handle.id)).state is TaskState.CANCELLED


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0},
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": float("nan")},
        {"heartbeat_ttl": 0},
    ],
    ids=str,
)
async def test_impossible_attempts_and_times_cannot_be_asked_for(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TaskSpec(**wrong)  # type: ignore[arg-type]


async def test_a_run_that_follows_no_death_of_a_host_counts_whatever_it_says(
    host: BackgroundTaskHost,
) -> None:
    runs: list[int] = []

    async def body() -> None:
        runs.append(current_task().attempt)
        await current_task().adopted()
        raise ValueError("no")

    handle = await host.spawn_managed("s1", TaskSpec(max_attempts=2, retry=STEADY), body)
    record = await host.wait(handle.id)

    assert runs == [1, 2]
    assert (record.attempt.interruptions, record.attempt.counted) == (0, 2)
