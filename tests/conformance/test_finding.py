"""Finding tasks: get, list, list_managed, sessions; which task an id means; what is forgotten when."""

import anyio
import pytest

from hostel.sessions import (
    AmbiguousTaskId,
    BackgroundTaskHost,
    ClosePolicy,
    TaskFilter,
    TaskSpec,
    TaskState,
    UnknownTask,
)

from .conftest import HostFactory
from .steering import Body, settle


async def ids(host: BackgroundTaskHost, filter: TaskFilter | None = None) -> list[str]:
    return [record.id for record in await host.list(filter)]


async def test_lists_are_in_the_order_of_creation(host: BackgroundTaskHost) -> None:
    for task_id in ("c", "a", "b"):
        await host.register("s1", TaskSpec(id=task_id))

    assert await ids(host) == ["c", "a", "b"]


async def test_a_list_leaves_out_finished_tasks_unless_they_are_asked_for(host: BackgroundTaskHost) -> None:
    for task_id in ("a", "b"):
        await host.register("s1", TaskSpec(id=task_id))
    await host.complete("a")

    assert await ids(host) == ["b"]
    assert await ids(host, TaskFilter(include_terminal=True)) == ["a", "b"]
    assert await ids(host, TaskFilter(state=TaskState.COMPLETED)) == ["a"]
    assert [record.id for record in await host.list_managed("s1")] == ["a", "b"]


async def test_each_field_of_a_filter_narrows_a_list(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(id="a", kind="monitor"))
    await host.register("s1", TaskSpec(id="b", kind="other", parent_task_id="a"))
    await host.register_external("s2", TaskSpec(id="c", kind="monitor", parent_task_id="a"))

    assert await ids(host, TaskFilter(session_id="s1")) == ["a", "b"]
    assert await ids(host, TaskFilter(kind="monitor")) == ["a", "c"]
    assert await ids(host, TaskFilter(state=TaskState.RUNNING)) == ["c"]
    assert await ids(host, TaskFilter(parent_task_id="a")) == ["b", "c"]
    assert await ids(host, TaskFilter(session_id="s2", kind="monitor", parent_task_id="a")) == ["c"]


async def test_a_filter_that_matches_nothing_gives_an_empty_list(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(kind="monitor"))

    assert await host.list(TaskFilter(session_id="nowhere")) == []
    assert await host.list(TaskFilter(session_id="s1", kind="subagent")) == []
    assert await host.list_managed("nowhere") == []


async def test_an_id_leads_to_the_only_task_that_has_it(host: BackgroundTaskHost) -> None:
    record = await host.register("s1", TaskSpec(id="t1"))

    assert await host.get("t1") == record
    assert await host.get("t1", session_id="s1") == await host.get_managed("s1", "t1") == record


async def test_an_id_leads_to_the_one_live_task_before_finished_ones(host: BackgroundTaskHost) -> None:
    for session in ("s1", "s2", "s3"):
        await host.register(session, TaskSpec(id="t1"))
    await host.complete("t1", session_id="s1")
    await host.complete("t1", session_id="s3")

    found = await host.get("t1")
    assert found is not None
    assert found.session_id == "s2"
    assert (await host.complete("t1")).session_id == "s2"


@pytest.mark.parametrize("finished", [False, True], ids=["live", "finished"])
async def test_an_id_that_several_sessions_have_must_be_told_apart(
    host: BackgroundTaskHost, finished: bool
) -> None:
    for session in ("s2", "s1"):
        await host.register(session, TaskSpec(id="t1"))
        if finished:
            await host.complete("t1", session_id=session)

    with pytest.raises(AmbiguousTaskId, match=r"in several sessions \(s1, s2\)") as ambiguous:
        await host.get("t1")

    assert (ambiguous.value.task_id, ambiguous.value.session_ids) == ("t1", ("s1", "s2"))
    for verb in (host.update, host.complete, host.request_cancel, host.wait):
        with pytest.raises(AmbiguousTaskId):
            await verb("t1")
    with pytest.raises(AmbiguousTaskId):
        await host.transfer("t1", "s3")


async def test_an_ambiguous_id_is_clear_again_when_one_task_is_gone(host: BackgroundTaskHost) -> None:
    for session in ("s1", "s2"):
        await host.register(session, TaskSpec(id="t1"))

    await host.unregister_external("s1", "t1")

    found = await host.get("t1")
    assert found is not None
    assert found.session_id == "s2"


async def test_an_unknown_task_is_none_to_read_and_an_error_to_change(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(id="t1"))

    for task_id, session_id in (("t2", None), ("t1", "s2"), ("", None), ("x" * 600, "s1")):
        assert await host.get(task_id, session_id=session_id) is None
        for verb in (host.update, host.complete, host.request_cancel, host.wait):
            with pytest.raises(UnknownTask, match="no task") as unknown:
                await verb(task_id, session_id=session_id)
            assert (unknown.value.task_id, unknown.value.session_id) == (task_id, session_id)
        with pytest.raises(UnknownTask):
            await host.transfer(task_id, "s3", session_id=session_id)
    with pytest.raises(UnknownTask):
        await host.heartbeat("s2", "t1")
    with pytest.raises(UnknownTask):
        await host.unregister_external("s2", "t1")
    assert await host.get_managed("s2", "t1") is None
    with pytest.raises(UnknownTask):
        await host.cancel_managed("s2", "t1")
    with pytest.raises(UnknownTask):
        await host.transfer_managed("s2", "s3", ["t1"])
    assert await host.cancel_all_managed("s2") == []


