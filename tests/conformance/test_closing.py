"""Closing a session: its hidden tasks, then each task by its close policy; nothing starts meanwhile."""

from functools import partial

import anyio
import anyio.lowlevel
import pytest

from hostel.sessions import (
    BackgroundTaskHost,
    CancelPolicy,
    ClosePolicy,
    HiddenTasksFailed,
    InvalidTaskId,
    SessionClosing,
    TaskSpec,
    TaskState,
)

from .steering import Body, SlowToStop, Stubborn, settle

KEEP, CANCEL, TRANSFER = ClosePolicy.KEEP, ClosePolicy.CANCEL, ClosePolicy.TRANSFER


async def start_one_of_each(host: BackgroundTaskHost) -> None:
    for policy in ClosePolicy:
        await host.spawn_managed("s1", TaskSpec(id=policy, close_policy=policy), anyio.sleep_forever)


async def states(host: BackgroundTaskHost, session_id: str) -> dict[str, TaskState]:
    return {record.id: record.state for record in await host.list_managed(session_id)}


async def test_each_task_is_kept_cancelled_or_transferred_by_its_policy(host: BackgroundTaskHost) -> None:
    await start_one_of_each(host)

    records = await host.close_session("s1", successor="s2")

    assert {record.id: (record.session_id, record.state) for record in records} == {
        "keep": ("s1", TaskState.RUNNING),
        "cancel": ("s1", TaskState.CANCELLED),
        "transfer": ("s2", TaskState.RUNNING),
    }
    assert await states(host, "s1") == {"keep": TaskState.RUNNING, "cancel": TaskState.CANCELLED}
    assert await states(host, "s2") == {"transfer": TaskState.RUNNING}


async def test_without_a_successor_a_task_to_transfer_is_cancelled(host: BackgroundTaskHost) -> None:
    await start_one_of_each(host)

    await host.close_session("s1")

    assert await states(host, "s1") == {
        "keep": TaskState.RUNNING,
        "cancel": TaskState.CANCELLED,
        "transfer": TaskState.CANCELLED,
    }


async def test_a_task_that_collides_in_the_successor_is_cancelled(host: BackgroundTaskHost) -> None:
    await start_one_of_each(host)
    await host.register("s2", TaskSpec(id="transfer"))

    await host.close_session("s1", successor="s2")

    assert (await states(host, "s1"))["transfer"] is TaskState.CANCELLED
    assert await states(host, "s2") == {"transfer": TaskState.PENDING}


async def test_the_record_says_that_the_session_was_closed(host: BackgroundTaskHost) -> None:
    await start_one_of_each(host)
    await host.register_external("s2", TaskSpec(id="child", parent_task_id="cancel"))

    await host.close_session("s1")

    for task_id, actor in (("cancel", "session closed"), ("transfer", "session closed"), ("child", "parent")):
        record = await host.get(task_id)
        assert record is not None
        assert record.cancel_actor == actor


@pytest.mark.parametrize("policy", list(CancelPolicy))
async def test_a_managed_task_to_cancel_has_really_stopped(
    host: BackgroundTaskHost, policy: CancelPolicy
) -> None:
    body = SlowToStop()
    closed = anyio.Event()
    handle = await host.spawn_managed("s1", TaskSpec(cancel_policy=policy, close_policy=CANCEL), body.run)
    await body.started.wait()

    async def close() -> None:
        await host.close_session("s1")
        closed.set()

    with anyio.fail_after(60):
        async with anyio.create_task_group() as closers:
            closers.start_soon(close)
            await body.stopped.wait()
            await settle()
            assert not closed.is_set()
            body.go.set()
    assert handle.record.state is TaskState.CANCELLED


async def test_an_external_task_to_cancel_has_its_hook_called(host: BackgroundTaskHost) -> None:
    called: list[int] = []
    await host.register_external("s1", TaskSpec(close_policy=CANCEL), partial(called.append, 1))

    [record] = await host.close_session("s1")

    assert (record.state, called) == (TaskState.CANCELLED, [1])


@pytest.mark.virtual_time
async def test_closing_is_bounded_and_honest_about_what_does_not_stop(host: BackgroundTaskHost) -> None:
    bodies = [Stubborn() for _ in range(3)]
    for body in bodies:
        await host.spawn_managed("s1", TaskSpec(close_policy=CANCEL), body.run)
        await body.started.wait()
    await host.register_external("s1", TaskSpec(close_policy=CANCEL), anyio.sleep_forever)
    start = anyio.current_time()

    records = await host.close_session("s1", grace=2)

    assert anyio.current_time() - start == pytest.approx(2)
    assert {record.state for record in records} == {TaskState.CANCEL_REQUESTED}
    for body in bodies:
        body.go.set()


