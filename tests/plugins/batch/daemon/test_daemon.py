"""The daemon against a real endpoint on loopback."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import attrs
import pytest

from hostel.plugins.batch import (
    Batch,
    NotFound,
    Reply,
    RequestData,
    RequestId,
    RequestTemplateInput,
    SqlStorage,
    StorageRefused,
)
from hostel.plugins.batch._daemon.daemon import Daemon, Escalation
from hostel.plugins.batch._daemon.retry import RetryPolicy
from hostel.plugins.batch._daemon.sender import HttpSender, Timeouts
from hostel.plugins.batch._model.records import AnyRequest, BatchErrorItem, DaemonRecord, DaemonState
from hostel.plugins.batch._model.states import LIVE, Completed, FailureKind
from hostel.plugins.batch.testing import (
    ENDPOINT,
    Answer,
    Call,
    Clock,
    ManualWorker,
    Upstream,
    eventually,
    finished,
    template,
)

NO_HURRY = Timeouts()
QUICK = RetryPolicy(backoff=0.01, max_backoff=0.05)


@asynccontextmanager
async def working(
    storage: SqlStorage, upstream: Upstream, timeouts: Timeouts = NO_HURRY, **options: Any
) -> AsyncIterator[Daemon]:
    settings: dict[str, Any] = {"poll": 0.05, "heartbeat": 0.05, "retry": QUICK, "grace": 5.0}
    async with HttpSender(upstream.url, timeouts=timeouts) as sender:
        daemon = Daemon(storage, sender, **settings | options)
        async with anyio.create_task_group() as group:
            group.start_soon(daemon.run)
            yield daemon
            group.cancel_scope.cancel()


async def _holds_nothing(daemon: Daemon) -> bool:
    return not daemon.holds


async def errors(storage: SqlStorage, batch: Batch) -> list[BatchErrorItem]:
    assert batch.error_file_id is not None
    items = await storage.get_file_content(batch.error_file_id)
    return [item for item in items if isinstance(item, BatchErrorItem)]


async def test_a_batch_is_worked_through_from_end_to_end(
    worker: ManualWorker, storage: SqlStorage, upstream: Upstream
) -> None:
    batch = await worker.batch(*(f"r{n}" for n in range(25)))

    async with working(storage, upstream):
        done = await finished(storage, batch)

    assert (done.completed_requests, done.usage.input_tokens, done.usage.output_tokens) == (25, 75, 50)
    results = [item async for item in storage.get_batch_results_stream(batch.id)]
    assert all(f"echo: {item.custom_id}" in (item.response_body or "") for item in results)


async def test_what_is_sent_is_the_body_as_uploaded_with_ids_encoded_in_headers(
    worker: ManualWorker, storage: SqlStorage, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_BATCH_KEY", "s3cret")
    batch = await worker.batch_of([template("naïve\r\nX-Evil: 1", api_key="env:TEST_BATCH_KEY")])

    async with working(storage, upstream):
        await finished(storage, batch)

    (call,) = upstream.calls
    assert call.headers["authorization"] == "Bearer s3cret"
    assert call.headers["x-hostel-custom-id"] == "na%C3%AFve%0D%0AX-Evil%3A%201"
    assert call.headers["x-hostel-batch-id"] == batch.id
    assert call.headers["x-hostel-batch-completion-window"] == "24h"


@pytest.mark.parametrize("limit", [1, 3])
async def test_no_more_requests_of_a_model_are_in_flight_than_its_limit(
    worker: ManualWorker, storage: SqlStorage, upstream: Upstream, limit: int
) -> None:
    gate = anyio.Event()
    upstream.script = lambda _: Answer(hold=gate)
    batch = await worker.batch(*(f"r{n}" for n in range(8)))

    async with working(storage, upstream, concurrency={"m": limit}):
        await upstream.until(lambda up: up.in_flight["m"] == limit)
        gate.set()
        await finished(storage, batch)

    assert upstream.most_in_flight["m"] == limit


async def test_a_raised_limit_takes_effect_while_working(
    worker: ManualWorker, storage: SqlStorage, upstream: Upstream
) -> None:
    gate = anyio.Event()
    upstream.script = lambda _: Answer(hold=gate)
    batch = await worker.batch(*(f"r{n}" for n in range(8)))

    async with working(storage, upstream, concurrency={"m": 2}) as daemon:
        await upstream.until(lambda up: up.in_flight["m"] == 2)
        daemon.concurrency["m"] = 5
        await upstream.until(lambda up: up.in_flight["m"] == 5)
        gate.set()
        await finished(storage, batch)


async def test_server_errors_are_retried_until_an_answer_comes(
    worker: ManualWorker, storage: SqlStorage, upstream: Upstream
) -> None:
    answers = {0: Answer(500), 1: Answer(503, headers={"retry-after": "0"})}
    upstream.script = lambda call: answers.get(call.number, Answer())
    batch = await worker.batch("a")

    async with working(storage, upstream):
        done = await finished(storage, batch)

    assert (len(upstream.calls), done.completed_requests) == (3, 1)


@pytest.mark.parametrize("answer", [Answer(cut=True), Answer(cut_body=True)])
async def test_a_cut_connection_is_retried(
    worker: ManualWorker, storage: SqlStorage, upstream: Upstream, answer: Answer
) -> None:
    upstream.script = lambda call: Answer() if call.number else answer
    batch = await worker.batch("a")

    async with working(storage, upstream):
        done = await finished(storage, batch)

    assert (len(upstream.calls), done.completed_requests) == (2, 1)


@pytest.mark.parametrize("held", ["head", "body"])
async def test_a_silent_endpoint_runs_into_the_timeout_of_that_phase(
    worker: ManualWorker, storage: SqlStorage, upstream: Upstream, held: str
) -> None:
    never = anyio.Event()
    upstream.script = lambda _: Answer(hold=never) if held == "head" else Answer(hold_body=never)
    batch = await worker.batch("a")
    timeouts = Timeouts(connect=0.05, first_byte=0.05, between_pieces=0.05)

    async with working(storage, upstream, timeouts=timeouts, retry=RetryPolicy(max_retries=0)):
        done = await finished(storage, batch)

    (error,) = await errors(storage, done)
    assert error.failure.kind is FailureKind.TIMEOUT
    await upstream.until(lambda up: not up.in_flight.total())


async def test_an_http_error_ends_in_the_error_file_with_its_answer(
    worker: ManualWorker, storage: SqlStorage, upstream: Upstream
) -> None:
    upstream.script = lambda _: Answer(400, body='{"error": {"message": "too long"}}')
    batch = await worker.batch("a")

    async with working(storage, upstream):
        done = await finished(storage, batch)

    (error,) = await errors(storage, done)
    assert (error.failure.status, error.failure.body) == (400, '{"error": {"message": "too long"}}')
    assert error.failure.request_id == "up-0"
    assert len(upstream.calls) == 1


async def test_retries_end_with_the_attempts_allowed(
    worker: ManualWorker, storage: SqlStorage, upstream: Upstream
) -> None:
    upstream.script = lambda _: Answer(429)
    batch = await worker.batch("a")

    async with working(storage, upstream, retry=RetryPolicy(max_retries=2, backoff=0.001)):
        done = await finished(storage, batch)

    assert len(upstream.calls) == 3
    assert (await errors(storage, done))[0].failure.kind is FailureKind.RETRIABLE_HTTP_STATUS


async def test_cancelling_a_batch_stops_what_is_in_flight(
    worker: ManualWorker, storage: SqlStorage, upstream: Upstream
) -> None:
    upstream.script = lambda _: Answer(hold=anyio.Event())
    batch = await worker.batch("a", "b", "c")

    async with working(storage, upstream, concurrency={"m": 2}):
        await upstream.until(lambda up: up.in_flight["m"] == 2)
        await storage.cancel_batch(batch.id)
        assert (await storage.get_batch(batch.id)).cancelled_at is None
        done = await finished(storage, batch)
        with anyio.fail_after(120):
            await upstream.until(lambda up: not up.in_flight["m"])

    assert (done.canceled_requests, all(call.dropped for call in upstream.calls)) == (3, True)


async def test_a_request_cancelled_by_itself_is_stopped(
    worker: ManualWorker, storage: SqlStorage, upstream: Upstream
) -> None:
    upstream.script = lambda call: Answer(hold=anyio.Event()) if call.prompt == "a" else Answer()
    batch = await worker.batch("a", "b")

    async with working(storage, upstream):
        await upstream.until(lambda up: up.in_flight["m"] == 1 and len(up.calls) == 2)
        (request, _) = await storage.get_batch_requests(batch.id)
        assert await storage.cancel_requests([request.id]) == [None]
        done = await finished(storage, batch)
        with anyio.fail_after(120):
            await upstream.until(lambda up: not up.in_flight["m"])

    assert (done.completed_requests, done.canceled_requests) == (1, 1)


async def test_shutdown_lets_attempts_finish_and_signs_off(
    worker: ManualWorker, storage: SqlStorage, upstream: Upstream
) -> None:
    gate = anyio.Event()
    upstream.script = lambda _: Answer(hold=gate)
    batch = await worker.batch("a", "b")

    with anyio.fail_after(120):
        async with anyio.create_task_group() as group, HttpSender(upstream.url) as sender:
            daemon = Daemon(storage, sender, concurrency={"m": 1}, poll=0.05)
            group.start_soon(daemon.run)
            await upstream.until(lambda up: up.in_flight["m"] == 1)
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.wait_all_tasks_blocked()
                gate.set()
                await eventually(lambda: _holds_nothing(daemon))

    assert await worker.counts(batch) == (1, 0, 1, 0, 0)
    assert (await storage.get_daemon(daemon.id)).state is DaemonState.DEAD


async def test_shutdown_gives_back_what_does_not_finish_in_time(
    worker: ManualWorker, storage: SqlStorage, upstream: Upstream
) -> None:
    upstream.script = lambda _: Answer(hold=anyio.Event())
    batch = await worker.batch("a", "b")

    with anyio.fail_after(120):
        async with working(storage, upstream, grace=0.05):
            await upstream.until(lambda up: up.in_flight["m"] == 2)

    assert await worker.counts(batch) == (2, 0, 0, 0, 0)
    assert [request.state.retry_attempt for request in await worker.claim(5)] == [0, 0]


async def test_a_request_of_a_dead_daemon_is_sent_by_another(
    worker: ManualWorker, storage: SqlStorage, upstream: Upstream, clock: Clock
) -> None:
    batch = await worker.batch("a")
    await worker.check_in()
    (zombie,) = await worker.start()
    clock.advance(100)

    async with working(storage, upstream):
        done = await finished(storage, batch)

    assert done.completed_requests == 1
    with pytest.raises(Exception, match="another worker"):
        await worker.complete(zombie)


async def test_a_daemon_that_was_given_up_for_dead_registers_again(
    worker: ManualWorker, storage: SqlStorage, upstream: Upstream
) -> None:
    async with working(storage, upstream, heartbeat=1e6) as daemon:
        record = await eventually(lambda: _registered(storage, daemon))
        assert record is not None
        await storage.persist_daemon(attrs.evolve(record, state=DaemonState.DEAD))
        done = await finished(storage, await worker.batch("a"))

    assert done.completed_requests == 1


async def _registered(storage: SqlStorage, daemon: Daemon) -> DaemonRecord | None:
    try:
        return await storage.get_daemon(daemon.id)
    except NotFound:
        return None


async def test_near_the_deadline_a_request_goes_to_the_model_named_for_that(
    worker: ManualWorker, storage: SqlStorage, upstream: Upstream
) -> None:
    near, far = await worker.batch("a", window="5m"), await worker.batch("b", window="5h")

    async with working(storage, upstream, escalations={"m": Escalation("big", within=900)}):
        await finished(storage, near)
        await finished(storage, far)

    assert {call.prompt: call.model for call in upstream.calls} == {"a": "big", "b": "m"}


async def test_a_race_is_won_once_and_the_loser_is_hung_up_on(
    worker: ManualWorker, storage: SqlStorage, upstream: Upstream
) -> None:
    def script(call: Call) -> Answer:
        return Answer(hold=anyio.Event()) if call.model == "m" else Answer()

    upstream.script = script
    batch = await worker.batch("a", "b", window="5m")

    async with working(storage, upstream, escalations={"m": Escalation("big", within=900, race=True)}):
        done = await finished(storage, batch)
        with anyio.fail_after(120):
            await upstream.until(lambda up: not up.in_flight.total())

    assert done.completed_requests == 2
    assert sorted(await worker.outputs(batch)) == ["a", "b"]  # type: ignore[type-var]
    assert all(call.dropped for call in upstream.calls if call.model == "m")


async def test_the_loser_is_hung_up_on_whichever_daemon_runs_it(
    worker: ManualWorker, storage: SqlStorage, upstream: Upstream
) -> None:
    upstream.script = lambda _: Answer(hold=anyio.Event())
    batch = await worker.batch("a", window="5m")

    async with working(storage, upstream, concurrency={"big": 0}):
        await upstream.until(lambda up: up.in_flight["m"] == 1)
        assert await storage.create_escalated_requests("m", 900, sorted(LIVE), "big") == 1
        await worker.check_in()
        (clone,) = await worker.start()
        await worker.complete(clone)
        with anyio.fail_after(120):
            await upstream.until(lambda up: not up.in_flight["m"])

    assert (await storage.get_batch(batch.id)).completed_requests == 1


class Refusing:
    """A sender as a plugin might bring it, with a fault of its own."""

    async def __call__(self, request: RequestData) -> Reply:
        if request.custom_id == "bad":
            raise KeyError("oops")
        return Reply(200, "plain text")


async def test_a_sender_that_raises_ends_that_attempt_only(worker: ManualWorker, storage: SqlStorage) -> None:
    batch = await worker.batch("bad", "good")
    daemon = Daemon(storage, Refusing(), poll=0.05, retry=RetryPolicy(max_retries=1, backoff=0.001))

    async with anyio.create_task_group() as group:
        group.start_soon(daemon.run)
        done = await finished(storage, batch)
        group.cancel_scope.cancel()

    assert (done.completed_requests, done.failed_requests) == (1, 1)
    (error,) = await errors(storage, done)
    assert error.failure.kind is FailureKind.TASK_TERMINATED


@pytest.mark.parametrize("count", [2**53 - 1, 2**63 - 1, -(2**70), 10**400, "7", True, 1.5, [1], {}])
async def test_numbers_that_an_endpoint_makes_up_end_nothing(
    worker: ManualWorker, storage: SqlStorage, upstream: Upstream, count: object
) -> None:
    usage = {
        "prompt_tokens": count,
        "completion_tokens": count,
        "prompt_tokens_details": {"cached_tokens": count},
    }
    body = json.dumps({"usage": usage})
    upstream.script = lambda call: Answer() if call.prompt == "last" else Answer(body=body)
    batch = await worker.batch("a", "b", "c", "last")

    async with working(storage, upstream):
        done = await finished(storage, batch)

    assert (done.completed_requests, done.usage.input_tokens) == (4, 3)


async def _raise(error: BaseException) -> Reply:
    raise error


BROKEN: dict[str, Callable[[], Any]] = {
    "raises": lambda: _raise(KeyError("oops")),
    "exits": lambda: _raise(SystemExit(3)),
    "interrupts": lambda: _raise(KeyboardInterrupt()),
    "is cancelled": lambda: _raise(asyncio.CancelledError()),
    "is closed": lambda: _raise(GeneratorExit()),
    "raises several": lambda: _raise(BaseExceptionGroup("both", [SystemExit(1), ValueError("no")])),
    "does not wait": lambda: Reply(200, "{}"),
    "nothing": lambda: anyio.lowlevel.checkpoint(),
    "no status": lambda: _reply("200", "{}"),
    "a status of its own": lambda: _reply(2**70, "{}"),
    "no text": lambda: _reply(200, b"{}"),
    "an id of its own": lambda: _reply(200, "{}", 7),
}
ODD: dict[str, Callable[[], Any]] = {
    "half a character": lambda: _reply(200, '"\ud800"'),
    "a NUL": lambda: _reply(200, '"\0"', "id\0"),
    "an endless wait": lambda: _reply(200, "{}", None, math.nan),
}


async def _reply(*fields: Any) -> Reply:
    return Reply(*fields)


class Broken:
    """A sender with a fault that shows on the lines that are named so."""

    def __call__(self, request: RequestData) -> Any:
        return (BROKEN | ODD).get(str(request.custom_id), lambda: _reply(200, "{}"))()


async def test_whatever_a_sender_does_ends_that_attempt_only(
    worker: ManualWorker, storage: SqlStorage
) -> None:
    batch = await worker.batch(*BROKEN, *ODD, "good")
    daemon = Daemon(storage, Broken(), poll=0.05, retry=RetryPolicy(max_retries=1, backoff=0.001))

    async with anyio.create_task_group() as group:
        group.start_soon(daemon.run)
        done = await finished(storage, batch)
        group.cancel_scope.cancel()

    assert (done.completed_requests, done.failed_requests) == (len(ODD) + 1, len(BROKEN))
    assert {error.failure.kind for error in await errors(storage, done)} == {FailureKind.TASK_TERMINATED}


class Unstorable(SqlStorage):
    """A store whose database takes no answer to certain lines."""

    async def persist(self, request: AnyRequest) -> RequestId | None:
        if request.data.custom_id == "bad" and isinstance(request.state, Completed):
            raise StorageRefused("integer out of range")
        if request.data.custom_id == "worse" and isinstance(request.state, Completed):
            raise ZeroDivisionError
        return await super().persist(request)


async def test_an_answer_that_cannot_be_stored_fails_its_own_line_and_says_so(
    location: str | Path, worker: ManualWorker, upstream: Upstream
) -> None:
    batch = await worker.batch("bad", "worse", "good")

    async with Unstorable(location) as storage, working(storage, upstream):
        done = await finished(storage, batch)

    assert (done.completed_requests, done.failed_requests, len(upstream.calls)) == (1, 2, 3)
    first, second = sorted(await errors(worker.storage, done), key=lambda error: str(error.custom_id))  # type: ignore[arg-type]
    assert (first.failure.kind, second.failure.kind) == (FailureKind.UNSTORABLE, FailureKind.UNSTORABLE)
    assert "integer out of range" in first.failure.message


async def test_a_body_that_is_no_json_is_sent_as_it_is_to_whichever_model(
    worker: ManualWorker, storage: SqlStorage, upstream: Upstream
) -> None:
    upstream.script = lambda _: Answer(body="{}")
    odd = RequestTemplateInput("a", "GET", ENDPOINT, "no json", "m")
    batch = await worker.batch_of([odd], "5m")

    async with working(storage, upstream, escalations={"m": Escalation("big", within=900)}):
        done = await finished(storage, batch)

    assert done.completed_requests == 1


async def test_a_daemon_cancelled_as_it_starts_ends_at_once(storage: SqlStorage) -> None:
    for steps in range(8):
        daemon = Daemon(storage, Refusing(), poll=0.05)
        with anyio.fail_after(120):
            async with anyio.create_task_group() as group:
                group.start_soon(daemon.run)
                for _ in range(steps):
                    await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()
