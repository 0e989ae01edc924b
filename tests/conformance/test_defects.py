"""The known defects of the system this host re-imagines, each as the behaviour that replaces it.

`L1` to `L20` and `H1` to `H16` are two independent lists of them; many overlap."""

from functools import partial

import anyio
import pytest

from hostel.sessions import (
    AmbiguousTaskId,
    BackgroundTaskHost,
    CancelPolicy,
    ClosePolicy,
    EventType,
    FailureKind,
    HiddenTasksFailed,
    IllegalTransition,
    Progress,
    TaskAlreadyExists,
    TaskFilter,
    TaskOutcome,
    TaskSpec,
    TaskState,
    TaskStillRuns,
    UnknownTask,
)

from .conftest import HostFactory
from .steering import Body, SlowToStop, is_idle, settle, take, take_until

ENDS = [TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED, TaskState.ABANDONED]


async def ended(host: BackgroundTaskHost, body: Body) -> str:
    body.go.set()
    task_id: str = (await host.spawn_managed("s1", TaskSpec(), body.run)).id
    with anyio.fail_after(60):
        await host.wait(task_id)
    return task_id


async def test_the_end_of_a_managed_task_is_told_once_with_its_outcome(host: BackgroundTaskHost) -> None:
    """L1"""
    events = host.subscribe()
    good = await ended(host, Body(value="result"))
    bad = await ended(host, Body(error=ValueError("reason")))

    ends = [event for event in await take(events, 4) if event.record and event.record.is_terminal]

    assert [(event.task_id, event.type) for event in ends] == [
        (good, EventType.COMPLETED),
        (bad, EventType.FAILED),
    ]
    assert ends[0].record is not None
    assert ends[0].record.result == TaskOutcome(value="result")
    assert ends[1].record is not None
    assert ends[1].record.failure is not None
    assert ends[1].record.failure.message == "ValueError: reason"
    assert await is_idle(events)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)], ids=["interrupt", "exit"])
async def test_no_exception_leaves_a_task_running_for_ever(
    host: BackgroundTaskHost, error: BaseException
) -> None:
    """L2"""
    task_id = await ended(host, Body(error=error))

    record = await host.get(task_id)
    assert record is not None
    assert record.failure is not None
    assert (record.state, record.failure.kind) == (TaskState.FAILED, FailureKind.EXIT)


async def test_a_transferred_task_finishes_in_its_new_session(host: BackgroundTaskHost) -> None:
    """L3"""
    body = Body()
    handle = await host.spawn_managed("s1", TaskSpec(), body.run)
    await host.transfer_managed("s1", "s2", [handle.id])
    body.go.set()
    with anyio.fail_after(60):
        await handle.wait()

    [record] = await host.list_managed("s2")
    assert (record.state, record.session_id) == (TaskState.COMPLETED, "s2")


async def test_a_transferred_record_says_where_it_is_and_when_it_moved(host: BackgroundTaskHost) -> None:
    """L4"""
    before = await host.register("s1", TaskSpec(id="t1"))

    [after] = await host.transfer_managed("s1", "s2", ["t1"])

    assert after.session_id == "s2"
    assert after.updated_at >= before.updated_at
    assert after.seq > before.seq
    assert await host.list(TaskFilter(session_id="s2")) == [after]
    assert await host.list(TaskFilter(session_id="s1")) == []


async def test_an_id_never_hits_the_task_of_another_session_by_chance(host: BackgroundTaskHost) -> None:
    """L5"""
    for session in ("s1", "s2"):
        await host.register(session, TaskSpec(id="t1"))

    for verb in (host.get, host.update, host.complete, host.request_cancel):
        with pytest.raises(AmbiguousTaskId):
            await verb("t1")
    ended = await host.complete("t1", session_id="s2")

    assert ended.session_id == "s2"
    other = await host.get("t1", session_id="s1")
    assert other is not None
    assert other.state is TaskState.PENDING


async def test_a_transfer_overwrites_no_live_task_and_moves_no_finished_one(
    host: BackgroundTaskHost,
) -> None:
    """L6"""
    for session in ("s1", "s2"):
        await host.register(session, TaskSpec(id="t1"))

    with pytest.raises(TaskAlreadyExists):
        await host.transfer("t1", "s2", session_id="s1")
    await host.complete("t1", session_id="s1")
    with pytest.raises(IllegalTransition):
        await host.transfer("t1", "s3", session_id="s1")
    assert await host.transfer_managed("s1", "s3", ["t1"]) == []


