"""Asking tasks to stop and stopping them: policies, hooks, families, and who asked why."""

import contextvars
from functools import partial

import anyio
import pytest

from hostel.sessions import (
    BackgroundTaskHost,
    CancelPolicy,
    EventType,
    TaskSpec,
    TaskState,
    current_task,
)

from .steering import Body, SlowToStop, Stubborn, is_idle, settle, take, take_until

LIVE = [TaskState.PENDING, TaskState.RUNNING, TaskState.WAITING]


async def spawn(host: BackgroundTaskHost, body: Body, spec: TaskSpec = TaskSpec()) -> str:  # noqa: B008
    task_id: str = (await host.spawn_managed("s1", spec, body.run)).id
    await body.started.wait()
    return task_id


@pytest.mark.parametrize("was", LIVE)
async def test_a_request_is_a_state_with_its_reason_and_actor(
    host: BackgroundTaskHost, was: TaskState
) -> None:
    await host.register("s1", TaskSpec(id="t1"))
    await host.update("t1", state=was)
    events = host.subscribe()

    record = await host.request_cancel("t1", "no longer needed", actor="alice")

    assert record.state is TaskState.CANCEL_REQUESTED
    assert (record.cancel_reason, record.cancel_actor) == ("no longer needed", "alice")
    [event] = await take(events, 1)
    assert (event.type, event.reason, event.previous) == (
        EventType.CANCEL_REQUESTED,
        "no longer needed",
        was,
    )
    assert event.record == record
    assert await is_idle(events)


async def test_the_first_request_wins(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(id="t1"))
    first = await host.request_cancel("t1", "first", actor="alice")
    events = host.subscribe()

    assert await host.request_cancel("t1", "second", actor="bob") == first
    ended = await host.cancel_managed("s1", "t1", "third", actor="carol")

    assert ended is not None
    assert (ended.cancel_reason, ended.cancel_actor) == ("first", "alice")
    assert [event.type for event in await take(events, 1)] == [EventType.CANCELLED]


async def test_a_request_to_a_finished_task_changes_nothing(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(id="t1"))
    done = await host.complete("t1")
    events = host.subscribe()

    assert await host.request_cancel("t1", "late") == done
    assert await host.cancel_managed("s1", "t1", "late") == done
    assert await is_idle(events)


async def test_a_cooperative_task_is_told_and_ends_by_itself(host: BackgroundTaskHost) -> None:
    async def body() -> None:
        await current_task().cancellation()

    handle = await host.spawn_managed("s1", TaskSpec(cancel_policy=CancelPolicy.COOPERATIVE), body)
    await settle()

    await host.request_cancel(handle.id)

    with anyio.fail_after(60):
        assert (await host.wait(handle.id)).state is TaskState.CANCELLED


async def test_a_cooperative_task_that_is_not_ready_to_stop_goes_on(host: BackgroundTaskHost) -> None:
    body = Body(value="finished anyway")
    task_id = await spawn(host, body, TaskSpec(cancel_policy=CancelPolicy.COOPERATIVE))

    await host.request_cancel(task_id)
    await settle()

    assert not body.stopped.is_set()
    body.go.set()
    with anyio.fail_after(60):
        record = await host.wait(task_id)
    assert record.state is TaskState.COMPLETED
    assert record.cancel_actor is None
    assert record.result is not None
    assert record.result.value == "finished anyway"


async def test_a_body_that_saw_the_request_and_returns_nothing_was_cancelled(
    host: BackgroundTaskHost,
) -> None:
    seen = []

    async def body(returns: object) -> object:
        task = current_task()
        seen.append(task.cancel_requested)
        await task.cancellation()
        seen.append(task.cancel_requested)
        return returns

    spec = TaskSpec(cancel_policy=CancelPolicy.COOPERATIVE)
    nothing = await host.spawn_managed("s1", spec, body, None)
    something = await host.spawn_managed("s1", spec, body, "a result")
    await settle()
    await host.request_cancel(nothing.id)
    await host.request_cancel(something.id)

    with anyio.fail_after(60):
        assert (await host.wait(nothing.id)).state is TaskState.CANCELLED
        assert (await host.wait(something.id)).state is TaskState.COMPLETED
    assert seen == [False, False, True, True]


