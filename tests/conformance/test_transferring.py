"""Handing tasks from one session to another, one or many, while they run."""

import anyio
import pytest

from hostel.sessions import (
    BackgroundTaskHost,
    EventType,
    IllegalTransition,
    InvalidTaskId,
    Progress,
    TaskAlreadyExists,
    TaskFilter,
    TaskSpec,
    TaskState,
    UnknownTask,
    current_task,
)

from .steering import Body, is_idle, settle, take, take_until


async def ids(host: BackgroundTaskHost, session_id: str) -> list[str]:
    return [record.id for record in await host.list_managed(session_id)]


async def test_a_transferred_task_is_listed_in_its_new_session_only(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(id="t1"))
    events = host.subscribe()

    record = await host.transfer("t1", "s2")

    assert record.session_id == "s2"
    assert await host.get("t1", session_id="s1") == await host.get("t1", session_id="s2") == record
    assert (await ids(host, "s1"), await ids(host, "s2")) == ([], ["t1"])
    assert [found.session_id for found in await host.list()] == ["s2"]
    [event] = await take(events, 1)
    assert (event.type, event.session_id, event.from_session_id) == (EventType.TRANSFERRED, "s2", "s1")
    assert (event.record, record.seq, record.updated_at) == (record, event.seq, event.at)
    assert await is_idle(events)


async def test_a_transfer_keeps_everything_else_of_a_record(host: BackgroundTaskHost) -> None:
    await host.register_external("s1", TaskSpec(id="t1", label="mine"))
    await host.update("t1", progress=Progress("half", 1, 2))
    before = await host.request_cancel("t1", "why", actor="me")

    after = await host.transfer("t1", "s2")

    assert (after.label, after.progress, after.state) == (before.label, before.progress, before.state)
    assert (after.cancel_reason, after.cancel_actor, after.created_at) == ("why", "me", before.created_at)


async def test_a_task_moved_while_it_runs_finishes_in_its_new_session(host: BackgroundTaskHost) -> None:
    body = Body(value="done")
    handle = await host.spawn_managed("s1", TaskSpec(id="t1"), body.run)
    await host.transfer("t1", "s2")
    body.go.set()

    with anyio.fail_after(60):
        assert await handle.wait() == "done"
    assert (handle.session_id, handle.record.state) == ("s2", TaskState.COMPLETED)
    assert await ids(host, "s2") == ["t1"]
    assert await ids(host, "s1") == []


async def test_a_task_moved_often_finishes_where_it_came_to_rest(host: BackgroundTaskHost) -> None:
    body = Body()
    handle = await host.spawn_managed("s1", TaskSpec(id="t1"), body.run)
    for session in ("s2", "s3", "s1", "s4"):
        await host.transfer("t1", session)
    body.go.set()

    with anyio.fail_after(60):
        await handle.wait()
    assert [summary.id for summary in await host.sessions()] == ["s4"]


async def test_whoever_runs_a_task_need_not_know_that_it_was_moved(host: BackgroundTaskHost) -> None:
    for task_id in "abcd":
        await host.register_external("s1", TaskSpec(id=task_id, heartbeat_ttl=60))
        await host.transfer(task_id, "s2")

    await host.heartbeat("s1", "a")
    await host.mark_live_state("s1", "a", TaskState.WAITING)
    await host.update("b", progress=Progress("half"), session_id="s1")
    await host.complete("c", session_id="s1")
    await host.mark_terminal("s1", "d", TaskState.FAILED)

    a, b, c, d = await host.list_managed("s2")
    assert (a.state, c.state, d.state) == (TaskState.WAITING, TaskState.COMPLETED, TaskState.FAILED)
    assert b.progress == Progress("half")


async def test_another_task_of_the_same_id_takes_the_place_of_one_that_has_left(
    host: BackgroundTaskHost,
) -> None:
    await host.register_external("s1", TaskSpec(id="t1"))
    moved = await host.transfer("t1", "s2")
    await host.register_external("s1", TaskSpec(id="t1"))

    ended = await host.complete("t1", session_id="s1")
    assert await host.complete("t1", session_id="s1") == ended
    await host.prune("s1")
    with pytest.raises(UnknownTask):
        await host.complete("t1", session_id="s1")

    assert ended.session_id == "s1"
    assert await host.get("t1", session_id="s2") == moved