@pytest.mark.parametrize("end", ENDS)
async def test_the_first_terminal_state_stays(host: BackgroundTaskHost, end: TaskState) -> None:
    """L7"""
    await host.register("s1", TaskSpec(id="t1"))
    record = await host.complete("t1", end)

    for state in TaskState:
        with pytest.raises(IllegalTransition):
            await host.update("t1", state=state)
    for other in ENDS:
        assert await host.complete("t1", other) == record
    assert await host.request_cancel("t1") == record


async def test_cancelled_is_said_when_the_code_has_stopped(host: BackgroundTaskHost) -> None:
    """L8"""
    body = SlowToStop()
    events = host.subscribe(TaskFilter(state=TaskState.CANCELLED))
    handle = await host.spawn_managed("s1", TaskSpec(), body.run)
    await body.started.wait()
    async with anyio.create_task_group() as callers:
        callers.start_soon(host.cancel_managed, "s1", handle.id)
        await body.stopped.wait()
        assert await is_idle(events)
        assert handle.record.state is TaskState.CANCEL_REQUESTED
        body.go.set()

    assert (await take(events, 1))[0].record == handle.record


async def test_a_cancel_is_told_once_and_never_of_a_completed_task(host: BackgroundTaskHost) -> None:
    """L9"""
    for task_id in ("cancelled", "completed"):
        await host.register("s1", TaskSpec(id=task_id))
    await host.complete("completed")
    events = host.subscribe()
    for _ in range(2):
        for task_id in ("cancelled", "completed"):
            await host.request_cancel(task_id)
            await host.cancel_managed("s1", task_id)

    assert [(event.task_id, event.type) for event in await take(events, 2)] == [
        ("cancelled", EventType.CANCEL_REQUESTED),
        ("cancelled", EventType.CANCELLED),
    ]
    assert await is_idle(events)


async def test_policies_do_what_they_say(host: BackgroundTaskHost) -> None:
    """L10"""
    called: list[int] = []
    aborted, cooperative = Body(), Body()
    keep = await host.register("s1", TaskSpec(close_policy=ClosePolicy.KEEP))
    cancel = await host.spawn_managed("s1", TaskSpec(close_policy=ClosePolicy.CANCEL), aborted.run)
    move = await host.spawn_managed(
        "s1",
        TaskSpec(close_policy=ClosePolicy.TRANSFER, cancel_policy=CancelPolicy.COOPERATIVE),
        cooperative.run,
    )
    external = await host.register_external("s2", TaskSpec(), partial(called.append, 1))
    await settle()

    await host.close_session("s1", successor="s2")
    await host.request_cancel(move.id)
    await host.request_cancel(external.id)
    await settle()

    assert (await host.get(keep.id)) == keep
    assert cancel.record.state is TaskState.CANCELLED
    assert (move.session_id, cooperative.stopped.is_set()) == ("s2", False)
    assert called == [1]
    cooperative.go.set()


async def test_no_event_of_another_session_passes_a_filter(host: BackgroundTaskHost) -> None:
    """L11"""
    events = host.subscribe(TaskFilter(session_id="s1", kind="monitor"))
    await host.register("s2", TaskSpec(id="t1", kind="monitor"))
    await host.update("t1", state=TaskState.RUNNING, progress=Progress("secret"))
    await host.request_cancel("t1", "secret")
    await host.transfer("t1", "s3")
    await host.complete("t1", TaskState.CANCELLED)

    assert await is_idle(events)


async def test_ends_pass_a_filter_that_lists_no_finished_tasks(host: BackgroundTaskHost) -> None:
    """L12"""
    events = host.subscribe(TaskFilter(session_id="s1", include_terminal=False))
    for number, end in enumerate(ENDS):
        await host.register("s1", TaskSpec(id=f"t{number}"))
        await host.complete(f"t{number}", end)

    told = await take(events, 8)
    assert [event.record.state for event in told[1::2] if event.record] == ENDS


async def test_loss_is_said_and_counted(open_forgetful_host: HostFactory) -> None:
    """L13"""
    async with open_forgetful_host(retain_events=256) as host:
        events = host.subscribe()
        for number in range(300):
            await host.register("s1", TaskSpec(id=f"t{number}"))

        missed, first = await take(events, 2)

    assert (missed.type, missed.count, missed.next_seq) == (EventType.MISSED, 44, first.seq)
    assert first.task_id == "t44"