async def test_sessions_are_summed_up(host: BackgroundTaskHost) -> None:
    assert await host.sessions() == []
    first = await host.register("s1", TaskSpec(id="a"))
    await host.register_external("s1", TaskSpec(id="b"))
    await host.register("s2", TaskSpec(id="c"))
    last = await host.complete("c")
    hidden = Body()
    await host.spawn_hidden("s1", "flush", hidden.run)

    one, two = await host.sessions()

    assert (one.id, one.counts, one.hidden, one.live) == (
        "s1",
        {TaskState.PENDING: 1, TaskState.RUNNING: 1},
        1,
        2,
    )
    assert (two.id, two.counts, two.hidden, two.live) == ("s2", {TaskState.COMPLETED: 1}, 0, 0)
    assert one.first_activity == first.created_at <= one.last_activity
    assert two.last_activity == last.completed_at
    hidden.go.set()


async def test_a_session_is_gone_with_the_last_thing_in_it(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(id="a"))
    await host.spawn_hidden("s2", "flush", _nothing)
    await host.register("s3", TaskSpec(id="b", close_policy=ClosePolicy.TRANSFER))

    await host.unregister_external("s1", "a")
    await host.await_hidden("s2")
    await host.close_session("s3", successor="s4")

    assert [summary.id for summary in await host.sessions()] == ["s4"]
    await host.complete("b")
    assert await host.prune() == 1
    assert await host.sessions() == []


async def test_asking_for_a_session_does_not_make_it(host: BackgroundTaskHost) -> None:
    await host.list_managed("s1")
    await host.wait_all("s1")
    await host.await_hidden("s1")
    await host.prune("s1")
    await host.close_session("s1")
    await host.transfer_managed("s1", "s2", [])

    assert await host.sessions() == []


async def test_finished_tasks_stay_listed_until_they_are_pruned(host: BackgroundTaskHost) -> None:
    for task_id in "abcd":
        await host.register("s1", TaskSpec(id=task_id))
    for task_id in "cab":
        await host.complete(task_id)

    assert await host.prune("s1", keep=1) == 2

    assert await ids(host, TaskFilter(include_terminal=True)) == ["b", "d"]
    assert await host.get("a") is None
    assert await host.prune() == 1
    assert await ids(host, TaskFilter(include_terminal=True)) == ["d"]
    assert await host.prune() == 0


async def test_pruning_one_session_leaves_the_others_alone(host: BackgroundTaskHost) -> None:
    for session in ("s1", "s2"):
        await host.register(session, TaskSpec(id="t1"))
        await host.complete("t1", session_id=session)

    assert await host.prune("s1") == 1
    assert await host.prune("nowhere") == 0

    assert [summary.id for summary in await host.sessions()] == ["s2"]


async def test_pruning_by_age_spares_what_ended_lately(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(id="t1"))
    await host.complete("t1")

    assert await host.prune(older_than=3600) == 0
    assert await host.prune(older_than=-1) == 1


async def test_each_session_keeps_only_its_latest_finished_tasks(open_host: HostFactory) -> None:
    async with open_host(retain_terminal=2) as host:
        for session in ("s1", "s2"):
            for task_id in "abc":
                await host.register(session, TaskSpec(id=task_id))
                await host.complete(task_id, session_id=session)
            await host.register(session, TaskSpec(id="live"))

        for session in ("s1", "s2"):
            assert [record.id for record in await host.list_managed(session)] == ["b", "c", "live"]


async def test_a_task_that_is_forgotten_at_once_takes_no_other_ones_place(open_host: HostFactory) -> None:
    async with open_host(retain_terminal=1) as host:
        for task_id in "ab":
            await host.register_external("s1", TaskSpec(id=task_id))
        await host.complete("a")

        await host.unregister_external("s1", "b")

        assert [record.id for record in await host.list_managed("s1")] == ["a"]


async def test_a_host_may_keep_no_finished_task_at_all(open_host: HostFactory) -> None:
    async with open_host(retain_terminal=0) as host:
        body = Body(value=1)
        handle = await host.spawn_managed("s1", TaskSpec(), body.run)
        body.go.set()

        with anyio.fail_after(60):
            assert await handle.wait() == 1
        assert handle.record.state is TaskState.COMPLETED
        assert await host.get(handle.id) is None
        assert await host.sessions() == []


async def test_a_forgotten_task_still_ends_for_those_who_wait_for_it(open_host: HostFactory) -> None:
    async with open_host(retain_terminal=0) as host:
        ended: list[str] = []

        async def wait() -> None:
            ended.append((await host.wait("t1")).state)

        await host.register("s1", TaskSpec(id="t1"))
        with anyio.fail_after(60):
            async with anyio.create_task_group() as waiters:
                waiters.start_soon(wait)
                await settle()
                await host.complete("t1")

        assert ended == [TaskState.COMPLETED]


async def _nothing() -> None:
    pass
