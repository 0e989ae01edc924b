"""Hidden tasks: not listed, counted, waited for at a barrier that gathers every failure once."""

import anyio
import pytest

from hostel.sessions import BackgroundTaskHost, HiddenTasksFailed, TaskSpec, current_task

from .steering import Body, is_idle, settle


async def test_a_hidden_task_runs_and_is_nowhere_listed_but_counted(host: BackgroundTaskHost) -> None:
    events = host.subscribe()
    body = Body()

    await host.spawn_hidden("s1", "flush", body.run)
    await body.started.wait()

    assert await host.list_managed("s1") == []
    [summary] = await host.sessions()
    assert (summary.id, summary.hidden, summary.live) == ("s1", 1, 0)
    body.go.set()
    await host.await_hidden("s1")
    assert await is_idle(events)


async def test_the_barrier_waits_for_all_also_those_started_meanwhile(host: BackgroundTaskHost) -> None:
    first, second = Body(), Body()
    passed = anyio.Event()

    async def chain() -> None:
        await first.run()
        await host.spawn_hidden("s1", "second", second.run)

    async def wait() -> None:
        await host.await_hidden("s1")
        passed.set()

    await host.spawn_hidden("s1", "first", chain)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(wait)
            await settle()
            first.go.set()
            await second.started.wait()
            await settle()
            assert not passed.is_set()
            second.go.set()


async def test_two_that_wait_at_the_barrier_both_pass_it(host: BackgroundTaskHost) -> None:
    bodies = [Body(), Body()]
    for body in bodies:
        await host.spawn_hidden("s1", "flush", body.run)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as waiters:
            for _ in range(3):
                waiters.start_soon(host.await_hidden, "s1")
                await settle()
            for body in bodies:
                body.go.set()
                await settle()


async def test_the_barrier_of_one_session_does_not_wait_for_another(host: BackgroundTaskHost) -> None:
    body = Body()
    await host.spawn_hidden("s2", "flush", body.run)

    with anyio.fail_after(60):
        await host.await_hidden("s1")
    body.go.set()


async def test_every_failure_is_gathered_with_its_label(host: BackgroundTaskHost) -> None:
    good, bad = Body(), [Body(error=ValueError("one")), Body(error=KeyError("two"))]
    await host.spawn_hidden("s1", "good", good.run)
    for number, body in enumerate(bad):
        await host.spawn_hidden("s1", f"bad {number}", body.run)
        body.go.set()
        await settle()
    good.go.set()

    with anyio.fail_after(60), pytest.raises(HiddenTasksFailed, match="of session 's1' failed") as failed:
        await host.await_hidden("s1")

    assert failed.value.session_id == "s1"
    assert failed.value.labels == ("bad 0", "bad 1")
    assert failed.value.exceptions == (bad[0].error, bad[1].error)
    assert failed.value.exceptions[0].__notes__ == ["hidden task 'bad 0' of session 's1'"]


async def test_a_failure_detaches_nobody(host: BackgroundTaskHost) -> None:
    slow = Body()
    await host.spawn_hidden("s1", "slow", slow.run)
    await host.spawn_hidden("s1", "bad", _fail)
    await settle()

    with anyio.move_on_after(0):
        await host.await_hidden("s1")
    slow.go.set()

    with pytest.raises(HiddenTasksFailed) as failed, anyio.fail_after(60):
        await host.await_hidden("s1")
    assert failed.value.labels == ("bad",)


async def test_failures_are_reported_once(host: BackgroundTaskHost) -> None:
    await host.spawn_hidden("s1", "bad", _fail)
    with pytest.raises(HiddenTasksFailed):
        await host.await_hidden("s1")

    await host.await_hidden("s1")
    assert await host.sessions() == []


async def test_a_session_of_which_nothing_is_left_goes_with_its_last_hidden_task(
    host: BackgroundTaskHost,
) -> None:
    body = Body()
    await host.spawn_hidden("s1", "flush", body.run)
    assert [summary.id for summary in await host.sessions()] == ["s1"]

    body.go.set()
    await settle()

    assert await host.sessions() == []


async def test_failures_wait_for_whoever_comes(host: BackgroundTaskHost) -> None:
    await host.spawn_hidden("s1", "bad", _fail)
    await settle()

    [summary] = await host.sessions()
    assert (summary.id, summary.hidden) == ("s1", 0)
    with pytest.raises(HiddenTasksFailed):
        await host.await_hidden("s1")