async def test_hidden_tasks_are_waited_for_before_anything_is_stopped(host: BackgroundTaskHost) -> None:
    hidden, managed = Body(), Body()
    await host.spawn_hidden("s1", "flush", hidden.run)
    await host.spawn_managed("s1", TaskSpec(close_policy=CANCEL), managed.run)
    await managed.started.wait()

    with anyio.fail_after(60):
        async with anyio.create_task_group() as closers:
            closers.start_soon(host.close_session, "s1")
            await settle()
            assert not managed.stopped.is_set()
            hidden.go.set()
            await managed.stopped.wait()


async def test_failures_of_hidden_tasks_are_raised_when_everything_else_is_done(
    host: BackgroundTaskHost,
) -> None:
    await start_one_of_each(host)
    bad = Body(error=ValueError("no"))
    bad.go.set()
    await host.spawn_hidden("s1", "bad", bad.run)

    with pytest.raises(HiddenTasksFailed) as failed:
        await host.close_session("s1", successor="s2")

    assert failed.value.labels == ("bad",)
    assert (await states(host, "s1"))["cancel"] is TaskState.CANCELLED
    assert await states(host, "s2") == {"transfer": TaskState.RUNNING}
    await host.close_session("s1")


@pytest.mark.virtual_time
async def test_a_hidden_task_that_takes_too_long_is_cancelled_and_reported(host: BackgroundTaskHost) -> None:
    body = Body()
    await host.spawn_hidden("s1", "slow flush", body.run)
    await body.started.wait()
    start = anyio.current_time()

    with pytest.raises(HiddenTasksFailed) as failed:
        await host.close_session("s1", grace=3)

    assert anyio.current_time() - start == pytest.approx(3)
    assert body.stopped.is_set()
    assert failed.value.labels == ("slow flush",)
    assert isinstance(failed.value.exceptions[0], TimeoutError)


@pytest.mark.virtual_time
async def test_a_hidden_task_that_does_not_stop_holds_nobody_up(host: BackgroundTaskHost) -> None:
    body = Stubborn()
    await host.spawn_hidden("s1", "stubborn", body.run)
    await body.started.wait()
    start = anyio.current_time()

    await host.close_session("s1", grace=1)

    assert anyio.current_time() - start == pytest.approx(2)
    body.go.set()
    await host.await_hidden("s1")


async def test_nothing_starts_in_a_session_while_it_closes(host: BackgroundTaskHost) -> None:
    hidden = Body()
    await host.spawn_hidden("s1", "flush", hidden.run)
    await host.register("s1", TaskSpec(id="known", idempotency_key="k"))
    await host.register("s2", TaskSpec(id="foreign", close_policy=TRANSFER))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as closers:
            closers.start_soon(host.close_session, "s1")
            await settle()
            with pytest.raises(SessionClosing, match="'s1' is closing") as closing:
                await host.register("s1", TaskSpec())
            assert closing.value.session_id == "s1"
            with pytest.raises(SessionClosing):
                await host.register_external("s1", TaskSpec())
            with pytest.raises(SessionClosing):
                await host.spawn_managed("s1", TaskSpec(idempotency_key="k"), anyio.sleep_forever)
            with pytest.raises(SessionClosing):
                await host.spawn_hidden("s1", "another", anyio.sleep_forever)
            with pytest.raises(SessionClosing):
                await host.transfer("foreign", "s1")
            with pytest.raises(SessionClosing):
                await host.transfer_managed("s2", "s1", ["foreign"])
            with pytest.raises(SessionClosing):
                await host.close_session("s1")
            assert {record.id for record in await host.list()} == {"known", "foreign"}
            hidden.go.set()


async def test_a_closed_session_may_be_used_again(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(id="t1", close_policy=CANCEL))
    await host.close_session("s1")

    await host.register("s1", TaskSpec(id="t1"))

    assert await states(host, "s1") == {"t1": TaskState.PENDING}


async def test_a_session_whose_closing_was_cancelled_may_be_closed_again(host: BackgroundTaskHost) -> None:
    hidden = Body()
    await host.spawn_hidden("s1", "flush", hidden.run)
    await start_one_of_each(host)
    with anyio.move_on_after(0):
        await host.close_session("s1")
    hidden.go.set()

    await host.close_session("s1")

    assert await states(host, "s1") == {
        "keep": TaskState.RUNNING,
        "cancel": TaskState.CANCELLED,
        "transfer": TaskState.CANCELLED,
    }