async def test_the_verbs_of_a_session_follow_a_task_that_has_left_it(host: BackgroundTaskHost) -> None:
    for task_id in "abcde":
        await host.register_external("s1", TaskSpec(id=task_id))
        await host.transfer(task_id, "s2")

    assert (await host.request_cancel("a", session_id="s1")).session_id == "s2"
    assert (await host.cancel_managed("s1", "b")).state is TaskState.CANCELLED
    assert (await host.wait("b", session_id="s1")).state is TaskState.CANCELLED
    assert (await host.transfer("c", "s3", session_id="s1")).session_id == "s3"
    assert [record.session_id for record in await host.transfer_managed("s1", "s3", ["d"])] == ["s3"]
    await host.heartbeat("s1", "e")
    await host.unregister_external("s1", "e")
    assert await host.get_managed("s1", "e") is None


async def test_a_session_that_a_task_has_left_leads_to_it_until_it_is_forgotten(
    host: BackgroundTaskHost,
) -> None:
    await host.register_external("s1", TaskSpec(id="t1"))
    await host.transfer("t1", "s2")
    done = await host.complete("t1", session_id="s1")

    assert await host.wait("t1", session_id="s1") == done
    await host.prune()
    with pytest.raises(UnknownTask):
        await host.wait("t1", session_id="s1")


async def test_a_new_task_of_the_same_id_hides_the_one_that_has_left(host: BackgroundTaskHost) -> None:
    await host.register_external("s1", TaskSpec(id="t1"))
    await host.transfer("t1", "s2")
    new = await host.register_external("s1", TaskSpec(id="t1"))

    assert await host.get("t1", session_id="s1") == new


async def test_a_live_task_of_the_same_id_is_never_overwritten(host: BackgroundTaskHost) -> None:
    before = [await host.register(session, TaskSpec(id="t1", label=session)) for session in ("s1", "s2")]
    events = host.subscribe()

    with pytest.raises(TaskAlreadyExists) as refused:
        await host.transfer("t1", "s2", session_id="s1")

    assert (refused.value.task_id, refused.value.session_id) == ("t1", "s2")
    assert await host.list() == before
    assert await is_idle(events)


async def test_a_finished_task_of_the_same_id_gives_way(host: BackgroundTaskHost) -> None:
    await host.register("s2", TaskSpec(id="t1", label="old"))
    await host.complete("t1")
    await host.register("s1", TaskSpec(id="t1", label="new"))

    await host.transfer("t1", "s2", session_id="s1")

    assert [record.label for record in await host.list_managed("s2")] == ["new"]


async def test_a_finished_task_is_not_moved(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(id="t1"))
    done = await host.complete("t1")

    with pytest.raises(IllegalTransition, match="is completed"):
        await host.transfer("t1", "s2")

    assert await host.get("t1") == done
    assert [summary.id for summary in await host.sessions()] == ["s1"]


async def test_a_transfer_to_its_own_session_changes_nothing(host: BackgroundTaskHost) -> None:
    record = await host.register("s1", TaskSpec(id="t1"))
    events = host.subscribe()

    assert await host.transfer("t1", "s1") == record
    assert await host.transfer_managed("s1", "s1", ["t1"]) == []
    assert await is_idle(events)


@pytest.mark.parametrize("bad", ["", "x" * 513], ids=["empty", "huge"])
async def test_a_transfer_to_an_impossible_session_is_refused(host: BackgroundTaskHost, bad: str) -> None:
    record = await host.register("s1", TaskSpec(id="t1"))

    with pytest.raises(InvalidTaskId):
        await host.transfer("t1", bad)
    with pytest.raises(InvalidTaskId):
        await host.transfer_managed("s1", bad, ["t1"])

    assert await host.list() == [record]


async def test_many_tasks_move_together(host: BackgroundTaskHost) -> None:
    for task_id in "abcd":
        await host.register("s1", TaskSpec(id=task_id))
    await host.complete("c")
    events = host.subscribe()

    moved = await host.transfer_managed("s1", "s2", ["b", "c", "a", "b"])

    assert [(record.id, record.session_id) for record in moved] == [("b", "s2"), ("a", "s2")]
    assert (await ids(host, "s1"), await ids(host, "s2")) == (["c", "d"], ["a", "b"])
    assert [event.task_id for event in await take(events, 2)] == ["b", "a"]
    assert await is_idle(events)