@pytest.mark.parametrize(
    "error",
    [SystemExit(3), KeyboardInterrupt(), BaseExceptionGroup("several", [KeyboardInterrupt()])],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_a_hidden_task_raises_is_its_failure_alone(
    host: BackgroundTaskHost, error: BaseException
) -> None:
    async def body() -> None:
        raise error

    await host.spawn_hidden("s1", "odd", body)

    with pytest.raises(HiddenTasksFailed) as failed:
        await host.await_hidden("s1")
    [wrapped] = failed.value.exceptions
    assert wrapped.__cause__ is error
    assert type(error).__name__ in str(wrapped)


async def test_a_sync_hidden_task_runs_in_a_thread(host: BackgroundTaskHost) -> None:
    ran: list[object] = []

    await host.spawn_hidden("s1", "sync", ran.append, "argument")  # type: ignore[arg-type]
    with anyio.fail_after(60):
        await host.await_hidden("s1")

    assert ran == ["argument"]


async def test_a_hidden_task_at_the_barrier_does_not_wait_for_itself(host: BackgroundTaskHost) -> None:
    other = Body()
    passed = anyio.Event()

    async def flush() -> None:
        await host.await_hidden("s1")
        passed.set()

    await host.spawn_hidden("s1", "other", other.run)
    await host.spawn_hidden("s1", "flush", flush)
    await settle()
    assert not passed.is_set()
    other.go.set()

    with anyio.fail_after(60):
        await passed.wait()


async def test_hidden_tasks_at_the_barrier_do_not_wait_for_each_other(host: BackgroundTaskHost) -> None:
    for label in "ab":
        await host.spawn_hidden("s1", label, host.await_hidden, "s1")

    with anyio.fail_after(60):
        await host.await_hidden("s1")


async def test_a_managed_task_started_by_a_hidden_one_waits_for_it_at_the_barrier(
    host: BackgroundTaskHost,
) -> None:
    hidden = Body()

    async def start() -> None:
        await host.spawn_managed("s1", TaskSpec(id="waiter"), host.await_hidden, "s1")
        await hidden.run()

    await host.spawn_hidden("s1", "starter", start)
    await settle()
    assert [record.id for record in await host.list()] == ["waiter"]
    hidden.go.set()

    with anyio.fail_after(60):
        await host.wait("waiter")


async def test_a_hidden_task_is_not_the_managed_task_that_started_it(host: BackgroundTaskHost) -> None:
    async def body() -> None:
        await host.spawn_hidden("s1", "curious", hidden)

    async def hidden() -> None:
        current_task()

    handle = await host.spawn_managed("s1", TaskSpec(), body)
    await handle.wait()

    with pytest.raises(HiddenTasksFailed) as failed:
        await host.await_hidden("s1")
    assert isinstance(failed.value.exceptions[0], LookupError)


async def test_part_of_the_failures_can_be_handled(host: BackgroundTaskHost) -> None:
    await host.spawn_hidden("s1", "bad", _fail)
    await host.spawn_hidden("s1", "worse", _fail, KeyError("k"))

    with pytest.raises(HiddenTasksFailed) as failed:
        await host.await_hidden("s1")
    handled, rest = failed.value.split(ValueError)

    assert handled is not None
    assert rest is not None
    assert [type(error) for error in (*handled.exceptions, *rest.exceptions)] == [ValueError, KeyError]


async def _fail(error: Exception | None = None) -> None:
    raise error or ValueError("bad")


async def test_failures_that_nobody_collects_are_counted_and_only_the_latest_are_kept(
    host: BackgroundTaskHost,
) -> None:
    async def fail(number: int) -> None:
        raise ValueError(number)

    for number in range(250):
        await host.spawn_hidden("s1", f"flush {number}", fail, number)
        if number == 248:
            await settle()

    with pytest.raises(HiddenTasksFailed, match="150 more before them") as failed:
        await host.await_hidden("s1")

    assert (len(failed.value.exceptions), failed.value.lost) == (100, 150)
    assert failed.value.labels[-1] == "flush 249"
    await host.await_hidden("s1")


async def test_sessions_whose_failures_nobody_collects_are_not_kept_for_ever(
    host: BackgroundTaskHost, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise ValueError

    for number in range(1_010):
        await host.spawn_hidden(f"s{number}", "flush", fail)
    await settle()

    assert len(await host.sessions()) == 1_000
    assert caplog.messages == ["nobody collected what failed"] * 10