async def test_two_sessions_that_close_into_each_other_cancel_what_finds_no_place(
    host: BackgroundTaskHost,
) -> None:
    hidden = [Body(), Body()]
    for session, body in zip(("s1", "s2"), hidden, strict=True):
        await host.spawn_hidden(session, "flush", body.run)
        await host.register(session, TaskSpec(id=f"of {session}", close_policy=TRANSFER))

    first_closed = anyio.Event()

    async def close_first() -> None:
        await host.close_session("s1", successor="s2")
        first_closed.set()

    with anyio.fail_after(60):
        async with anyio.create_task_group() as closers:
            closers.start_soon(close_first)
            closers.start_soon(partial(host.close_session, "s2", successor="s1"))
            await settle()
            hidden[0].go.set()
            await first_closed.wait()
            hidden[1].go.set()

    assert await states(host, "s1") == {"of s1": TaskState.CANCELLED, "of s2": TaskState.PENDING}


@pytest.mark.parametrize("bad", ["", "x" * 513], ids=["empty", "huge"])
async def test_an_impossible_session_or_successor_is_refused_before_anything_happens(
    host: BackgroundTaskHost, bad: str
) -> None:
    await start_one_of_each(host)

    with pytest.raises(InvalidTaskId):
        await host.close_session(bad)
    with pytest.raises(InvalidTaskId):
        await host.close_session("s1", successor=bad)
    with pytest.raises(InvalidTaskId):
        await host.close_session("nobody used it", successor=bad)

    assert set((await states(host, "s1")).values()) == {TaskState.RUNNING}


async def test_closing_a_session_nobody_used_does_nothing(host: BackgroundTaskHost) -> None:
    assert await host.close_session("s1", successor="s2") == []


async def test_a_body_that_spawns_while_it_is_cancelled_is_refused(host: BackgroundTaskHost) -> None:
    refused: list[str] = []

    async def body() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            try:
                await host.spawn_managed("s1", TaskSpec(id="late"), anyio.sleep_forever)
            except SessionClosing as error:
                refused.append(error.session_id)

    await host.spawn_managed("s1", TaskSpec(close_policy=CANCEL), body)
    await settle()
    await host.close_session("s1")

    assert refused == ["s1"]
    assert await host.get("late") is None


async def test_a_body_may_close_its_own_session_and_everything_in_it_is_stopped(
    host: BackgroundTaskHost,
) -> None:
    called: list[int] = []

    async def body() -> None:
        await host.close_session("s1")

    other = Body()
    await host.spawn_managed("s1", TaskSpec(id="other", close_policy=CANCEL), other.run)
    await other.started.wait()
    await host.register_external("s1", TaskSpec(id="ext", close_policy=CANCEL), partial(called.append, 1))
    await host.spawn_managed("s1", TaskSpec(id="closer", close_policy=CANCEL), body)

    with anyio.fail_after(60):
        for task_id in ("closer", "other", "ext"):
            assert (await host.wait(task_id)).state is TaskState.CANCELLED
    assert called == [1]
    await host.register("s1", TaskSpec())


async def test_nothing_moves_into_a_session_until_its_close_has_returned(host: BackgroundTaskHost) -> None:
    hidden, closed = Body(), anyio.Event()
    await host.spawn_hidden("s1", "flush", hidden.run)
    await host.register("s1", TaskSpec(id="own", close_policy=ClosePolicy.CANCEL))
    await host.register("s2", TaskSpec(id="guest"))

    async def close() -> None:
        await host.close_session("s1")
        closed.set()

    async with anyio.create_task_group() as closers:
        closers.start_soon(close)
        await settle()
        hidden.go.set()
        while not closed.is_set():
            with pytest.raises(SessionClosing):
                await host.transfer("guest", "s1")
            await anyio.lowlevel.checkpoint()

    assert (await host.transfer("guest", "s1")).session_id == "s1"


async def test_a_session_cannot_be_its_own_successor(host: BackgroundTaskHost) -> None:
    before = await host.register("s1", TaskSpec(id="t1", close_policy=ClosePolicy.TRANSFER))

    with pytest.raises(ValueError, match="own successor"):
        await host.close_session("s1", successor="s1")

    assert await host.get("t1") == before
