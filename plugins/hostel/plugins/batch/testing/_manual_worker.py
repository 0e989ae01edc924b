"""A store worked by hand: files and batches in a line each, and a worker that does what the test says."""

import json
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar, cast

import anyio
import attrs

from .._model.ids import FileId, RequestId, new_daemon_id
from .._model.records import (
    AnyRequest,
    Batch,
    BatchInput,
    Capacity,
    DaemonRecord,
    DaemonState,
    Request,
    RequestTemplateInput,
)
from .._model.states import (
    AnyState,
    Canceled,
    Claimed,
    Completed,
    Failed,
    Failure,
    FailureKind,
    Pending,
    Processing,
)
from .._store.protocol import Storage

T = TypeVar("T")
ENDPOINT = "/v1/chat/completions"
POLL_SECONDS = 0.01


class Clock:
    """The time, as far ahead as a test moves it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead

    def advance(self, seconds: float) -> None:
        self.ahead += seconds


async def eventually(look: Callable[[], Awaitable[T]], within: float = 120.0) -> T:
    """Look again and again until something true is seen, at what another task or process does to a store."""
    with anyio.fail_after(within):
        while not (seen := await look()):  # noqa: ASYNC110
            await anyio.sleep(POLL_SECONDS)  # what is looked at may be in another process
    return seen


async def finished(storage: Storage, batch: Batch) -> Batch:
    """Wait until a batch is finished."""

    async def look() -> Batch | None:
        found = await storage.get_batch(batch.id)
        return found if found.is_finished else None

    return cast(Batch, await eventually(look))


def template(name: str, model: str = "m", *, api_key: str | None = None) -> RequestTemplateInput:
    """Make a request whose prompt is its name."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": name}]})
    return RequestTemplateInput(name, "POST", ENDPOINT, body, model, api_key=api_key)


class ManualWorker:
    """Does to a store what daemons and callers do, one step at a time."""

    def __init__(self, storage: Storage, clock: Callable[[], float]) -> None:
        self.storage, self.clock = storage, clock
        self.daemon_id = new_daemon_id()
        self._is_known = False

    async def file(self, *names: str, model: str = "m") -> FileId:
        return await self.storage.create_file("input.jsonl", None, [template(name, model) for name in names])

    async def batch(self, *names: str, window: str = "24h", model: str = "m") -> Batch:
        input = BatchInput(await self.file(*names, model=model), ENDPOINT, window)
        return await self.storage.create_batch(input)

    async def batch_of(self, templates: Sequence[RequestTemplateInput], window: str = "24h") -> Batch:
        file_id = await self.storage.create_file("input.jsonl", None, templates)
        return await self.storage.create_batch(BatchInput(file_id, ENDPOINT, window))

    async def check_in(self) -> None:
        """Announce this worker as a living daemon."""
        self._is_known = True
        now = self.clock()
        await self.storage.persist_daemon(
            DaemonRecord(self.daemon_id, "here", 1, "0", DaemonState.RUNNING, now, now)
        )

    async def sign_off(self) -> None:
        """Announce that this worker will do nothing more."""
        record = await self.storage.get_daemon(self.daemon_id)
        await self.storage.persist_daemon(attrs.evolve(record, state=DaemonState.DEAD))

    async def claim(self, limit: int = 1, capacity: Capacity = Capacity()) -> list[Request[Claimed]]:  # noqa: B008  # frozen
        if not self._is_known:
            await self.check_in()
        return await self.storage.claim_requests(limit, self.daemon_id, capacity)

    async def start(self, limit: int = 1) -> list[Request[Processing]]:
        """Claim requests and begin to send them."""
        return [await self.begin(request) for request in await self.claim(limit)]

    async def begin(self, request: Request[Claimed]) -> Request[Processing]:
        was = request.state
        state = Processing(
            was.daemon_id, was.claimed_at, self.clock(), was.retry_attempt, was.batch_expires_at
        )
        started = Request(request.data, state, request.lease)
        await self.storage.persist(started)
        return started

    async def report(self, request: AnyRequest, state: AnyState) -> RequestId | None:
        return await self.storage.persist(Request(request.data, state, request.lease))  # type: ignore[arg-type]  # any state

    async def complete(self, request: Request[Processing], body: str | None = None) -> RequestId | None:
        answer = body or json.dumps({"echo": request.data.custom_id})
        state = Completed(
            200, answer, request.state.claimed_at, request.state.started_at, self.clock(), "up-1"
        )
        return await self.report(request, state)

    async def fail(self, request: Request[Processing], status: int = 400) -> RequestId | None:
        body = json.dumps(
            {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": "bad"}}
        )
        reason = Failure(FailureKind.NON_RETRIABLE_HTTP_STATUS, "", status, body, "up-1")
        was = request.state
        return await self.report(
            request, Failed(reason, self.clock(), was.retry_attempt, was.batch_expires_at)
        )

    async def give_back(self, request: Request[Claimed] | Request[Processing], attempt: int = 0) -> None:
        await self.report(request, Pending(attempt, None, request.state.batch_expires_at))

    async def withdraw(self, request: Request[Claimed] | Request[Processing]) -> None:
        await self.report(request, Canceled(self.clock()))

    async def outputs(self, batch: Batch) -> list[str | None]:
        """List the custom ids in the output file."""
        return await self._custom_ids(batch.output_file_id)

    async def errors(self, batch: Batch) -> list[str | None]:
        """List the custom ids in the error file."""
        return await self._custom_ids(batch.error_file_id)

    async def _custom_ids(self, file_id: FileId | None) -> list[str | None]:
        items = await self.storage.get_file_content(file_id) if file_id else []
        return [getattr(item, "custom_id", None) for item in items]

    async def counts(self, batch: Batch) -> tuple[int, int, int, int, int]:
        """Tell pending, in progress, completed, failed and canceled lines."""
        status = await self.storage.get_batch_status(batch.id)
        return (
            status.pending_requests,
            status.in_progress_requests,
            status.completed_requests,
            status.failed_requests,
            status.canceled_requests,
        )