async def test_what_was_seen_last_is_where_to_go_on(host: BackgroundTaskHost) -> None:
    """L13"""
    events = host.subscribe()
    for number in range(5):
        await host.register("s1", TaskSpec(id=f"t{number}"))
    seen = await take(events, 2)

    again = host.subscribe(after=seen[-1].seq)

    assert [event.task_id for event in await take(again, 3)] == ["t2", "t3", "t4"]


async def test_the_barrier_gathers_every_failure_and_detaches_nobody(host: BackgroundTaskHost) -> None:
    """L14"""
    slow = Body(error=KeyError("slow"))
    quick = Body(error=ValueError("quick"))
    quick.go.set()
    await host.spawn_hidden("s1", "quick", quick.run)
    await host.spawn_hidden("s1", "slow", slow.run)
    await settle()
    slow.go.set()

    with pytest.raises(HiddenTasksFailed) as failed:
        await host.await_hidden("s1")
    assert failed.value.exceptions == (quick.error, slow.error)


@pytest.mark.virtual_time
async def test_hidden_tasks_are_counted_labelled_and_stopped_with_their_session(
    host: BackgroundTaskHost,
) -> None:
    """L15"""
    body = Body()
    await host.spawn_hidden("s1", "flush the notes", body.run)
    await body.started.wait()
    assert [summary.hidden for summary in await host.sessions()] == [1]

    with pytest.raises(HiddenTasksFailed) as failed:
        await host.close_session("s1")

    assert body.stopped.is_set()
    assert failed.value.labels == ("flush the notes",)


@pytest.mark.virtual_time
async def test_waiting_for_a_task_needs_no_polling(host: BackgroundTaskHost) -> None:
    """L16"""
    start = anyio.current_time()
    handle = await host.spawn_managed("s1", TaskSpec(), anyio.sleep, 12.345)

    await host.wait(handle.id)

    assert anyio.current_time() - start == pytest.approx(12.345)
    assert await host.wait_all("s1") == []


async def test_finished_records_are_kept_in_bounds_and_pruned(open_host: HostFactory) -> None:
    """L17"""
    async with open_host(retain_terminal=10) as host:
        for _ in range(50):
            record = await host.register("s1", TaskSpec())
            await host.complete(record.id)

        assert len(await host.list_managed("s1")) == 10
        assert await host.prune("s1", keep=3) == 7


async def test_unregistering_a_live_managed_task_is_refused(host: BackgroundTaskHost) -> None:
    """L18"""
    body = Body()
    handle = await host.spawn_managed("s1", TaskSpec(id="t1"), body.run)

    with pytest.raises(TaskStillRuns, match="still runs") as refused:
        await host.unregister_external("s1", "t1")

    assert (refused.value.task_id, refused.value.session_id) == ("t1", "s1")
    assert handle.record == await host.get("t1")
    body.go.set()
    with anyio.fail_after(60):
        await handle.wait()
    await host.unregister_external("s1", "t1")
    assert await host.get("t1") is None


async def test_unregistering_a_live_external_task_is_told(host: BackgroundTaskHost) -> None:
    """L18"""
    await host.register_external("s1", TaskSpec(id="t1"))
    events = host.subscribe()

    await host.unregister_external("s1", "t1")

    assert [event.type for event in await take(events, 1)] == [EventType.ABANDONED]
    assert await host.get("t1") is None
    with pytest.raises(UnknownTask):
        await host.unregister_external("s1", "t1")


async def test_whoever_comes_late_sees_the_last_progress(host: BackgroundTaskHost) -> None:
    """L19"""
    await host.register_external("s1", TaskSpec(id="t1"))
    await host.update("t1", progress=Progress("three of four", 3, 4))

    [record] = await host.list()

    assert record.progress == Progress("three of four", 3, 4)


@pytest.mark.virtual_time
async def test_attempts_and_idempotency_keys_do_something(host: BackgroundTaskHost) -> None:
    """L20"""
    runs: list[int] = []

    async def body() -> int:
        runs.append(1)
        if len(runs) < 3:
            raise ValueError("not yet")
        return len(runs)

    spec = TaskSpec(max_attempts=3, idempotency_key="k")
    first = await host.spawn_managed("s1", spec, body)
    second = await host.spawn_managed("s1", spec, body)

    assert (await first.wait(), await second.wait(), len(runs)) == (3, 3, 3)
    assert first.record.attempt.attempt == 3


