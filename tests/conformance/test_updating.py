"""How a task goes and ends, as its owner tells it: update, complete, mark_live_state, mark_terminal."""

import itertools
import math

import anyio
import pytest

from hostel.sessions import (
    BackgroundTaskHost,
    EventType,
    FailureKind,
    IllegalTransition,
    InvalidProgress,
    Progress,
    TaskOutcome,
    TaskRecord,
    TaskSpec,
    TaskState,
)
from hostel.sessions.states import MOVES

from .steering import Body, Stubborn, is_idle, settle, take

LIVE = [TaskState.PENDING, TaskState.RUNNING, TaskState.WAITING, TaskState.CANCEL_REQUESTED]
ENDS = {
    TaskState.COMPLETED: EventType.COMPLETED,
    TaskState.FAILED: EventType.FAILED,
    TaskState.CANCELLED: EventType.CANCELLED,
    TaskState.ABANDONED: EventType.ABANDONED,
}


async def in_state(host: BackgroundTaskHost, state: TaskState) -> TaskRecord:
    await host.register("s1", TaskSpec(id="t1"))
    if state in ENDS:
        return await host.complete("t1", state)
    return await host.update("t1", state=state)


@pytest.mark.parametrize(("was", "wanted"), list(itertools.product(TaskState, LIVE)))
async def test_update_makes_a_move_the_table_allows_and_refuses_any_other(
    host: BackgroundTaskHost, was: TaskState, wanted: TaskState
) -> None:
    before = await in_state(host, was)
    events = host.subscribe()

    if wanted in MOVES[was] and wanted is not TaskState.PENDING:
        after = await host.update("t1", state=wanted)
        assert after.state is wanted
        [event] = await take(events, 1)
        assert (event.previous, event.record) == (was, after)
    elif wanted is was and not was.is_terminal:
        assert await host.update("t1", state=wanted) == before
    else:
        with pytest.raises(IllegalTransition, match=f"is {was} and cannot become {wanted}") as illegal:
            await host.update("t1", state=wanted, progress=Progress("never"))
        assert (illegal.value.task_id, illegal.value.was, illegal.value.wanted) == ("t1", was, wanted)
        assert await host.get("t1") == before
    assert await is_idle(events)


@pytest.mark.parametrize("end", ENDS)
async def test_update_cannot_end_a_task(host: BackgroundTaskHost, end: TaskState) -> None:
    await host.register("s1", TaskSpec(id="t1"))

    with pytest.raises(IllegalTransition):
        await host.update("t1", state=end)


async def test_a_task_has_started_when_it_first_leaves_pending(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(id="t1"))

    started = await host.update("t1", state=TaskState.WAITING)
    later = await host.update("t1", state=TaskState.RUNNING)

    assert started.started_at == later.started_at == started.updated_at


async def test_progress_is_kept_in_the_record_and_told_once(host: BackgroundTaskHost) -> None:
    await host.register_external("s1", TaskSpec(id="t1"))
    events = host.subscribe()
    progress = Progress("half way", 5, 10, "files")

    record = await host.update("t1", progress=progress)

    [event] = await take(events, 1)
    assert (event.type, event.record) == (EventType.PROGRESS, record)
    assert record.progress == progress
    assert (await host.complete("t1")).progress == progress
    await take(events, 1)
    assert await is_idle(events)


async def test_an_update_of_state_and_progress_tells_both_once(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(id="t1"))
    events = host.subscribe()

    await host.update("t1", state=TaskState.RUNNING, progress=Progress("on it"))

    told = await take(events, 2)
    assert {event.type for event in told} == {EventType.STATE_CHANGED, EventType.PROGRESS}
    assert await is_idle(events)


async def test_an_update_that_says_nothing_new_tells_nothing(host: BackgroundTaskHost) -> None:
    record = await host.register_external("s1", TaskSpec(id="t1"))
    events = host.subscribe()

    assert await host.update("t1") == await host.update("t1", state=TaskState.RUNNING) == record
    assert await is_idle(events)


async def test_a_task_that_was_asked_to_stop_still_reports_progress(host: BackgroundTaskHost) -> None:
    await host.register_external("s1", TaskSpec(id="t1"))
    await host.request_cancel("t1")

    record = await host.update("t1", progress=Progress("cleaning up"))

    assert record.progress == Progress("cleaning up")
    assert record.state is TaskState.CANCEL_REQUESTED


async def test_a_finished_task_reports_no_progress(host: BackgroundTaskHost) -> None:
    await host.register_external("s1", TaskSpec(id="t1"))
    done = await host.complete("t1")

    with pytest.raises(IllegalTransition):
        await host.update("t1", progress=Progress("more"))
    assert await host.get("t1") == done


@pytest.mark.parametrize(
    ("done", "total"), [(2, 1), (-1, None), (None, -1), (math.nan, 1), (1, math.nan), (math.inf, None)]
)
async def test_impossible_progress_cannot_even_be_said(done: float | None, total: float | None) -> None:
    with pytest.raises(InvalidProgress, match="is impossible") as invalid:
        Progress(done=done, total=total)

    assert (invalid.value.done, invalid.value.total) == (done, total)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("was", LIVE)
