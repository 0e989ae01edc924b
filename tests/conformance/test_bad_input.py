"""What makes no sense is refused with one sentence, before anything has happened."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from hostel.sessions import (
    Backoff,
    InvalidQuestion,
    InvalidTaskId,
    Limits,
    LocalBackgroundTaskHost,
    MailboxFull,
    Question,
    TaskFailed,
    TaskFilter,
    TaskSpec,
    TaskState,
    UnknownTask,
    current_task,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hostel.sessions import BackgroundTaskHost

NO_NUMBERS: list[Any] = [math.nan, True, "1", object()]
NO_COUNTS: list[Any] = [*NO_NUMBERS, math.inf, 0, -1]
NO_DURATIONS: list[Any] = [*NO_COUNTS, 10**400]


@pytest.mark.parametrize("given", NO_DURATIONS)
@pytest.mark.parametrize("name", ["timeout", "heartbeat_ttl"])
def test_a_duration_is_a_number_of_seconds(name: str, given: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} is a number of seconds above 0, or None, not "):
        TaskSpec(**{name: given})


@pytest.mark.parametrize("given", [*NO_NUMBERS, math.inf, -math.inf, 253_402_300_800, 1e18, 10**400])
def test_a_moment_is_a_time_that_calendars_know(given: Any) -> None:
    with pytest.raises(ValueError, match="not_before is a time in seconds since the epoch, not "):
        TaskSpec(not_before=given)


@pytest.mark.parametrize("given", [*NO_COUNTS, 1.5])
def test_attempts_are_counted(given: Any) -> None:
    with pytest.raises(ValueError, match="max_attempts is a whole number of at least 1, not "):
        TaskSpec(max_attempts=given)


@pytest.mark.parametrize("name", ["kind", "label", "producer", "parent_task_id", "idempotency_key"])
def test_a_text_is_a_text(name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} is a text, not 5"):
        TaskSpec(**{name: 5})  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["initial", "factor", "maximum"])
def test_a_backoff_is_finite(name: str, given: float) -> None:
    with pytest.raises(ValueError, match=name):
        Backoff(**{name: given})


@pytest.mark.parametrize("given", [*NO_COUNTS, 1.0])
@pytest.mark.parametrize("name", ["total", "per_session", "per_kind"])
def test_a_limit_is_a_whole_number(name: str, given: Any) -> None:
    with pytest.raises(ValueError, match="a limit is a whole number of at least 1"):
        Limits(**{name: {"crawl": given} if name == "per_kind" else given})  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [None, 5, ["crawl"], {5: 1}])
def test_limits_of_kinds_are_by_kind(given: Any) -> None:
    with pytest.raises(TypeError, match="per_kind maps kinds to limits, not "):
        Limits(per_kind=given)


@pytest.mark.parametrize("name", ["retain_events", "retain_terminal", "retain_bytes", "stop_grace"])
@pytest.mark.parametrize("given", [*NO_NUMBERS, -1])
def test_what_a_host_retains_is_bounded_by_numbers(name: str, given: Any) -> None:
    with pytest.raises(ValueError, match="are numbers, and none can be negative"):
        LocalBackgroundTaskHost(**{name: given})


async def ask_oddly(host: BackgroundTaskHost, default: Any) -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "number", "default": default}}}
    await host.register_external("s1", TaskSpec(id="x"))
    await host.update("x", state=TaskState.WAITING, question=Question("?", schema))


@pytest.mark.parametrize("default", [math.inf, object()])
async def test_a_question_that_is_no_json_is_not_asked_and_stops_nobody_else(
    host: BackgroundTaskHost, default: Any
) -> None:
    with pytest.raises(InvalidQuestion, match="its schema is no JSON"):
        await ask_oddly(host, default)

    (record,) = await host.list()
    assert (record.state, record.question) == (TaskState.RUNNING, None)
    await host.register("s2", TaskSpec())


@pytest.mark.parametrize("timeout", [math.nan, True, "1"])
async def test_a_question_with_an_odd_timeout_is_not_asked(host: BackgroundTaskHost, timeout: Any) -> None:
    async def body() -> None:
        await current_task().ask("go on?", timeout=timeout)

    handle = await host.spawn_managed("s1", TaskSpec(id="t"), body)
    with pytest.raises(TaskFailed, match="timeout is a number of seconds, or None, not "):
        await handle.wait()

    events = host.subscribe(TaskFilter("s1"), after=0)
    assert [(await anext(events)).type for _ in range(2)] == ["registered", "failed"]


@pytest.mark.parametrize("how", [{"timeout": math.nan}, {"timeout": "1"}, {"consumer": ""}, {"consumer": 5}])
async def test_a_wait_that_cannot_be_is_not_begun(host: BackgroundTaskHost, how: dict[str, Any]) -> None:
    await host.register_external("s1", TaskSpec(id="t"))
    waits: list[Callable[..., Awaitable[object]]] = [host.wait_any, host.wait_all]

    for wait in waits:
        with pytest.raises((ValueError, TypeError), match=r"timeout is|an id "):
            await wait(["t"], **how)


@pytest.mark.parametrize("consumer", ["", "x" * 600, "\ud800", 5])
async def test_a_consumer_is_named_by_an_id(host: BackgroundTaskHost, consumer: Any) -> None:
    await host.register_external("s1", TaskSpec(id="t"))
    await host.complete("t")

    with pytest.raises((InvalidTaskId, TypeError), match="an id "):
        host.inbox("s1", consumer)
    with pytest.raises((InvalidTaskId, TypeError), match="an id "):
        await host.wait("t", consumer=consumer)


@pytest.mark.parametrize("limit", [0, -1, math.nan, True, "3", 2.0])
async def test_a_drain_is_of_at_least_one_notice(host: BackgroundTaskHost, limit: Any) -> None:
    with pytest.raises(ValueError, match="a drain gives at least one notice, not "):
        await host.inbox("s1").drain(limit)


async def test_a_drain_of_more_than_there_can_be_gives_all(host: BackgroundTaskHost) -> None:
    await host.register_external("s1", TaskSpec(id="t"))
    await host.complete("t")

    assert len(await host.inbox("s1").drain(10**30)) == 1


@pytest.mark.parametrize("id", ["999999999", "9" * 19, "missed-" + "9" * 19, "٣", "-1", "1e3"])
async def test_acknowledging_what_is_no_notice_acknowledges_nothing(
    host: BackgroundTaskHost, id: str
) -> None:
    inbox = host.inbox("s1")
    await inbox.ack_ids([id])
    for task_id in "abc":
        await host.register_external("s1", TaskSpec(id=task_id))
        await host.complete(task_id)

    assert [notice.task_id for notice in await inbox.drain()] == ["a", "b", "c"]


async def test_an_unknown_task_is_unknown_to_every_verb(host: BackgroundTaskHost) -> None:
    verbs: list[Callable[[], Awaitable[object]]] = [
        lambda: host.send("no", 1),
        lambda: host.answer("no", 1),
        lambda: host.place("no"),
        lambda: host.wait("no"),
        lambda: host.wait_any(["no"]),
        lambda: host.wait_all(["no"]),
        lambda: host.write_output("no", "x"),
        lambda: host.read_output("no"),
        lambda: anext(host.follow_output("no")),
    ]

    for verb in verbs:
        with pytest.raises(UnknownTask, match="no task 'no' in any session"):
            await verb()


async def test_a_full_mailbox_takes_nothing_more_and_loses_nothing(host: BackgroundTaskHost) -> None:
    handle = await host.spawn_managed("s1", TaskSpec(id="t"), anyio.sleep_forever)
    for number in range(100):
        await host.send(handle.id, number)

    with pytest.raises(MailboxFull):
        await host.send(handle.id, 100)


@pytest.mark.parametrize("after", [10, 10**30])
async def test_reading_beyond_the_end_stays_where_one_is(host: BackgroundTaskHost, after: int) -> None:
    await host.register_external("s1", TaskSpec(id="t"))
    nothing = await host.read_output("t", after)
    await host.write_output("t", "abc")
    beyond = await host.read_output("t", after)

    for read in (nothing, beyond):
        assert (read.text, read.start, read.next, read.dropped) == ("", after, after, 0)


@pytest.mark.parametrize("written", [5, b"abc", None])
async def test_output_is_text(host: BackgroundTaskHost, written: Any) -> None:
    await host.register_external("s1", TaskSpec(id="t"))

    with pytest.raises(TypeError, match="output is a text in a stream, not "):
        await host.write_output("t", written)
    (record,) = await host.list()
    assert record.output_bytes == 0
