"""Races, each in the order that hurts most: made by steps, never by luck."""

import anyio
import pytest

from hostel.sessions import (
    BackgroundTaskHost,
    CancelPolicy,
    ClosePolicy,
    EventType,
    IllegalTransition,
    SessionClosing,
    Subscription,
    TaskAlreadyExists,
    TaskEvent,
    TaskSpec,
    TaskState,
)

from .steering import Body, SlowToStop, is_idle, settle, take_until


async def last_of(host: BackgroundTaskHost, events: Subscription) -> TaskEvent:
    """Return the one terminal event of the only task there is; nothing may follow it."""
    told = await take_until(events, lambda event: bool(event.record and event.record.is_terminal))
    assert await is_idle(events)
    assert [event.seq for event in told] == list(range(told[0].seq, told[-1].seq + 1))
    return told[-1]


async def test_a_cancel_that_comes_after_the_body_has_returned_changes_nothing(
    host: BackgroundTaskHost,
) -> None:
    body = Body(value=1)
    events = host.subscribe()
    handle = await host.spawn_managed("s1", TaskSpec(), body.run)
    body.go.set()
    await settle()

    record = await host.cancel_managed("s1", handle.id)

    assert record is not None
    assert record.state is TaskState.COMPLETED
    assert (await last_of(host, events)).type is EventType.COMPLETED


@pytest.mark.parametrize("policy", list(CancelPolicy))
async def test_a_cancel_in_the_same_step_as_the_body_s_last_ends_the_task_once(
    host: BackgroundTaskHost, policy: CancelPolicy
) -> None:
    body = Body(value=1)
    events = host.subscribe()
    handle = await host.spawn_managed("s1", TaskSpec(cancel_policy=policy), body.run)
    await body.started.wait()

    body.go.set()
    await host.request_cancel(handle.id, "now")

    last = await last_of(host, events)
    assert last.type in (EventType.COMPLETED, EventType.CANCELLED)
    assert last.record is not None
    assert last.record.cancel_reason == "now"
    if policy is not CancelPolicy.ABORT_LOCAL:
        assert last.type is EventType.COMPLETED


async def test_a_task_cancelled_before_its_body_began_never_runs(
    prompt_host: BackgroundTaskHost,
) -> None:
    for policy in CancelPolicy:
        body = Body()
        events = prompt_host.subscribe()
        handle = await prompt_host.spawn_managed("s1", TaskSpec(cancel_policy=policy), body.run)
        await prompt_host.request_cancel(handle.id)

        assert (await last_of(prompt_host, events)).type is EventType.CANCELLED
        assert body.runs == 0


async def test_a_task_completed_before_its_body_began_never_runs(
    prompt_host: BackgroundTaskHost,
) -> None:
    body = Body()
    events = prompt_host.subscribe()
    handle = await prompt_host.spawn_managed("s1", TaskSpec(), body.run)
    await prompt_host.complete(handle.id)

    assert (await last_of(prompt_host, events)).type is EventType.COMPLETED
    assert body.runs == 0


async def test_completion_while_a_body_is_being_cancelled_wins_and_the_body_still_stops(
    host: BackgroundTaskHost,
) -> None:
    body = SlowToStop()
    events = host.subscribe()
    handle = await host.spawn_managed("s1", TaskSpec(), body.run)
    await body.started.wait()
    await host.request_cancel(handle.id)
    await body.stopped.wait()

    await host.complete(handle.id, summary="was done already")
    body.go.set()

    last = await last_of(host, events)
    assert last.type is EventType.COMPLETED
    assert handle.record == last.record


async def test_transfer_and_end_in_the_same_step_commute(host: BackgroundTaskHost) -> None:
    body = Body(value=1)
    events = host.subscribe()
    handle = await host.spawn_managed("s1", TaskSpec(id="t1"), body.run)
    await body.started.wait()

    body.go.set()
    await host.transfer("t1", "s2")

    last = await last_of(host, events)
    assert (last.type, last.session_id) == (EventType.COMPLETED, "s2")
    assert await handle.wait() == 1
    assert [record.id for record in await host.list_managed("s2")] == ["t1"]
    assert await host.list_managed("s1") == []


