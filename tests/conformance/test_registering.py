"""Taking tasks in: register, register_external, spawn_managed; ids and idempotency keys."""

import time

import anyio
import pytest

from hostel.sessions import (
    BackgroundTaskHost,
    CancelPolicy,
    ClosePolicy,
    EventType,
    InvalidTaskId,
    TaskAlreadyExists,
    TaskSpec,
    TaskState,
)

from .conftest import HostFactory
from .steering import Body, is_idle, take


async def test_a_registered_task_is_pending_and_everything_said_of_it_is_kept(
    host: BackgroundTaskHost,
) -> None:
    before = time.time()

    record = await host.register(
        "s1",
        TaskSpec(
            id="t1",
            kind="subagent",
            producer="me",
            label="a task",
            parent_task_id="p",
            child_session_id="c",
            close_policy=ClosePolicy.TRANSFER,
            max_attempts=3,
            idempotency_key="k",
        ),
    )

    assert record == await host.get("t1")
    assert (record.id, record.session_id, record.kind) == ("t1", "s1", "subagent")
    assert (record.producer, record.label) == ("me", "a task")
    assert (record.parent_task_id, record.child_session_id) == ("p", "c")
    assert (record.state, record.started_at, record.completed_at) == (TaskState.PENDING, None, None)
    assert (record.cancel_policy, record.close_policy) == (CancelPolicy.COOPERATIVE, ClosePolicy.TRANSFER)
    assert (record.attempt.attempt, record.attempt.max_attempts) == (1, 3)
    assert record.attempt.idempotency_key == "k"
    assert (record.progress, record.result, record.failure) == (None, None, None)
    assert (record.cancel_reason, record.cancel_actor) == (None, None)
    assert before <= record.created_at == record.updated_at <= time.time()
    assert record.host_id


async def test_an_external_task_runs_from_its_registration_on(host: BackgroundTaskHost) -> None:
    record = await host.register_external("s1", TaskSpec())

    assert record.state is TaskState.RUNNING
    assert record.started_at == record.created_at


async def test_a_managed_task_runs_from_its_registration_on(host: BackgroundTaskHost) -> None:
    body = Body(value=7)

    handle = await host.spawn_managed("s1", TaskSpec(id="t1"), body.run)
    assert (handle.id, handle.session_id, handle.record.state) == ("t1", "s1", TaskState.RUNNING)
    body.go.set()

    with anyio.fail_after(60):
        assert await handle.wait() == 7
    assert handle.record.state is TaskState.COMPLETED


@pytest.mark.parametrize("hook", [None, lambda: None], ids=["without a hook", "with a hook"])
async def test_the_cancel_policy_follows_from_how_a_task_can_be_stopped(
    host: BackgroundTaskHost, hook: None
) -> None:
    registered = await host.register("s1", TaskSpec())
    external = await host.register_external("s1", TaskSpec(), hook)
    managed = await host.spawn_managed("s1", TaskSpec(), anyio.sleep_forever)

    assert registered.cancel_policy is CancelPolicy.COOPERATIVE
    assert external.cancel_policy is (CancelPolicy.EXTERNAL if hook else CancelPolicy.COOPERATIVE)
    assert managed.record.cancel_policy is CancelPolicy.ABORT_LOCAL


async def test_a_cancel_policy_that_is_given_is_kept(host: BackgroundTaskHost) -> None:
    record = await host.register_external(
        "s1", TaskSpec(cancel_policy=CancelPolicy.ABORT_LOCAL), cancel=lambda: None
    )

    assert record.cancel_policy is CancelPolicy.ABORT_LOCAL


async def test_each_way_in_announces_the_task_once(host: BackgroundTaskHost) -> None:
    events = host.subscribe()

    await host.register("s1", TaskSpec(id="a"))
    await host.register_external("s1", TaskSpec(id="b"))
    await host.spawn_managed("s1", TaskSpec(id="c"), anyio.sleep_forever)

    told = await take(events, 3)
    assert [(event.type, event.task_id) for event in told] == [
        (EventType.REGISTERED, task_id) for task_id in "abc"
    ]
    assert [event.record for event in told] == await host.list()
    assert await is_idle(events)


async def test_ids_are_made_up_short_sortable_and_different(host: BackgroundTaskHost) -> None:
    ids = [(await host.register("s1", TaskSpec())).id for _ in range(50)]

    assert len(set(ids)) == 50
    assert max(map(len, ids)) <= 26


@pytest.mark.parametrize("way", ["register", "register_external", "spawn_managed"])
async def test_a_live_task_of_the_same_id_in_the_session_is_refused(
    host: BackgroundTaskHost, way: str
) -> None:
    first = await host.register("s1", TaskSpec(id="t1", label="first"))
    events = host.subscribe()

    with pytest.raises(TaskAlreadyExists, match="already has a live task 't1'") as refused:
        await _take_in(host, way, "s1", TaskSpec(id="t1", label="second"))

    assert (refused.value.task_id, refused.value.session_id) == ("t1", "s1")
    assert await host.list() == [first]
    assert await is_idle(events)