async def test_a_live_task_ends_once(host: BackgroundTaskHost, was: TaskState, end: TaskState) -> None:
    await in_state(host, was)
    events = host.subscribe()

    record = await host.complete("t1", end, summary="that is it", value={"n": [1]})

    [event] = await take(events, 1)
    assert (event.type, event.record) == (ENDS[end], record)
    assert record.state is end
    assert record.completed_at == record.updated_at == event.at
    for other in ENDS:
        assert await host.complete("t1", other, summary="no, this") == record
        await host.mark_terminal("s1", "t1", other)
        await host.request_cancel("t1", "too late")
    assert await host.get("t1") == record
    assert await is_idle(events)


async def test_what_completion_says_becomes_result_or_failure(host: BackgroundTaskHost) -> None:
    for task_id in "abcd":
        await host.register("s1", TaskSpec(id=task_id))

    completed = await host.complete("a", summary="fine", value=[1, None])
    failed = await host.complete("b", TaskState.FAILED, summary="broke")
    silent = await host.complete("c", TaskState.FAILED)
    plain = await host.complete("d")

    assert (completed.result, completed.failure) == (TaskOutcome("fine", [1, None]), None)
    assert failed.result is None
    assert failed.failure is not None
    assert (failed.failure.kind, failed.failure.message) == (FailureKind.REPORTED, "broke")
    assert silent.failure is not None
    assert (plain.result, plain.failure) == (None, None)


@pytest.mark.parametrize("state", LIVE)
async def test_complete_takes_terminal_states_only(host: BackgroundTaskHost, state: TaskState) -> None:
    record = await host.register("s1", TaskSpec(id="t1"))

    with pytest.raises(IllegalTransition):
        await host.complete("t1", state)
    await host.mark_terminal("s1", "t1", state)

    assert await host.get("t1") == record


async def test_marking_an_unknown_task_does_nothing(host: BackgroundTaskHost) -> None:
    await host.mark_terminal("s1", "t1", TaskState.COMPLETED)
    await host.mark_live_state("s1", "t1", TaskState.WAITING)

    assert await host.sessions() == []


async def test_mark_terminal_ends_a_task_with_its_summary(host: BackgroundTaskHost) -> None:
    await host.register_external("s1", TaskSpec(id="t1"))

    await host.mark_terminal("s1", "t1", TaskState.FAILED, summary="no network")

    record = await host.get("t1")
    assert record is not None
    assert record.failure is not None
    assert (record.state, record.failure.message) == (TaskState.FAILED, "no network")


async def test_mark_live_state_flips_between_running_and_waiting(host: BackgroundTaskHost) -> None:
    await host.register_external("s1", TaskSpec(id="t1"))
    events = host.subscribe()

    for state in (TaskState.WAITING, TaskState.WAITING, TaskState.RUNNING):
        await host.mark_live_state("s1", "t1", state)

    told = await take(events, 2)
    assert [event.record and event.record.state for event in told] == [TaskState.WAITING, TaskState.RUNNING]
    assert await is_idle(events)


@pytest.mark.parametrize("was", [TaskState.CANCEL_REQUESTED, *ENDS])
@pytest.mark.parametrize("wanted", list(TaskState))
async def test_mark_live_state_never_undoes_a_request_or_an_end(
    host: BackgroundTaskHost, was: TaskState, wanted: TaskState
) -> None:
    before = await in_state(host, was)

    await host.mark_live_state("s1", "t1", wanted)

    assert await host.get("t1") == before


@pytest.mark.parametrize("end", [TaskState.COMPLETED, TaskState.FAILED])
async def test_ending_a_managed_task_from_outside_stops_its_body(
    host: BackgroundTaskHost, end: TaskState
) -> None:
    body = Body()
    handle = await host.spawn_managed("s1", TaskSpec(), body.run)
    await body.started.wait()
    events = host.subscribe()

    record = await host.complete(handle.id, end, summary="enough")

    assert record.state is end
    with anyio.fail_after(60):
        await body.stopped.wait()
    await settle()
    assert handle.record == record
    await take(events, 1)
    assert await is_idle(events)


@pytest.mark.parametrize("end", [TaskState.CANCELLED, TaskState.ABANDONED])
async def test_a_managed_task_is_not_called_cancelled_or_abandoned_before_its_body_has_stopped(
    host: BackgroundTaskHost, end: TaskState
) -> None:
    body = Body()
    handle = await host.spawn_managed("s1", TaskSpec(), body.run)
    await body.started.wait()

    with anyio.fail_after(60):
        record = await host.complete(handle.id, end, summary="enough")

    assert body.stopped.is_set()
    assert record.state is end


@pytest.mark.virtual_time
async def test_calling_a_body_cancelled_that_does_not_stop_leaves_it_asked_to(
    host: BackgroundTaskHost,
) -> None:
    body = Stubborn()
    handle = await host.spawn_managed("s1", TaskSpec(), body.run)
    await body.started.wait()

    record = await host.complete(handle.id, TaskState.CANCELLED, summary="enough")

    assert (record.state, record.cancel_reason) == (TaskState.CANCEL_REQUESTED, "enough")
    body.go.set()
    assert (await host.wait(handle.id)).state is TaskState.CANCELLED


async def test_a_body_that_completes_itself_has_its_say(host: BackgroundTaskHost) -> None:
    async def body() -> str:
        await host.complete("t1", summary="done by myself", value=5)
        await anyio.sleep_forever()
        return "never"

    handle = await host.spawn_managed("s1", TaskSpec(id="t1"), body)

    with anyio.fail_after(60):
        assert await handle.wait() == 5  # type: ignore[comparison-overlap]
    assert handle.record.result == TaskOutcome("done by myself", 5)