async def test_a_task_that_ends_by_itself_is_told_to_those_who_watch(host: BackgroundTaskHost) -> None:
    """H1"""
    events = host.subscribe()
    await ended(host, Body())

    assert [event.type for event in await take(events, 2)] == [EventType.REGISTERED, EventType.COMPLETED]


async def test_the_end_of_a_task_is_looked_up_by_the_task_not_by_its_first_session(
    host: BackgroundTaskHost,
) -> None:
    """H2"""
    body, namesake = Body(value="moved"), Body()
    handle = await host.spawn_managed("s1", TaskSpec(id="t1"), body.run)
    await host.transfer("t1", "s2")
    other = await host.spawn_managed("s1", TaskSpec(id="t1"), namesake.run)
    body.go.set()

    with anyio.fail_after(60):
        assert await handle.wait() == "moved"
    assert handle.record.session_id == "s2"
    assert other.record.state is TaskState.RUNNING


async def test_a_transfer_of_many_is_all_or_nothing(host: BackgroundTaskHost) -> None:
    """H3"""
    for task_id in "ab":
        await host.register("s1", TaskSpec(id=task_id))
    await host.register("s2", TaskSpec(id="b"))

    with pytest.raises(TaskAlreadyExists):
        await host.transfer_managed("s1", "s2", ["a", "b"])

    assert [record.id for record in await host.list_managed("s1")] == ["a", "b"]


async def test_both_ways_to_cancel_reach_the_code(host: BackgroundTaskHost) -> None:
    """H4"""
    for verb in ("request_cancel", "cancel_managed"):
        called: list[int] = []
        body = Body()
        handle = await host.spawn_managed("s1", TaskSpec(), body.run)
        external = await host.register_external("s1", TaskSpec(), partial(called.append, 1))
        await body.started.wait()
        for task_id in (handle.id, external.id):
            if verb == "request_cancel":
                await host.request_cancel(task_id)
            else:
                await host.cancel_managed("s1", task_id)
        with anyio.fail_after(60):
            await body.stopped.wait()
        assert called == [1]


async def test_a_completed_task_cannot_become_anything_else(host: BackgroundTaskHost) -> None:
    """H5"""
    await host.register("s1", TaskSpec(id="t1"))
    done = await host.complete("t1")

    await host.request_cancel("t1")
    await host.complete("t1", TaskState.FAILED)
    with pytest.raises(IllegalTransition):
        await host.update("t1", state=TaskState.RUNNING)

    assert await host.get("t1") == done


async def test_a_cancel_request_is_not_lost_by_going_on(host: BackgroundTaskHost) -> None:
    """H6"""
    await host.register_external("s1", TaskSpec(id="t1"))
    asked = await host.request_cancel("t1", "why")

    for state in (TaskState.RUNNING, TaskState.WAITING):
        await host.mark_live_state("s1", "t1", state)
        with pytest.raises(IllegalTransition):
            await host.update("t1", state=state)

    assert await host.get("t1") == asked


@pytest.mark.virtual_time
async def test_cancelling_waits_for_the_cleanup_within_bounds_and_a_hook_can_be_used_again(
    host: BackgroundTaskHost,
) -> None:
    """H7"""

    async def clean_up() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(3)

    calls: list[float] = []

    async def hook() -> None:
        calls.append(anyio.current_time())
        if len(calls) == 1:
            await anyio.sleep_forever()

    handle = await host.spawn_managed("s1", TaskSpec(id="t1"), clean_up)
    await host.register_external("s1", TaskSpec(id="t2"), hook)
    await settle()
    start = anyio.current_time()

    cleaned = await host.cancel_managed("s1", handle.id, grace=10)
    assert cleaned is not None
    assert cleaned.state is TaskState.CANCELLED
    assert anyio.current_time() - start == pytest.approx(3)
    hanging = await host.cancel_managed("s1", "t2", grace=1)
    assert hanging is not None
    assert hanging.state is TaskState.CANCEL_REQUESTED
    await anyio.sleep(10)
    again = await host.cancel_managed("s1", "t2")
    assert again is not None
    assert (again.state, len(calls)) == (TaskState.CANCELLED, 2)