@pytest.mark.parametrize("way", ["register", "register_external", "spawn_managed"])
async def test_a_finished_task_of_the_same_id_is_replaced(host: BackgroundTaskHost, way: str) -> None:
    await host.register("s1", TaskSpec(id="t1", label="first"))
    await host.complete("t1")

    await _take_in(host, way, "s1", TaskSpec(id="t1", label="second"))

    [record] = await host.list_managed("s1")
    assert (record.label, record.result, record.completed_at) == ("second", None, None)


async def test_two_sessions_may_each_have_a_task_of_the_same_id(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(id="monitor:build"))
    await host.register("s2", TaskSpec(id="monitor:build"))

    found = [await host.get("monitor:build", session_id=session) for session in ("s1", "s2")]
    assert [record and record.session_id for record in found] == ["s1", "s2"]


@pytest.mark.parametrize("bad", ["", "x" * 513], ids=["empty", "huge"])
@pytest.mark.parametrize("way", ["register", "register_external", "spawn_managed"])
async def test_an_empty_or_huge_id_is_refused_and_leaves_no_session_behind(
    host: BackgroundTaskHost, way: str, bad: str
) -> None:
    with pytest.raises(InvalidTaskId, match="1 to 512 characters") as refused:
        await _take_in(host, way, "s1", TaskSpec(id=bad))
    with pytest.raises(InvalidTaskId):
        await _take_in(host, way, bad, TaskSpec())
    with pytest.raises(InvalidTaskId):
        await host.spawn_hidden(bad, "label", anyio.sleep_forever)

    assert refused.value.limit == 512
    assert len(refused.value.given) <= 512
    assert await host.sessions() == []


async def test_an_id_may_be_of_any_characters(host: BackgroundTaskHost) -> None:
    odd = "monitor:\t'\"%/\\ é 測 🦊"

    await host.register(odd, TaskSpec(id=odd))

    assert [record.id for record in await host.list_managed(odd)] == [odd]


@pytest.mark.parametrize("way", ["register", "register_external", "spawn_managed"])
async def test_a_second_task_with_the_same_idempotency_key_is_the_first_one(
    host: BackgroundTaskHost, way: str
) -> None:
    first = await host.register_external("s1", TaskSpec(id="t1", idempotency_key="k"))

    again = await _take_in(host, way, "s1", TaskSpec(id="t2", idempotency_key="k"))

    assert again == first.id
    assert [record.id for record in await host.list_managed("s1")] == ["t1"]


async def test_both_callers_with_one_idempotency_key_get_what_the_one_body_returned(
    host: BackgroundTaskHost,
) -> None:
    body, other = Body(value=object()), Body()
    first = await host.spawn_managed("s1", TaskSpec(idempotency_key="k"), body.run)
    second = await host.spawn_managed("s1", TaskSpec(idempotency_key="k"), other.run)
    body.go.set()

    with anyio.fail_after(60):
        assert await first.wait() is await second.wait() is body.value
    assert other.runs == 0


async def test_an_idempotency_key_still_holds_when_its_task_has_ended(host: BackgroundTaskHost) -> None:
    body = Body(value={"n": 1})
    body.go.set()
    first = await host.spawn_managed("s1", TaskSpec(idempotency_key="k"), body.run)
    with anyio.fail_after(60):
        await first.wait()

        late = await host.spawn_managed("s1", TaskSpec(idempotency_key="k"), body.run)

        assert late.id == first.id
        assert await late.wait() == {"n": 1}
    assert body.runs == 1


async def test_an_idempotency_key_is_one_session_s_own_and_goes_with_its_task(
    host: BackgroundTaskHost,
) -> None:
    first = await host.register("s1", TaskSpec(idempotency_key="k"))
    other = await host.register("s2", TaskSpec(idempotency_key="k"))
    assert other.id != first.id

    await host.transfer(first.id, "s3")
    again = await host.register("s1", TaskSpec(idempotency_key="k"))

    assert again.id not in (first.id, other.id)
    assert (await host.register("s3", TaskSpec(idempotency_key="k"))).id == first.id


async def test_a_forgotten_task_with_the_same_key_from_another_session_takes_no_key_along(
    host: BackgroundTaskHost,
) -> None:
    first = await host.register("s1", TaskSpec(idempotency_key="k"))
    other = await host.register("s2", TaskSpec(idempotency_key="k"))
    await host.transfer(other.id, "s1")

    await host.complete(other.id)
    await host.prune()

    assert (await host.register("s1", TaskSpec(idempotency_key="k"))).id == first.id


async def test_an_idempotency_key_is_free_again_when_its_record_is_forgotten(
    open_host: HostFactory,
) -> None:
    async with open_host(retain_terminal=0) as host:
        first = await host.register("s1", TaskSpec(idempotency_key="k"))
        await host.complete(first.id)

        assert (await host.register("s1", TaskSpec(idempotency_key="k"))).id != first.id


async def _take_in(host: BackgroundTaskHost, way: str, session_id: str, spec: TaskSpec) -> str:
    if way == "spawn_managed":
        return (await host.spawn_managed(session_id, spec, anyio.sleep_forever)).id
    if way == "register":
        return (await host.register(session_id, spec)).id
    return (await host.register_external(session_id, spec)).id
