"""Bodies of managed tasks: how they end and so end their tasks, and what they know of themselves."""

import contextvars
import json
import math
import threading
from collections.abc import AsyncIterator, Callable, Generator
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import partial
from pathlib import Path

import anyio
import anyio.from_thread
import anyio.to_thread
import attrs
import pytest

from hostel.sessions import (
    BackgroundTaskHost,
    Backoff,
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


def json_on_nan() -> str:
    """What Python's encoder says, which differs between versions."""
    with pytest.raises(ValueError, match="JSON compliant") as refused:
        json.dumps(math.nan, allow_nan=False)
    return str(refused.value)


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
        (math.nan, not_kept("float", f"ValueError: {json_on_nan()}")),
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


async def test_an_async_generator_is_run_to_its_end(host: BackgroundTaskHost) -> None:
    passed: list[int] = []

    async def body(count: int) -> AsyncIterator[int]:
        for number in range(count):
            passed.append(number)
            yield number

    for each in (body, partial(body), lambda count: body(count)):
        handle = await host.spawn_managed("s1", TaskSpec(), each, 3)
        assert await handle.wait() is None
    assert passed == [0, 1, 2] * 3


async def test_a_generator_is_run_to_its_end_in_a_thread(host: BackgroundTaskHost) -> None:
    threads: list[int] = []

    def body() -> Generator[None, None, str]:
        threads.append(threading.get_ident())
        yield
        return "done"

    handle = await host.spawn_managed("s1", TaskSpec(), body)

    assert await handle.wait() == "done"  # type: ignore[comparison-overlap]
    assert threads != [threading.get_ident()]


async def test_a_cancelled_generator_is_closed(host: BackgroundTaskHost) -> None:
    started, closed = anyio.Event(), anyio.Event()

    async def body() -> AsyncIterator[None]:
        try:
            started.set()
            yield
            await anyio.sleep_forever()
        finally:
            closed.set()

    handle = await host.spawn_managed("s1", TaskSpec(), body)
    await started.wait()
    await host.cancel_managed("s1", handle.id)

    assert closed.is_set()
    assert handle.record.state is TaskState.CANCELLED


async def test_a_sync_body_out_of_time_is_told_and_left(host: BackgroundTaskHost) -> None:
    told, over = threading.Event(), threading.Event()

    def body() -> None:
        while not current_task().cancel_requested:
            told.wait(0.001)
        told.set()
        over.wait()

    handle = await host.spawn_managed("s1", TaskSpec(timeout=0.01, max_attempts=5), body)
    with anyio.fail_after(60), pytest.raises(TaskFailed, match="not done after"):
        await handle.wait()

    assert handle.record.failure is not None
    assert (handle.record.failure.kind, handle.record.attempt.attempt) == (FailureKind.TIMEOUT, 1)
    await anyio.to_thread.run_sync(told.wait)
    over.set()


async def test_a_sync_body_within_its_time_has_all_of_it_in_each_attempt(host: BackgroundTaskHost) -> None:
    runs: list[int] = []

    def body() -> str:
        runs.append(1)
        if len(runs) < 3:
            raise ValueError("again")
        return "done"

    spec = TaskSpec(timeout=600, max_attempts=3, retry=Backoff(initial=0))
    assert await (await host.spawn_managed("s1", spec, body)).wait() == "done"


async def test_sync_bodies_share_a_bounded_number_of_threads(host: BackgroundTaskHost) -> None:
    go, lock, at_once, most = threading.Event(), threading.Lock(), set[object](), list[int]()

    def body() -> None:
        me = object()
        with lock:
            at_once.add(me)
            most.append(len(at_once))
        go.wait()
        with lock:
            at_once.remove(me)

    try:
        handles = [await host.spawn_managed("s1", TaskSpec(), body) for _ in range(200)]
        await settle()
    finally:
        go.set()
    for handle in handles:
        await handle.wait()

    assert len(most) == 200
    assert max(most) <= 64


async def test_a_body_that_waits_for_a_thread_can_be_cancelled(host: BackgroundTaskHost) -> None:
    go = threading.Event()
    try:
        for _ in range(64):
            await host.spawn_managed("s1", TaskSpec(), go.wait)
        await settle()
        last = await host.spawn_managed("s1", TaskSpec(timeout=0.001), print, "it ran")
        await settle()

        record = await host.cancel_managed("s1", last.id)

        assert record.state is TaskState.CANCELLED
    finally:
        go.set()


async def test_a_message_alone_leaves_the_numbers_of_a_progress(host: BackgroundTaskHost) -> None:
    async def body() -> None:
        task = current_task()
        await task.progress("pulling", done=3, total=10, unit="files")
        async with task.waiting("for room"):
            pass
        await task.progress("pulling again")

    events = host.subscribe()
    await (await host.spawn_managed("s1", TaskSpec(), body)).wait()

    told = await take_until(events, lambda event: event.type is EventType.COMPLETED)
    assert [event.record.progress for event in told if event.type is EventType.PROGRESS and event.record] == [
        Progress("pulling", 3, 10, "files"),
        Progress("for room", 3, 10, "files"),
        Progress("pulling again", 3, 10, "files"),
    ]


@pytest.mark.parametrize("state", [TaskState.FAILED, TaskState.ABANDONED, TaskState.CANCELLED])
async def test_the_value_of_an_end_is_kept_whatever_the_end(
    host: BackgroundTaskHost, state: TaskState
) -> None:
    await host.register("s1", TaskSpec(id="t1"))

    record = await host.complete("t1", state, summary="half of it", value=[1, 2])

    assert record.result is not None
    assert (record.state, record.result.value) == (state, [1, 2])


async def test_a_task_started_inside_another_has_it_as_parent(host: BackgroundTaskHost) -> None:
    body, all_started = Body(), anyio.Event()

    async def start_others() -> None:
        await host.spawn_managed("s1", TaskSpec(id="child"), body.run)
        await host.spawn_managed("s1", TaskSpec(id="detached", detached=True), body.run)
        await host.spawn_managed("s1", TaskSpec(id="stepchild", parent_task_id="aunt"), body.run)
        all_started.set()
        await anyio.sleep_forever()

    await host.spawn_managed("s1", TaskSpec(id="parent"), start_others)
    await all_started.wait()

    parents = {record.id: record.parent_task_id for record in await host.list()}
    assert parents == {"parent": None, "child": "parent", "detached": None, "stepchild": "aunt"}
    await host.cancel_managed("s1", "parent")
    assert {record.id for record in await host.list()} == {"detached", "stepchild"}


async def test_a_child_that_came_before_its_parent_is_asked_to_stop_with_it(host: BackgroundTaskHost) -> None:
    await host.register("s1", TaskSpec(id="child", parent_task_id="parent"))
    await host.register("s1", TaskSpec(id="grandchild", parent_task_id="child"))
    await host.register("s1", TaskSpec(id="parent"))

    await host.request_cancel("parent")

    assert {record.id: record.cancel_actor for record in await host.list()} == {
        "parent": None,
        "child": "parent",
        "grandchild": "parent",
    }