async def test_the_scope_of_a_task_with_abort_local_is_cancelled(host: BackgroundTaskHost) -> None:
    body = Body()
    task_id = await spawn(host, body)

    record = await host.request_cancel(task_id)

    assert record.state is TaskState.CANCEL_REQUESTED
    with anyio.fail_after(60):
        record = await host.wait(task_id)
    assert body.stopped.is_set()
    assert (record.state, record.failure) == (TaskState.CANCELLED, None)


async def test_the_hook_of_an_external_task_is_called_and_its_owner_says_when_it_has_ended(
    host: BackgroundTaskHost,
) -> None:
    called: list[object] = []
    await host.register_external("s1", TaskSpec(id="t1"), partial(called.append, "hook"))

    record = await host.request_cancel("t1")

    assert called == ["hook"]
    assert record.state is TaskState.CANCEL_REQUESTED
    await host.mark_terminal("s1", "t1", TaskState.CANCELLED)
    ended = await host.get("t1")
    assert ended is not None
    assert ended.state is TaskState.CANCELLED


async def test_a_hook_may_be_async(host: BackgroundTaskHost) -> None:
    called = anyio.Event()

    async def hook() -> None:
        await anyio.lowlevel.checkpoint()
        called.set()

    await host.register_external("s1", TaskSpec(id="t1"), hook)

    await host.request_cancel("t1")

    assert called.is_set()


async def test_a_hook_is_the_way_to_abort_what_runs_elsewhere(host: BackgroundTaskHost) -> None:
    called: list[object] = []
    spec = TaskSpec(id="t1", cancel_policy=CancelPolicy.ABORT_LOCAL)
    await host.register_external("s1", spec, partial(called.append, 1))

    await host.request_cancel("t1")

    assert called == [1]


async def test_a_hook_is_not_called_on_request_if_the_task_is_cooperative(host: BackgroundTaskHost) -> None:
    called: list[object] = []
    spec = TaskSpec(id="t1", cancel_policy=CancelPolicy.COOPERATIVE)
    await host.register_external("s1", spec, partial(called.append, 1))

    await host.request_cancel("t1")
    assert called == []

    await host.cancel_managed("s1", "t1")
    assert called == [1]


async def test_cancelling_an_external_task_calls_its_hook_once_and_ends_it(host: BackgroundTaskHost) -> None:
    called: list[object] = []
    await host.register_external("s1", TaskSpec(id="t1"), partial(called.append, "hook"))
    events = host.subscribe()
    await host.request_cancel("t1")

    record = await host.cancel_managed("s1", "t1")

    assert record is not None
    assert record.state is TaskState.CANCELLED
    assert called == ["hook"]
    assert [event.type for event in await take(events, 2)] == [
        EventType.CANCEL_REQUESTED,
        EventType.CANCELLED,
    ]
    assert await is_idle(events)


async def test_cancelling_a_task_nobody_can_stop_ends_its_record(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(id="a"))
    await host.register_external("s1", TaskSpec(id="b"))

    for task_id in "ab":
        record = await host.cancel_managed("s1", task_id, "why", actor="me")
        assert record is not None
        assert (record.state, record.cancel_reason, record.cancel_actor) == (
            TaskState.CANCELLED,
            "why",
            "me",
        )