async def test_what_is_recorded_of_policies_is_enforced(host: BackgroundTaskHost) -> None:
    """H8"""
    body = Body()
    cooperative = TaskSpec(cancel_policy=CancelPolicy.COOPERATIVE, close_policy=ClosePolicy.TRANSFER)
    handle = await host.spawn_managed("s1", cooperative, body.run)
    await body.started.wait()

    await host.close_session("s1", successor="s2")
    await host.request_cancel(handle.id)
    await settle()

    assert (handle.session_id, body.stopped.is_set()) == ("s2", False)
    body.go.set()


async def test_the_text_of_an_error_is_kept(host: BackgroundTaskHost) -> None:
    """H9"""
    record = await host.get(await ended(host, Body(error=OSError("disk is full"))))

    assert record is not None
    assert record.failure is not None
    assert "disk is full" in record.failure.message


async def test_events_are_numbered_and_a_list_joins_them_without_a_hole(host: BackgroundTaskHost) -> None:
    """H10"""
    await host.register("s1", TaskSpec(id="a"))
    events = host.subscribe()
    [listed] = await host.list()
    await host.complete("a")

    [event] = await take(events, 1)
    assert event.seq == listed.seq + 1


async def test_a_session_hears_nothing_of_others_and_all_of_its_own(host: BackgroundTaskHost) -> None:
    """H11"""
    events = host.subscribe(TaskFilter(session_id="s1"))
    for session in ("s1", "s2"):
        await host.register(session, TaskSpec(id=session))
        await host.update(session, progress=Progress("p"))
        await host.complete(session)

    told = await take_until(events, lambda event: event.type is EventType.COMPLETED)
    assert [event.task_id for event in told] == ["s1"] * 3
    assert await is_idle(events)


async def test_a_verb_with_an_id_hits_the_right_task_or_none(host: BackgroundTaskHost) -> None:
    """H12"""
    for session in ("s1", "s2"):
        await host.register(session, TaskSpec(id="t1"))

    with pytest.raises(AmbiguousTaskId):
        await host.complete("t1")
    await host.cancel_managed("s1", "t1")

    live = await host.get("t1")
    assert live is not None
    assert (live.session_id, live.state) == ("s2", TaskState.PENDING)


async def test_finished_records_do_not_pile_up(open_host: HostFactory) -> None:
    """H13"""
    async with open_host(retain_terminal=1) as host:
        for number in range(5):
            await host.register("s1", TaskSpec(id=f"t{number}"))
            await host.complete(f"t{number}")

        assert [record.id for record in await host.list_managed("s1")] == ["t4"]


async def test_no_body_ever_runs_untracked(host: BackgroundTaskHost) -> None:
    """H14"""
    body = Body()
    handle = await host.spawn_managed("s1", TaskSpec(), body.run)
    await body.started.wait()

    with pytest.raises(TaskStillRuns):
        await host.unregister_external("s1", handle.id)

    assert [record.id for record in await host.list()] == [handle.id]


async def test_hidden_tasks_are_waited_for_when_the_host_stops(open_host: HostFactory) -> None:
    """H15"""
    finished: list[int] = []

    async def flush() -> None:
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        finished.append(1)

    async with open_host() as host:
        await host.spawn_hidden("s1", "flush", flush)

    assert finished == [1]


@pytest.mark.virtual_time
async def test_a_task_nobody_runs_can_be_found_out(host: BackgroundTaskHost) -> None:
    """H16"""
    await host.register("s1", TaskSpec(id="forgotten", heartbeat_ttl=60))
    handle = await host.spawn_managed("s1", TaskSpec(timeout=30), anyio.sleep_forever)

    assert (await host.wait(handle.id)).state is TaskState.FAILED
    assert (await host.wait("forgotten")).state is TaskState.ABANDONED


async def test_all_of_a_session_is_asked_to_stop_in_one_step(host: BackgroundTaskHost) -> None:
    """H16"""
    states: list[list[TaskState]] = []

    async def body() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            states.append([record.state for record in await host.list()])

    for _ in range(3):
        await host.spawn_managed("s1", TaskSpec(), body)
    await settle()
    await host.cancel_all_managed("s1")

    assert states[0] == [TaskState.CANCEL_REQUESTED] * 3