async def test_a_collision_moves_none_of_them(host: BackgroundTaskHost) -> None:
    for task_id in "abc":
        await host.register("s1", TaskSpec(id=task_id))
    await host.register("s2", TaskSpec(id="b"))
    before = await host.list()
    events = host.subscribe()

    with pytest.raises(TaskAlreadyExists) as refused:
        await host.transfer_managed("s1", "s2", "abc")

    assert (refused.value.task_id, refused.value.session_id) == ("b", "s2")
    assert await host.list() == before
    assert await is_idle(events)


async def test_moving_nothing_makes_no_session(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(id="t1"))

    assert await host.transfer_managed("s1", "s2", []) == []
    for session_id, task_id in (("s1", "unknown"), ("nowhere", "t1")):
        with pytest.raises(UnknownTask):
            await host.transfer_managed(session_id, "s2", [task_id])
    assert [summary.id for summary in await host.sessions()] == ["s1"]


async def test_both_sessions_are_told_of_a_transfer(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(id="t1"))
    source = host.subscribe(TaskFilter(session_id="s1"))
    target = host.subscribe(TaskFilter(session_id="s2"))
    neither = host.subscribe(TaskFilter(session_id="s3"))

    await host.transfer("t1", "s2")
    await host.complete("t1")

    assert [event.type for event in await take(source, 1)] == [EventType.TRANSFERRED]
    assert [event.type for event in await take(target, 2)] == [EventType.TRANSFERRED, EventType.COMPLETED]
    assert await is_idle(source)
    assert await is_idle(neither)


async def test_a_body_may_transfer_its_own_task_and_sees_it(host: BackgroundTaskHost) -> None:
    async def body() -> tuple[str, str]:
        task = current_task()
        before = task.session_id
        await host.transfer(task.id, "s2", session_id=before)
        await task.progress("moved")
        return before, task.session_id

    events = host.subscribe(TaskFilter(session_id="s2"))
    handle = await host.spawn_managed("s1", TaskSpec(), body)

    with anyio.fail_after(60):
        assert await handle.wait() == ("s1", "s2")
    told = await take_until(events, lambda event: event.type is EventType.COMPLETED)
    assert [event.type for event in told] == [
        EventType.TRANSFERRED,
        EventType.PROGRESS,
        EventType.COMPLETED,
    ]


async def test_a_moved_child_is_still_its_parent_s(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(id="root"))
    await host.register("s1", TaskSpec(id="child", parent_task_id="root"))
    await host.transfer("child", "s2")

    await host.request_cancel("root")

    child = await host.get("child")
    assert child is not None
    assert child.state is TaskState.CANCEL_REQUESTED


async def test_waiting_for_a_session_ends_when_its_last_task_is_moved_away(host: BackgroundTaskHost) -> None:
    waited = []

    async def wait() -> None:
        waited.append(await host.wait_all("s1"))

    await host.register("s1", TaskSpec(id="moved"))
    await host.register("s1", TaskSpec(id="ended"))
    with anyio.fail_after(60):
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(wait)
            await settle()
            await host.complete("ended")
            await settle()
            assert waited == []
            await host.transfer("moved", "s2")

    assert [[record.id for record in records] for records in waited] == [["ended"]]


async def test_waiting_for_a_task_follows_it_through_sessions(host: BackgroundTaskHost) -> None:
    ended = []

    async def wait() -> None:
        ended.append(await host.wait("t1", session_id="s1"))

    await host.register("s1", TaskSpec(id="t1"))
    with anyio.fail_after(60):
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(wait)
            await settle()
            await host.transfer("t1", "s2")
            await host.complete("t1")

    assert [(record.session_id, record.state) for record in ended] == [("s2", TaskState.COMPLETED)]


async def test_a_task_that_ends_leaves_the_trace_of_a_later_one_of_its_id(host: BackgroundTaskHost) -> None:
    for session in ("s2", "s3"):
        await host.register_external("s1", TaskSpec(id="t1"))
        await host.transfer("t1", session, session_id="s1")

    await host.mark_terminal("s2", "t1", TaskState.COMPLETED)
    await host.mark_terminal("s1", "t1", TaskState.FAILED)

    record = await host.get("t1", session_id="s3")
    assert record is not None
    assert record.state is TaskState.FAILED
