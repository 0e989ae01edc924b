"""Bodies of managed tasks: how they end and so end their tasks, and what they know of themselves."""

import contextvars
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import partial
from pathlib import Path

import anyio
import anyio.from_thread
import attrs
import pytest

from hostel.sessions import (
    BackgroundTaskHost,
    CancelPolicy,
    EventType,
    FailureKind,
    InvalidProgress,
    Progress,
    TaskCancelled,
    TaskFailed,
    TaskOutcome,
    TaskSpec,
    TaskState,
    current_task,
)

from .steering import Body, is_idle, settle, take, take_until


class Circular(list[object]):
    def __init__(self) -> None:
        self.append(self)


class Hostile(dict[str, object]):
    def items(self):  # type: ignore[no-untyped-def]
        raise ZeroDivisionError


@attrs.frozen
class Point:
    x: int
    way: str


@dataclass(frozen=True)
class Pair:
    one: Point
    other: object


class PydanticLike:
    def model_dump(self, *, mode: str) -> dict[str, str]:
        return {"dumped": mode}


class Plain(Enum):
    ONE = 1


def not_kept(kind: str, why: str) -> TaskOutcome:
    return TaskOutcome(summary=f"{kind} object, not kept: {why}")


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (None, None),
        (7, TaskOutcome(value=7)),
        (0.5, TaskOutcome(value=0.5)),
        (True, TaskOutcome(value=True)),
        ("text", TaskOutcome(value="text")),
        ((1, [None]), TaskOutcome(value=[1, [None]])),
        ({"a": {1: 2}}, TaskOutcome(value={"a": {"1": 2}})),
        (TaskState.RUNNING, TaskOutcome(value="running")),
        (TaskOutcome("for people", [1]), TaskOutcome("for people", [1])),
        (TaskOutcome("for people", object()), TaskOutcome("for people")),  # type: ignore[arg-type]
        (object(), not_kept("object", "TypeError: a object is not JSON")),
        (float("nan"), not_kept("float", "ValueError: Out of range float values are not JSON compliant")),
        (Circular(), not_kept("Circular", "ValueError: Circular reference detected")),
        (Hostile(a=1), not_kept("Hostile", "ZeroDivisionError")),
        (Point(1, "up"), TaskOutcome(value={"x": 1, "way": "up"})),
        ([Pair(Point(1, "up"), None)], TaskOutcome(value=[{"one": {"x": 1, "way": "up"}, "other": None}])),
        (PydanticLike(), TaskOutcome(value={"dumped": "json"})),
        (
            {"when": date(2026, 1, 2), "where": Path("a/b")},
            TaskOutcome(value={"when": "2026-01-02", "where": "a/b"}),
        ),
        ({Plain.ONE}, TaskOutcome(value=[1])),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_returned_value_reaches_the_handle_as_it_is_and_the_record_as_json(
    host: BackgroundTaskHost, value: object, kept: TaskOutcome | None
) -> None:
    body = Body(value=value)
    body.go.set()
    handle = await host.spawn_managed("s1", TaskSpec(), body.run)

    with anyio.fail_after(60):
        assert await handle.wait() is value
    assert (handle.record.state, handle.record.result) == (TaskState.COMPLETED, kept)
    if kept is not None and handle.record.result is not None:
        assert type(handle.record.result.value) is type(kept.value)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ValueError("no such thing"), FailureKind.ERROR, "ValueError: no such thing"),
        (KeyError("k"), FailureKind.ERROR, "KeyError: 'k'"),
        (StopIteration(1), FailureKind.ERROR, "RuntimeError: coroutine raised StopIteration"),
        (SystemExit(3), FailureKind.EXIT, "SystemExit: 3"),
        (KeyboardInterrupt(), FailureKind.EXIT, "KeyboardInterrupt"),
        (GeneratorExit(), FailureKind.EXIT, "GeneratorExit"),
        (
            ExceptionGroup("several", [ValueError("a"), KeyError("b")]),
            FailureKind.ERROR,
            "ValueError: a; KeyError: 'b'",
        ),
        (
            BaseExceptionGroup("odd", [KeyboardInterrupt()]),
            FailureKind.EXIT,
            "KeyboardInterrupt",
        ),
        (SyntaxError("bad", ("f.py", 1, 1, "x x")), FailureKind.ERROR, "SyntaxError: bad"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_whatever_a_body_raises_is_the_failure_of_its_task_alone(
    host: BackgroundTaskHost, error: BaseException, kind: FailureKind, message: str
) -> None:
    other = Body(value="unharmed")
    untouched = await host.spawn_managed("s1", TaskSpec(), other.run)
    body = Body(error=error)
    body.go.set()
    handle = await host.spawn_managed("s1", TaskSpec(), body.run)

    with anyio.fail_after(60), pytest.raises(TaskFailed) as failed:
        await handle.wait()

    failure = handle.record.failure
    assert failure is not None
    assert (handle.record.state, failure.kind, failure.message) == (TaskState.FAILED, kind, message)
    assert "in run" in (failure.traceback or "")
    assert failed.value.record == handle.record
    cause = failed.value.__cause__
    assert cause is error or (cause is not None and cause.__cause__ is error)
    other.go.set()
    assert await untouched.wait() == "unharmed"


async def test_notes_and_causes_are_in_the_traceback_not_in_the_message(host: BackgroundTaskHost) -> None:
    async def body() -> None:
        error = ValueError("the message")
        error.add_note("a note")
        raise error from KeyError("the cause")

    handle = await host.spawn_managed("s1", TaskSpec(), body)
    record = await host.wait(handle.id)

    assert record.failure is not None
    assert record.failure.message == "ValueError: the message"
    assert "a note" in (record.failure.traceback or "")
    assert "the cause" in (record.failure.traceback or "")


async def test_a_huge_failure_is_cut_to_a_bearable_length(host: BackgroundTaskHost) -> None:
    body = Body(error=ValueError("x" * 1_000_000))
    body.go.set()
    handle = await host.spawn_managed("s1", TaskSpec(), body.run)
    record = await host.wait(handle.id)

    assert record.failure is not None
    assert len(record.failure.message) <= 2_000
    assert len(record.failure.traceback or "") <= 20_000


async def test_a_long_traceback_keeps_its_end_where_the_error_is(host: BackgroundTaskHost) -> None:
    def descend(depth: int) -> None:
        if not depth:
            raise ValueError("at the bottom")
        climb(depth - 1)

    def climb(depth: int) -> None:  # two that alternate: Python shortens what repeats itself
        descend(depth)

    async def body() -> None:
        descend(200)

    handle = await host.spawn_managed("s1", TaskSpec(), body)
    record = await host.wait(handle.id)

    assert record.failure is not None
    traceback = record.failure.traceback or ""
    assert 19_000 < len(traceback) <= 20_000
    assert traceback.rstrip().endswith('raise ValueError("at the bottom")\nValueError: at the bottom')


async def test_an_error_whose_text_cannot_be_made_is_a_failure_as_well(host: BackgroundTaskHost) -> None:
    class Unprintable(Exception):
        def __str__(self) -> str:
            raise ZeroDivisionError

    body = Body(error=Unprintable())
    body.go.set()
    handle = await host.spawn_managed("s1", TaskSpec(), body.run)
    record = await host.wait(handle.id)

    assert record.failure is not None
    assert "Unprintable" in record.failure.message


async def test_what_cannot_be_called_fails(host: BackgroundTaskHost) -> None:
    wrong_args = await host.spawn_managed("s1", TaskSpec(), anyio.sleep)  # type: ignore[call-arg,arg-type]
    no_function = await host.spawn_managed("s1", TaskSpec(), None)  # type: ignore[call-overload]

    for handle in (wrong_args, no_function):
        record = await host.wait(handle.id)
        assert record.failure is not None
        assert "TypeError" in record.failure.message


async def test_cancelling_oneself_without_being_asked_is_a_failure(
    host: BackgroundTaskHost, anyio_backend_name: str
) -> None:
    if anyio_backend_name == "trio":
        pytest.skip("on trio nobody can raise Cancelled by hand")

    async def body() -> None:
        raise anyio.get_cancelled_exc_class()

    handle = await host.spawn_managed("s1", TaskSpec(max_attempts=3), body)
    record = await host.wait(handle.id)

    assert record.failure is not None
    assert (record.state, record.failure.kind) == (TaskState.FAILED, FailureKind.EXIT)
    assert record.attempt.attempt == 1


async def test_a_body_that_fails_while_it_is_cancelled_has_failed(host: BackgroundTaskHost) -> None:
    async def body() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ValueError("in cleanup")

    handle = await host.spawn_managed("s1", TaskSpec(), body)
    await settle()

    record = await host.cancel_managed("s1", handle.id, "why")

    assert record is not None
    assert record.failure is not None
    assert (record.state, record.failure.message) == (TaskState.FAILED, "ValueError: in cleanup")
    assert record.cancel_reason == "why"


async def test_a_result_is_not_kept_longer_than_its_handle(host: BackgroundTaskHost) -> None:
    import gc
    import weakref

    class Large:
        pass

    async def body() -> Large:
        return Large()

    async def ends() -> weakref.ref[Large]:
        handle = await host.spawn_managed("s1", TaskSpec(id="t1"), body)
        return weakref.ref(await handle.wait())

    with anyio.fail_after(60):
        gone = await ends()
    await settle()
    gc.collect()

    assert gone() is None
    assert await host.get("t1") is not None


async def test_context_variables_are_copied_when_a_task_is_spawned(host: BackgroundTaskHost) -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    release = anyio.Event()

    async def body() -> str:
        await release.wait()
        seen = variable.get()
        variable.set("changed by the body")
        return seen

    variable.set("at spawn")
    handle = await host.spawn_managed("s1", TaskSpec(), body)
    in_thread = await host.spawn_managed("s1", TaskSpec(), variable.get)
    variable.set("later")
    release.set()

    with anyio.fail_after(60):
        assert (await handle.wait(), await in_thread.wait()) == ("at spawn", "at spawn")
    assert variable.get() == "later"


async def test_a_body_knows_its_task(host: BackgroundTaskHost) -> None:
    async def body() -> tuple[str, str, int]:
        task = current_task()
        return task.id, task.session_id, task.attempt

    handle = await host.spawn_managed("s1", TaskSpec(id="t1"), body)

    with anyio.fail_after(60):
        assert await handle.wait() == ("t1", "s1", 1)


async def test_outside_of_a_task_there_is_no_current_one(host: BackgroundTaskHost) -> None:
    with pytest.raises(LookupError, match="no hostel task is running here"):
        current_task()


async def test_tasks_a_body_starts_itself_belong_to_it(host: BackgroundTaskHost) -> None:
    seen: list[str] = []

    async def part() -> None:
        seen.append(current_task().id)

    async def body() -> None:
        async with anyio.create_task_group() as parts:
            parts.start_soon(part)

    handle = await host.spawn_managed("s1", TaskSpec(id="t1"), body)
    with anyio.fail_after(60):
        await handle.wait()
    assert seen == ["t1"]


async def test_a_body_may_spawn_children_that_know_themselves(host: BackgroundTaskHost) -> None:
    async def child() -> str:
        return current_task().id

    async def body() -> str:
        spec = TaskSpec(id="child", parent_task_id=current_task().id)
        return await (await host.spawn_managed("s1", spec, child)).wait()

    handle = await host.spawn_managed("s1", TaskSpec(id="parent"), body)

    with anyio.fail_after(60):
        assert await handle.wait() == "child"


async def test_a_body_reports_progress(host: BackgroundTaskHost) -> None:
    async def body() -> None:
        task = current_task()
        await task.progress("half", done=1, total=2, unit="files")
        with pytest.raises(InvalidProgress):
            await task.progress(done=3, total=2)

    events = host.subscribe()
    handle = await host.spawn_managed("s1", TaskSpec(), body)
    with anyio.fail_after(60):
        await handle.wait()

    told = await take_until(events, lambda event: event.type is EventType.COMPLETED)
    assert [event.type for event in told] == [
        EventType.REGISTERED,
        EventType.PROGRESS,
        EventType.COMPLETED,
    ]
    assert handle.record.progress == Progress("half", 1, 2, "files")


async def test_a_body_that_only_reports_progress_lets_others_run_and_can_be_cancelled(
    host: BackgroundTaskHost,
) -> None:
    async def body() -> None:
        while True:
            await current_task().progress("and on")

    handle = await host.spawn_managed("s1", TaskSpec(), body)

    with anyio.fail_after(60):
        record = await host.cancel_managed("s1", handle.id)
    assert record is not None
    assert record.state is TaskState.CANCELLED


async def test_a_body_says_when_it_waits(host: BackgroundTaskHost) -> None:
    async def body() -> None:
        task = current_task()
        async with task.waiting("for input"), task.waiting():
            pass

    events = host.subscribe()
    handle = await host.spawn_managed("s1", TaskSpec(), body)
    with anyio.fail_after(60):
        await handle.wait()

    told = await take(events, 5)
    assert [event.record and event.record.state for event in told] == [
        TaskState.RUNNING,
        TaskState.RUNNING,
        TaskState.WAITING,
        TaskState.RUNNING,
        TaskState.COMPLETED,
    ]
    assert told[1].record is not None
    assert told[1].record.progress == Progress("for input")
    assert await is_idle(events)


async def test_waiting_never_hides_a_cancel_request(host: BackgroundTaskHost) -> None:
    body = Body()

    async def waiting() -> None:
        async with current_task().waiting():
            await body.run()
        async with current_task().waiting():
            pass

    handle = await host.spawn_managed("s1", TaskSpec(cancel_policy=CancelPolicy.COOPERATIVE), waiting)
    await body.started.wait()
    await host.request_cancel(handle.id)
    events = host.subscribe()
    body.go.set()

    with anyio.fail_after(60):
        await host.wait(handle.id)
    assert [event.type for event in await take(events, 1)] == [EventType.COMPLETED]


async def test_two_parts_of_a_body_may_wait_at_the_same_time(host: BackgroundTaskHost) -> None:
    bodies = [Body(), Body()]

    async def part(body: Body) -> None:
        async with current_task().waiting():
            await body.run()

    async def whole() -> None:
        async with anyio.create_task_group() as parts:
            for body in bodies:
                parts.start_soon(part, body)

    handle = await host.spawn_managed("s1", TaskSpec(), whole)
    for body in bodies:
        await body.started.wait()
    bodies[0].go.set()
    await settle()
    assert handle.record.state is TaskState.WAITING
    bodies[1].go.set()
    with anyio.fail_after(60):
        await handle.wait()


async def test_a_sync_body_runs_in_a_thread(host: BackgroundTaskHost) -> None:
    handle = await host.spawn_managed("s1", TaskSpec(), threading.current_thread)

    with anyio.fail_after(60):
        assert await handle.wait() is not threading.current_thread()


@pytest.mark.parametrize(
    "error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()], ids=lambda error: type(error).__name__
)
async def test_whatever_a_sync_body_raises_is_its_failure(
    host: BackgroundTaskHost, error: BaseException
) -> None:
    def body() -> None:
        raise error

    handle = await host.spawn_managed("s1", TaskSpec(), body)
    with anyio.fail_after(60), pytest.raises(TaskFailed) as failed:
        await handle.wait()
    assert failed.value.__cause__ is error


async def test_a_sync_body_reports_and_learns_of_its_cancellation_through_its_context(
    host: BackgroundTaskHost,
) -> None:
    running, asked = anyio.Event(), threading.Event()

    def body() -> None:
        task = current_task()
        anyio.from_thread.run(partial(task.progress, "in a thread"))
        anyio.from_thread.run_sync(running.set)
        asked.wait(60)
        assert task.cancel_requested

    handle = await host.spawn_managed("s1", TaskSpec(cancel_policy=CancelPolicy.COOPERATIVE), body)
    with anyio.fail_after(60):
        await running.wait()
        await host.request_cancel(handle.id)
        asked.set()
        with pytest.raises(TaskCancelled):
            await handle.wait()
    assert handle.record.progress == Progress("in a thread")


async def test_a_sync_body_can_stop_where_it_calls_back(host: BackgroundTaskHost) -> None:
    running, asked = anyio.Event(), threading.Event()

    def body() -> None:
        anyio.from_thread.run_sync(running.set)
        asked.wait(60)
        anyio.from_thread.check_cancelled()
        pytest.fail("was not cancelled")

    handle = await host.spawn_managed("s1", TaskSpec(), body)
    with anyio.fail_after(60):
        await running.wait()
        await host.request_cancel(handle.id)
        asked.set()
        assert (await host.wait(handle.id)).state is TaskState.CANCELLED


async def test_a_sync_body_learns_that_somebody_ended_its_task(host: BackgroundTaskHost) -> None:
    running, asked, seen = anyio.Event(), threading.Event(), threading.Event()

    def body() -> None:
        task = current_task()
        assert not task.cancel_requested
        anyio.from_thread.run_sync(running.set)
        asked.wait(60)
        if task.cancel_requested:
            seen.set()

    handle = await host.spawn_managed("s1", TaskSpec(), body)
    with anyio.fail_after(60):
        await running.wait()
        await host.complete(handle.id, summary="enough")
        asked.set()
        await anyio.to_thread.run_sync(seen.wait, 60)
    assert seen.is_set()
    assert handle.record.state is TaskState.COMPLETED


@pytest.mark.parametrize(
    "make",
    [
        lambda body: body.run,
        lambda body: partial(body.run),
        lambda body: lambda: body.run(),
        lambda body: _Callable(body),
    ],
    ids=["method", "partial", "lambda", "object"],
)
async def test_whatever_gives_a_coroutine_is_a_body(
    host: BackgroundTaskHost, make: Callable[[Body], Callable[[], object]]
) -> None:
    body = Body(value="value")
    body.go.set()

    handle = await host.spawn_managed("s1", TaskSpec(), make(body))

    with anyio.fail_after(60):
        assert await handle.wait() == "value"


async def test_many_sync_bodies_run_at_once(host: BackgroundTaskHost) -> None:
    together = threading.Barrier(60)
    handles = [await host.spawn_managed("s1", TaskSpec(), together.wait, 60) for _ in range(60)]

    with anyio.fail_after(60):
        assert sorted([await handle.wait() for handle in handles]) == list(range(60))


class _Callable:
    def __init__(self, body: Body) -> None:
        self._body = body

    async def __call__(self) -> object:
        return await self._body.run()