async def test_a_transfer_that_comes_after_the_end_is_refused(host: BackgroundTaskHost) -> None:
    body = Body()
    events = host.subscribe()
    handle = await host.spawn_managed("s1", TaskSpec(), body.run)
    body.go.set()
    await settle()

    with pytest.raises(IllegalTransition):
        await host.transfer(handle.id, "s2")

    assert (await last_of(host, events)).session_id == "s1"


async def test_a_task_transferred_while_it_is_being_cancelled_is_cancelled_where_it_is(
    host: BackgroundTaskHost,
) -> None:
    body = SlowToStop()
    handle = await host.spawn_managed("s1", TaskSpec(id="t1"), body.run)
    await body.started.wait()
    with anyio.fail_after(60):
        async with anyio.create_task_group() as callers:
            callers.start_soon(host.cancel_managed, "s1", "t1")
            await body.stopped.wait()
            await host.transfer("t1", "s2")
            body.go.set()

    assert (handle.record.state, handle.session_id) == (TaskState.CANCELLED, "s2")


async def test_a_spawn_and_a_close_in_the_same_step_leave_no_task_behind(host: BackgroundTaskHost) -> None:
    outcomes: list[str] = []
    spec = TaskSpec(close_policy=ClosePolicy.CANCEL)

    async def spawn() -> None:
        try:
            await host.spawn_managed("s1", spec, anyio.sleep_forever)
            outcomes.append("spawned")
        except SessionClosing:
            outcomes.append("refused")

    async def close() -> None:
        await host.close_session("s1")

    for order in ([spawn, close, spawn], [close, spawn, spawn]):
        await host.spawn_managed("s1", spec, anyio.sleep_forever)
        with anyio.fail_after(60):
            async with anyio.create_task_group() as callers:
                for step in order:
                    callers.start_soon(step)
        await host.close_session("s1")
        assert await host.list() == []

    assert len(outcomes) == 4


async def test_an_owner_who_ends_its_task_while_the_hook_runs_has_the_last_word(
    host: BackgroundTaskHost,
) -> None:
    called, go = anyio.Event(), anyio.Event()

    async def hook() -> None:
        called.set()
        await go.wait()

    events = host.subscribe()
    await host.register_external("s1", TaskSpec(id="t1"), hook)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as callers:
            callers.start_soon(host.cancel_managed, "s1", "t1")
            await called.wait()
            await host.complete("t1", summary="was done already")
            go.set()

    last = await last_of(host, events)
    assert last.type is EventType.COMPLETED


async def test_a_task_of_the_same_id_registered_while_the_hook_of_the_old_one_runs_is_left_alone(
    host: BackgroundTaskHost,
) -> None:
    called, go = anyio.Event(), anyio.Event()

    async def hook() -> None:
        called.set()
        await go.wait()

    await host.register_external("s1", TaskSpec(id="t1"), hook)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as callers:
            callers.start_soon(host.cancel_managed, "s1", "t1")
            await called.wait()
            await host.complete("t1")
            new = await host.register_external("s1", TaskSpec(id="t1", label="new"))
            go.set()
    await settle()

    assert await host.get("t1") == new


async def test_the_end_of_a_replaced_task_s_body_does_not_touch_the_new_one(
    host: BackgroundTaskHost,
) -> None:
    old, new = SlowToStop(), Body()
    await host.spawn_managed("s1", TaskSpec(id="t1"), old.run)
    await old.started.wait()
    await host.complete("t1")
    handle = await host.spawn_managed("s1", TaskSpec(id="t1"), new.run)
    old.go.set()
    await settle()

    assert handle.record.state is TaskState.RUNNING
    new.go.set()
    with anyio.fail_after(60):
        await handle.wait()