@pytest.mark.parametrize(
    "error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()], ids=["error", "exit", "interrupt"]
)
async def test_a_hook_that_raises_hurts_nobody_and_is_tried_again(
    host: BackgroundTaskHost, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    answers: list[BaseException | None] = [error, error, None]

    async def hook() -> None:
        answer = answers.pop(0)
        if answer is not None:
            raise answer

    await host.register_external("s1", TaskSpec(id="t1"), hook)

    assert (await host.request_cancel("t1")).state is TaskState.CANCEL_REQUESTED
    still = await host.cancel_managed("s1", "t1")
    assert still is not None
    assert still.state is TaskState.CANCEL_REQUESTED
    ended = await host.cancel_managed("s1", "t1")

    assert ended is not None
    assert ended.state is TaskState.CANCELLED
    assert answers == []
    assert caplog.messages == ["the cancel hook of task 't1' raised"] * 2


@pytest.mark.virtual_time
async def test_a_hook_that_hangs_is_given_up(
    host: BackgroundTaskHost, caplog: pytest.LogCaptureFixture
) -> None:
    await host.register_external("s1", TaskSpec(id="t1"), anyio.sleep_forever)
    start = anyio.current_time()

    record = await host.request_cancel("t1")

    assert anyio.current_time() - start == pytest.approx(5)
    assert record.state is TaskState.CANCEL_REQUESTED
    assert caplog.messages == ["the cancel hook of task 't1' took longer than 5 s"]


@pytest.mark.virtual_time
async def test_a_hook_that_even_swallows_its_own_end_holds_nobody_up(host: BackgroundTaskHost) -> None:
    go = anyio.Event()

    async def hook() -> None:
        with anyio.CancelScope(shield=True):
            await go.wait()

    await host.register_external("s1", TaskSpec(id="t1"), hook)
    start = anyio.current_time()

    record = await host.cancel_managed("s1", "t1", grace=2)

    assert anyio.current_time() - start == pytest.approx(2)
    assert record is not None
    assert record.state is TaskState.CANCEL_REQUESTED
    go.set()
    assert (await host.wait("t1")).state is TaskState.CANCELLED


@pytest.mark.virtual_time
async def test_the_grace_of_a_caller_does_not_cut_a_hook_short(host: BackgroundTaskHost) -> None:
    async def hook() -> None:
        await anyio.sleep(3)

    await host.register_external("s1", TaskSpec(id="t1"), hook)

    record = await host.cancel_managed("s1", "t1", grace=1)

    assert record is not None
    assert record.state is TaskState.CANCEL_REQUESTED
    assert (await host.wait("t1")).state is TaskState.CANCELLED
    assert record.updated_at


async def test_a_hook_runs_to_its_end_even_if_its_caller_is_cancelled(host: BackgroundTaskHost) -> None:
    called, go = anyio.Event(), anyio.Event()

    async def hook() -> None:
        called.set()
        await go.wait()

    await host.register_external("s1", TaskSpec(id="t1"), hook)
    async with anyio.create_task_group() as callers:
        callers.start_soon(host.cancel_managed, "s1", "t1")
        await called.wait()
        callers.cancel_scope.cancel()
    go.set()

    with anyio.fail_after(60):
        assert (await host.wait("t1")).state is TaskState.CANCELLED


async def test_two_callers_share_one_call_of_a_hook(host: BackgroundTaskHost) -> None:
    calls, go = [], anyio.Event()

    async def hook() -> None:
        calls.append(1)
        await go.wait()

    await host.register_external("s1", TaskSpec(id="t1"), hook)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as callers:
            callers.start_soon(host.request_cancel, "t1")
            callers.start_soon(host.cancel_managed, "s1", "t1")
            await settle()
            go.set()

    record = await host.get("t1")
    assert record is not None
    assert (record.state, calls) == (TaskState.CANCELLED, [1])


async def test_a_hook_may_call_the_host(host: BackgroundTaskHost) -> None:
    async def hook() -> None:
        await host.mark_terminal("s1", "t1", TaskState.CANCELLED, summary="by its owner")
        await host.unregister_external("s1", "t1")

    await host.register_external("s1", TaskSpec(id="t1"), hook)

    record = await host.cancel_managed("s1", "t1")

    assert record is not None
    assert record.result is not None
    assert record.result.summary == "by its owner"
    assert await host.sessions() == []


@pytest.mark.parametrize("policy", list(CancelPolicy))
async def test_cancel_managed_stops_a_body_whatever_its_policy_and_waits_for_it(
    host: BackgroundTaskHost, policy: CancelPolicy
) -> None:
    body = SlowToStop()
    task_id = await spawn(host, body, TaskSpec(cancel_policy=policy))
    records = []

    async def cancel() -> None:
        records.append(await host.cancel_managed("s1", task_id, "enough", actor="me"))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as callers:
            callers.start_soon(cancel)
            await body.stopped.wait()
            await settle()
            assert records == []
            asked = await host.get(task_id)
            assert asked is not None
            assert asked.state is TaskState.CANCEL_REQUESTED
            body.go.set()

    [record] = records
    assert record is not None
    assert (record.state, record.cancel_reason, record.cancel_actor) == (TaskState.CANCELLED, "enough", "me")


@pytest.mark.virtual_time
async def test_the_wait_for_a_body_that_does_not_stop_is_bounded_and_the_record_honest(
    host: BackgroundTaskHost,
) -> None:
    body = Stubborn(value="finished")
    task_id = await spawn(host, body)
    start = anyio.current_time()

    record = await host.cancel_managed("s1", task_id, grace=3)

    assert anyio.current_time() - start == pytest.approx(3)
    assert record is not None
    assert record.state is TaskState.CANCEL_REQUESTED
    body.go.set()
    assert (await host.wait(task_id)).state is TaskState.COMPLETED


async def test_cancel_all_stops_every_live_task_of_the_session_at_once(host: BackgroundTaskHost) -> None:
    slow = [SlowToStop(), SlowToStop()]
    for number, body in enumerate(slow):
        await spawn(host, body, TaskSpec(id=f"managed {number}"))
    await host.register_external("s1", TaskSpec(id="external"), lambda: None)
    await host.register("s1", TaskSpec(id="registered"))
    await host.register("s1", TaskSpec(id="finished"))
    await host.complete("finished")
    await host.register("s2", TaskSpec(id="elsewhere"))
    records = []

    async def cancel() -> None:
        records.extend(await host.cancel_all_managed("s1", "closing", actor="me"))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as callers:
            callers.start_soon(cancel)
            for body in slow:
                await body.stopped.wait()
            for body in slow:
                body.go.set()

    assert {record.id for record in records} == {"managed 0", "managed 1", "external", "registered"}
    assert {(record.state, record.cancel_reason, record.cancel_actor) for record in records} == {
        (TaskState.CANCELLED, "closing", "me")
    }
    assert [record.id for record in await host.list()] == ["elsewhere"]


async def test_a_request_goes_down_to_children_and_theirs(host: BackgroundTaskHost) -> None:
    called: list[object] = []
    await host.register("s1", TaskSpec(id="root"))
    await host.register_external(
        "s1", TaskSpec(id="child", parent_task_id="root"), partial(called.append, "child")
    )
    body = Body()
    await spawn(host, body, TaskSpec(id="grandchild", parent_task_id="child"))
    await host.register("s2", TaskSpec(id="far child", parent_task_id="root"))
    await host.register("s1", TaskSpec(id="stranger"))

    await host.request_cancel("root", "stop it all", actor="me")

    with anyio.fail_after(60):
        ended = await host.wait("grandchild")
    assert (ended.state, ended.cancel_reason, ended.cancel_actor) == (
        TaskState.CANCELLED,
        "stop it all",
        "parent",
    )
    assert called == ["child"]
    by_id = {record.id: record for record in await host.list()}
    assert by_id["root"].cancel_actor == "me"
    assert by_id["child"].cancel_actor == by_id["far child"].cancel_actor == "parent"
    assert by_id["stranger"].state is TaskState.PENDING


async def test_a_request_can_be_for_one_task_alone(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(id="root"))
    await host.register("s1", TaskSpec(id="child", parent_task_id="root"))

    await host.request_cancel("root", cascade=False)

    child = await host.get("child")
    assert child is not None
    assert child.state is TaskState.PENDING


@pytest.mark.parametrize("verb", ["request_cancel", "cancel_managed", "cancel_all_managed"])
async def test_each_way_to_cancel_reaches_the_hooks_of_descendants(
    host: BackgroundTaskHost, verb: str
) -> None:
    called: list[object] = []
    await host.register("s1", TaskSpec(id="root"))
    await host.register_external("s2", TaskSpec(id="child", parent_task_id="root"), partial(called.append, 1))

    if verb == "request_cancel":
        await host.request_cancel("root")
    elif verb == "cancel_managed":
        await host.cancel_managed("s1", "root")
    else:
        await host.cancel_all_managed("s1")

    assert called == [1]
    child = await host.get("child")
    assert child is not None
    assert (child.state, child.cancel_actor) == (TaskState.CANCEL_REQUESTED, "parent")


async def test_a_request_reaches_grandchildren_whose_parent_has_ended(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(id="root"))
    await host.register("s1", TaskSpec(id="child", parent_task_id="root"))
    await host.register("s1", TaskSpec(id="grandchild", parent_task_id="child"))
    await host.complete("child")

    await host.request_cancel("root")

    grandchild = await host.get("grandchild")
    assert grandchild is not None
    assert grandchild.state is TaskState.CANCEL_REQUESTED


async def test_a_parent_is_found_in_the_same_session_before_others(host: BackgroundTaskHost) -> None:
    for session in ("s1", "s2"):
        await host.register(session, TaskSpec(id="root"))
        await host.register(session, TaskSpec(id=f"child in {session}", parent_task_id="root"))

    await host.request_cancel("root", session_id="s1")

    states = {record.id: record.state for record in await host.list()}
    assert states["child in s1"] is TaskState.CANCEL_REQUESTED
    assert states["child in s2"] is TaskState.PENDING


async def test_a_task_that_calls_itself_its_parent_is_asked_once(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(id="t1", parent_task_id="t1"))

    with anyio.fail_after(60):
        record = await host.request_cancel("t1", "why")

    assert record.cancel_actor is None


async def test_ending_a_parent_leaves_its_children_alone(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(id="root"))
    child = await host.register("s1", TaskSpec(id="child", parent_task_id="root"))

    await host.complete("root")

    assert await host.get("child") == child


async def test_who_asks_is_the_calling_task_if_nobody_is_named(host: BackgroundTaskHost) -> None:
    async def body() -> None:
        await host.request_cancel("a", "from inside")
        await host.cancel_managed("s1", "b")
        await host.request_cancel("c", actor="somebody else")

    for task_id in "abc":
        await host.register("s1", TaskSpec(id=task_id))
    handle = await host.spawn_managed("s1", TaskSpec(id="caller"), body)
    with anyio.fail_after(60):
        await handle.wait()

    actors = {record.id: record.cancel_actor for record in await host.list_managed("s1")}
    assert actors == {"a": "caller", "b": "caller", "c": "somebody else", "caller": None}


async def test_nothing_more_is_told_of_a_cancelled_task(host: BackgroundTaskHost) -> None:
    async def body() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            await host.update("t1", session_id="s1")
            with anyio.CancelScope(shield=True):
                await current_task().progress("cleaning up")

    events = host.subscribe()
    await host.spawn_managed("s1", TaskSpec(id="t1"), body)
    await settle()
    await host.cancel_managed("s1", "t1")

    told = await take_until(events, lambda event: event.type is EventType.CANCELLED)
    assert [event.type for event in told] == [
        EventType.REGISTERED,
        EventType.CANCEL_REQUESTED,
        EventType.PROGRESS,
        EventType.CANCELLED,
    ]
    assert await is_idle(events)


async def test_a_hook_runs_in_the_context_of_whoever_registered_it_and_in_no_task(
    host: BackgroundTaskHost,
) -> None:
    variable = contextvars.ContextVar("variable", default="nobody")
    seen: list[str] = []

    def hook() -> None:
        with pytest.raises(LookupError):
            current_task()
        seen.append(variable.get())

    async def register() -> None:
        variable.set("registrant")
        await host.register_external("s1", TaskSpec(id="subagent"), hook)

    async def cancel() -> None:
        variable.set("canceller")
        await host.request_cancel("subagent")

    for body in (register, cancel):
        await (await host.spawn_managed("s1", TaskSpec(), body)).wait()

    assert seen == ["registrant"]


@pytest.mark.parametrize("limit", [0, -1])
async def test_a_page_has_at_least_one_record(host: BackgroundTaskHost, limit: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        await host.page(limit=limit)
