"""Stopping is not cancelling: what a later host can run again survives the stop, the crash and the start."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from hostel.sessions import (
    Backoff,
    CancelPolicy,
    EventType,
    FailureKind,
    IllegalTransition,
    JsonValue,
    LocalBackgroundTaskHost,
    OnStop,
    TaskCancelled,
    TaskEvent,
    TaskFilter,
    TaskRecord,
    TaskSpec,
    TaskState,
    current_task,
)
from hostel.sessions.journal import SqliteJournal

RESUMABLE = TaskSpec(id="t1", kind="crawl", params={"page": 7}, resumable=True)


class Crawl:
    """A body that runs until it is told to finish, and knows of each of its runs."""

    def __init__(self) -> None:
        self.runs: list[tuple[int, JsonValue]] = []
        self.started = anyio.Event()
        self.finish = anyio.Event()

    def body_of(self, record: TaskRecord, params: JsonValue) -> Callable[[], Awaitable[object]]:
        async def run() -> str:
            self.runs.append((current_task().attempt, params))
            self.started.set()
            await self.finish.wait()
            return "all pages"

        return run

    async def first(self) -> str:
        self.runs.append((current_task().attempt, None))
        self.started.set()
        await self.finish.wait()
        return "all pages"


async def stopped(path: Path, spec: TaskSpec = RESUMABLE, **options: object) -> TaskRecord:
    """Leave a host while the body of a task of `spec` runs, and return its last record."""
    crawl = Crawl()
    async with LocalBackgroundTaskHost(SqliteJournal(path), **options) as host:  # type: ignore[arg-type]
        handle = await host.spawn_managed("s1", spec, crawl.first)
        await crawl.started.wait()
    return handle.record


async def crashed(path: Path, *specs: TaskSpec) -> None:
    """Leave at `path` what a host leaves that is killed while tasks of `specs` run."""
    await _crash(path, specs, lambda host: anyio.lowlevel.checkpoint())


async def crashed_again(path: Path, crawl: Crawl) -> None:
    """Run what is at `path` again, and kill that host while it runs."""
    await _crash(path, (), lambda host: host.resume(crawl.body_of))


async def _crash(
    path: Path, specs: tuple[TaskSpec, ...], do: Callable[[LocalBackgroundTaskHost], Awaitable[None]]
) -> None:
    running = path.with_name("running")
    for suffix in ("", "-wal"):
        if path.with_name(path.name + suffix).exists():
            path.with_name(path.name + suffix).rename(running.with_name(running.name + suffix))
    async with LocalBackgroundTaskHost(SqliteJournal(running)) as host:
        for spec in specs:
            await host.spawn_managed("s1", spec, anyio.sleep_forever)
        await do(host)
        for suffix in ("", "-wal"):
            left = await anyio.Path(f"{running}{suffix}").read_bytes()
            await anyio.Path(f"{path}{suffix}").write_bytes(left)
    for suffix in ("", "-wal", "-shm", ".lock"):
        running.with_name(running.name + suffix).unlink(missing_ok=True)


async def test_leaving_a_host_interrupts_what_can_be_run_again(path: Path) -> None:
    record = await stopped(path)

    assert (record.state, record.cancel_actor, record.completed_at) == (TaskState.PENDING, None, None)
    assert (record.attempt.attempt, record.attempt.interruptions) == (1, 1)


async def test_the_next_host_runs_it_again_as_the_next_attempt(path: Path) -> None:
    await stopped(path)
    crawl = Crawl()
    crawl.finish.set()

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        await host.resume(crawl.body_of)
        record = await host.wait("t1")

        told = [event async for event in _until_end(host)]

    assert crawl.runs == [(2, {"page": 7})]
    assert (record.state, record.result and record.result.value) == (TaskState.COMPLETED, "all pages")
    assert [(event.type, event.previous) for event in told] == [
        (EventType.REGISTERED, None),
        (EventType.INTERRUPTED, TaskState.RUNNING),
        (EventType.STATE_CHANGED, TaskState.PENDING),
        (EventType.COMPLETED, None),
    ]


async def test_a_stop_does_not_count_against_the_attempts_and_a_crash_does(path: Path) -> None:
    for _ in range(5):
        crawl = Crawl()
        async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
            if not await host.list():
                await host.spawn_managed("s1", RESUMABLE, crawl.first)
            await host.resume(crawl.body_of)
            await crawl.started.wait()
    await crashed_again(path, Crawl())

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        record = await host.get("t1")

    assert record is not None
    assert (record.attempt.attempt, record.attempt.interruptions, record.attempt.counted) == (6, 5, 1)


class Adopting(Crawl):
    """A body that finds its work going on, and says so twice."""

    def body_of(self, record: TaskRecord, params: JsonValue) -> Callable[[], Awaitable[object]]:
        async def run() -> None:
            await current_task().adopted()
            await current_task().adopted()
            self.started.set()
            await self.finish.wait()

        return run


async def _until_adopted(host: LocalBackgroundTaskHost) -> None:
    """Run what is there again, until the journal has that it goes on."""
    await host.resume(Adopting().body_of)
    async for event in host.subscribe(after=0):
        adopted = event.record is not None and event.record.host_id == host.host_id
        if adopted and event.type is EventType.PROGRESS:
            return


async def test_the_death_of_a_host_does_not_count_for_work_that_goes_on_without_it(path: Path) -> None:
    await crashed(path, RESUMABLE)
    for _ in range(4):
        await _crash(path, (), _until_adopted)

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        record = await host.get("t1")

    assert record is not None
    assert record.state is TaskState.PENDING
    assert (record.attempt.attempt, record.attempt.interruptions, record.attempt.counted) == (5, 4, 1)


async def test_a_stop_is_not_counted_twice_for_work_that_goes_on_without_a_host(path: Path) -> None:
    await stopped(path)
    for _ in range(2):
        crawl = Adopting()
        async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
            await host.resume(crawl.body_of)
            await crawl.started.wait()
            record = await host.get("t1")

    assert record is not None
    assert record.attempt.counted == 1


async def test_a_task_that_takes_its_host_down_again_and_again_is_given_up(path: Path) -> None:
    await crashed(path, RESUMABLE)
    crawl = Crawl()
    for _ in range(2):
        await crashed_again(path, crawl)

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        await host.resume(crawl.body_of)
        record = await host.get("t1")

    assert record is not None
    assert record.failure is not None
    assert (record.state, record.failure.kind) == (TaskState.ABANDONED, FailureKind.CRASH_LOOP)
    assert record.failure.message == "its host died in each of 3 runs"


async def test_a_start_that_fails_runs_nothing_again_and_cancels_nothing(path: Path) -> None:
    await crashed(path, RESUMABLE)
    for _ in range(5):  # these are no runs of the task
        with pytest.raises(OSError, match="port"):
            async with LocalBackgroundTaskHost(SqliteJournal(path)):
                raise OSError("the port is taken")

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        record = await host.get("t1")

    assert record is not None
    assert (record.state, record.attempt.attempt) == (TaskState.PENDING, 1)


@pytest.mark.parametrize("how", ["request_cancel", "cancel_managed", "complete", "transfer"])
async def test_a_task_that_waits_to_be_run_again_heeds_every_verb(path: Path, how: str) -> None:
    await stopped(path)
    crawl = Crawl()

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        if how == "request_cancel":
            await host.request_cancel("t1", "not needed", actor="me")
        elif how == "cancel_managed":
            await host.cancel_managed("s1", "t1", "not needed", actor="me")
        elif how == "complete":
            await host.complete("t1", value="by hand")
        else:
            await host.transfer("t1", "s2")
        with pytest.raises(IllegalTransition):
            await host.update("t1", state=TaskState.RUNNING)
        await host.mark_live_state("s2", "t1", TaskState.RUNNING)
        await host.resume(crawl.body_of)
        record = await host.get("t1")
        assert record is not None
        if how == "transfer":
            assert (record.state, record.session_id) == (TaskState.RUNNING, "s2")
        elif how == "complete":
            assert record.state is TaskState.COMPLETED
        else:
            assert (record.state, record.cancel_actor) == (TaskState.CANCELLED, "me")


async def test_a_kind_nobody_knows_waits_and_that_is_said(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await stopped(path)

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        await host.resume(lambda record, params: None)

    assert caplog.messages == ["1 tasks wait to be run again, their kinds are unknown: ['crawl']"]
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        crawl = Crawl()
        await host.resume(crawl.body_of)
        await crawl.started.wait()
    assert crawl.runs == [(2, {"page": 7})]


async def test_all_is_cancelled_by_a_host_that_is_told_to(path: Path) -> None:
    record = await stopped(path, on_stop=OnStop.CANCEL)

    assert (record.state, record.cancel_actor) == (TaskState.CANCELLED, "host stopped")


async def test_nothing_is_interrupted_that_no_later_host_could_know_of() -> None:
    crawl = Crawl()
    async with LocalBackgroundTaskHost() as host:
        handle = await host.spawn_managed("s1", RESUMABLE, crawl.first)
        await crawl.started.wait()

    with pytest.raises(TaskCancelled):
        await handle.wait()
    assert handle.record.cancel_actor == "host stopped"


async def test_a_host_that_drains_lets_tasks_end_by_themselves(path: Path) -> None:
    crawl = Crawl()
    host = LocalBackgroundTaskHost(SqliteJournal(path), on_stop=OnStop.DRAIN, stop_grace=60)
    async with anyio.create_task_group() as others, host:
        handle = await host.spawn_managed("s1", TaskSpec(), crawl.first)
        others.start_soon(_finish_when_closing, crawl)

    assert await handle.wait() == "all pages"


async def test_an_attempt_that_fails_while_a_host_drains_is_followed_by_the_next(path: Path) -> None:
    crawl = Crawl()
    host = LocalBackgroundTaskHost(SqliteJournal(path), on_stop=OnStop.DRAIN, stop_grace=60)
    async with anyio.create_task_group() as others, host:

        async def body() -> str:
            pages = await crawl.first()
            if current_task().attempt == 1:
                raise ConnectionError("not yet")
            return pages

        spec = TaskSpec(max_attempts=2, retry=Backoff(initial=0.01))
        handle = await host.spawn_managed("s1", spec, body)
        others.start_soon(_finish_when_closing, crawl)

    assert await handle.wait() == "all pages"
    assert handle.record.attempt.attempt == 2


@pytest.mark.parametrize("resumable", [True, False])
async def test_an_attempt_that_is_due_when_a_host_has_drained_is_left_to_the_next_host_or_cancelled(
    path: Path, resumable: bool
) -> None:
    crawl = Crawl()
    spec = TaskSpec(id="t1", resumable=resumable, max_attempts=2, retry=Backoff(3600, maximum=3600))

    async def body() -> None:
        await crawl.first()
        raise ConnectionError("not yet")

    async with (
        anyio.create_task_group() as others,
        LocalBackgroundTaskHost(SqliteJournal(path), stop_grace=3600) as host,
    ):
        handle = await host.spawn_managed("s1", spec, body)
        await crawl.started.wait()
        events = host.subscribe(TaskFilter(session_id="s1"))
        others.start_soon(host.drain)
        await anyio.wait_all_tasks_blocked()
        crawl.finish.set()
        async for event in events:
            if event.record is not None and event.record.state is TaskState.WAITING:
                break

    if not resumable:
        assert (handle.record.state, handle.record.cancel_actor) == (TaskState.CANCELLED, "host stopped")
        return
    assert handle.record.state is TaskState.PENDING
    again = Crawl()
    again.finish.set()
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        await host.resume(again.body_of)
        record = await host.wait("t1")
    assert (record.state, record.attempt.counted) == (TaskState.COMPLETED, 2)


@pytest.mark.virtual_time
async def test_what_does_not_end_while_a_host_drains_is_cancelled() -> None:
    started = anyio.current_time()
    async with LocalBackgroundTaskHost(on_stop=OnStop.DRAIN, stop_grace=2) as host:
        handle = await host.spawn_managed("s1", TaskSpec(), anyio.sleep_forever)

    assert anyio.current_time() - started == pytest.approx(2)
    assert (handle.record.state, handle.record.cancel_actor) == (TaskState.CANCELLED, "host stopped")


async def test_a_cooperative_body_is_told_that_it_is_interrupted_and_not_cancelled(path: Path) -> None:
    seen: list[tuple[bool, bool]] = []
    started = anyio.Event()

    async def body() -> None:
        task = current_task()
        started.set()
        await task.cancellation()
        seen.append((task.cancel_requested, task.interrupted))

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        spec = TaskSpec(resumable=True, cancel_policy=CancelPolicy.COOPERATIVE)
        handle = await host.spawn_managed("s1", spec, body)
        await started.wait()

    assert seen == [(True, True)]
    assert handle.record.state is TaskState.PENDING


@pytest.mark.parametrize("last", ["value", "error"])
async def test_a_body_that_ends_while_it_is_interrupted_has_completed_or_is_run_again(
    path: Path, last: str
) -> None:
    started = anyio.Event()

    async def body() -> str:
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            if last == "value":
                return "done all the same"  # noqa: B012 - what swallows a cancellation
            raise ConnectionError("its plugin has closed the connection")

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        handle = await host.spawn_managed("s1", TaskSpec(resumable=True), body)
        await started.wait()

    assert handle.record.state is (TaskState.COMPLETED if last == "value" else TaskState.PENDING)


async def test_a_task_that_was_asked_to_stop_is_not_interrupted(path: Path) -> None:
    started = anyio.Event()

    async def body() -> None:
        started.set()
        await current_task().cancellation()
        await anyio.sleep_forever()

    async with LocalBackgroundTaskHost(SqliteJournal(path), stop_grace=0.01) as host:
        spec = TaskSpec(resumable=True, cancel_policy=CancelPolicy.COOPERATIVE)
        handle = await host.spawn_managed("s1", spec, body)
        await started.wait()
        await handle.cancel(actor="me")

    assert (handle.record.state, handle.record.cancel_actor) == (TaskState.CANCELLED, "me")


@pytest.mark.parametrize("end", ["stop", "crash"])
async def test_an_external_task_that_is_resumable_is_adopted_by_the_next_host(path: Path, end: str) -> None:
    spec = TaskSpec(id="batch", kind="batch", resumable=True)
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        before = await host.register_external("s1", spec)

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        left = await host.get("batch")
        assert left is not None
        assert left.state is TaskState.PENDING
        after = await host.register_external("s1", spec)
        assert (after.state, after.created_at) == (TaskState.RUNNING, before.created_at)
        assert after.host_id == host.host_id
        await host.complete("batch", value="all lines")
        assert await host.list(TaskFilter(include_terminal=True)) == [await host.get("batch")]


async def test_an_external_task_that_was_asked_to_stop_meanwhile_is_told_when_it_is_adopted(
    path: Path,
) -> None:
    spec = TaskSpec(id="batch", kind="batch", resumable=True)
    called: list[int] = []
    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        await host.register_external("s1", spec, lambda: called.append(1))

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        assert (await host.request_cancel("batch", actor="me")).state is TaskState.CANCEL_REQUESTED
        assert called == []

        await host.register_external("s1", spec, lambda: called.append(2))

        assert called == [2]


async def test_no_two_runs_have_the_same_fence(path: Path) -> None:
    fences: list[int] = []

    for _ in range(3):
        started = anyio.Event()

        async def body(started: anyio.Event = started) -> None:
            fences.append(current_task().fence)
            started.set()
            await anyio.sleep_forever()

        async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
            if not fences:
                await host.spawn_managed("s1", RESUMABLE, body)
            await host.resume(lambda record, params, body=body: body)  # type: ignore[misc]
            await started.wait()

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        await host.cancel_managed("s1", "t1")
        await host.spawn_managed("s1", RESUMABLE, body)  # in place of the finished one, from attempt 1 again
        while len(fences) < 4:
            await anyio.lowlevel.checkpoint()
    assert len(fences) == len(set(fences)) == 4


async def _finish_when_closing(crawl: Crawl) -> None:
    await crawl.started.wait()
    await anyio.wait_all_tasks_blocked()
    crawl.finish.set()


async def _until_end(host: LocalBackgroundTaskHost) -> AsyncIterator[TaskEvent]:
    async for event in host.subscribe(TaskFilter(session_id="s1"), after=0):
        yield event
        if event.record is not None and event.record.is_terminal:
            return