async def test_one_of_two_that_register_the_same_id_at_once_wins(host: BackgroundTaskHost) -> None:
    refused: list[str] = []

    async def register(label: str) -> None:
        try:
            await host.register("s1", TaskSpec(id="t1", label=label))
        except TaskAlreadyExists:
            refused.append(label)

    async with anyio.create_task_group() as callers:
        for label in "ab":
            callers.start_soon(register, label)

    [record] = await host.list()
    assert [record.label, *refused] in (["a", "b"], ["b", "a"])


async def test_a_hundred_callers_with_one_idempotency_key_start_one_body(host: BackgroundTaskHost) -> None:
    body = Body(value="once")
    got: list[str] = []

    async def call() -> None:
        handle = await host.spawn_managed("s1", TaskSpec(idempotency_key="k"), body.run)
        got.append(await handle.wait())

    with anyio.fail_after(60):
        async with anyio.create_task_group() as callers:
            for _ in range(100):
                callers.start_soon(call)
            await settle()
            body.go.set()

    assert (got, body.runs) == (["once"] * 100, 1)


async def test_whoever_waits_for_a_task_that_is_unregistered_is_told_it_was_abandoned(
    host: BackgroundTaskHost,
) -> None:
    ended: list[TaskState] = []

    async def wait() -> None:
        ended.append((await host.wait("t1")).state)

    await host.register_external("s1", TaskSpec(id="t1"))
    with anyio.fail_after(60):
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(wait)
            await settle()
            await host.unregister_external("s1", "t1")

    assert ended == [TaskState.ABANDONED]


async def test_many_cancels_at_once_are_one(host: BackgroundTaskHost) -> None:
    body = SlowToStop()
    events = host.subscribe()
    handle = await host.spawn_managed("s1", TaskSpec(id="t1"), body.run)
    await body.started.wait()
    with anyio.fail_after(60):
        async with anyio.create_task_group() as callers:
            for number in range(20):
                callers.start_soon(host.cancel_managed, "s1", "t1", f"reason {number}")
            callers.start_soon(host.cancel_all_managed, "s1")
            callers.start_soon(handle.cancel)
            await settle()
            body.go.set()

    assert (await last_of(host, events)).type is EventType.CANCELLED


@pytest.mark.virtual_time
@pytest.mark.parametrize("order", ["the end first", "the silence first"])
async def test_a_heartbeat_that_runs_out_in_the_moment_of_the_end_ends_the_task_once(
    host: BackgroundTaskHost, order: str
) -> None:
    events = host.subscribe()
    await host.register_external("s1", TaskSpec(id="t1", heartbeat_ttl=30))
    await settle()
    await anyio.sleep(30)
    if order == "the silence first":
        await settle()
    await host.complete("t1")

    last = await last_of(host, events)
    assert last.type in (EventType.COMPLETED, EventType.ABANDONED)


@pytest.mark.virtual_time
async def test_a_body_done_in_the_moment_its_time_is_over_ends_once(host: BackgroundTaskHost) -> None:
    events = host.subscribe()
    handle = await host.spawn_managed("s1", TaskSpec(timeout=30), anyio.sleep, 30)
    await host.wait(handle.id)

    assert (await last_of(host, events)).type in (EventType.COMPLETED, EventType.FAILED)


async def test_a_subscription_made_between_an_event_and_its_reading_misses_nothing(
    host: BackgroundTaskHost,
) -> None:
    first = host.subscribe()
    await host.register("s1", TaskSpec(id="a"))
    second = host.subscribe(after=first.cursor)
    third = host.subscribe()
    await host.register("s1", TaskSpec(id="b"))

    told = [
        [event.task_id for event in await take_until(events, lambda event: event.task_id == "b")]
        for events in (first, second, third)
    ]
    assert told == [["a", "b"], ["a", "b"], ["b"]]
