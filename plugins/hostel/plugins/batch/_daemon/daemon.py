"""The daemon: claims what it has room for, sends it, reports what came back.

1. Free slots are counted before a claim, so nothing is claimed that cannot be sent at once. Freed slots, new
   work or a retry that is due wake the claiming; polling is for what other machines do. Slots that become
   free one after the other are filled together, within a twentieth of a second.
2. A request is on record as being processed before it is sent. Every way out of an attempt ends in a report:
   an answer, a failure, another attempt, or the request given back. Reports wait out database errors.
3. What its owner withdrew, what another runner won, what another daemon took: found by asking the store about
   everything in flight, and stopped by cancelling its scope, which closes its connection.
4. Shutdown stops the claiming, lets attempts finish for a while, cancels the rest and gives it back.
"""

import logging
import math
import os
import random
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from typing import TypeVar

import anyio
import attrs
from anyio.abc import TaskGroup, TaskStatus

from .._model.errors import BatchError, NotFound, StateConflict, StorageUnavailable
from .._model.ids import RequestId, new_daemon_id
from .._model.jsonl import with_model
from .._model.records import (
    AnyRequest,
    Capacity,
    DaemonRecord,
    DaemonState,
    DaemonStats,
    Request,
    RequestData,
)
from .._model.states import LIVE, Claimed, Failed, Failure, FailureKind, Pending, Processing
from .._store.protocol import Storage
from .outcome import describe, state_after
from .retry import RetryPolicy
from .sender import Reply, Sender

log = logging.getLogger("hostel.batch")
T = TypeVar("T")

CLAIM_PAUSE = 0.05
MAX_BACKOFF = 30.0


@attrs.frozen
class Escalation:
    """Where requests of a model go when their deadline is near.

    :param within: seconds to the deadline
    :param api_key: reference to the key to use there, None for the request's own
    :param race: let a second request race the first, instead of sending the first one there
    """

    model: str
    within: float = 900.0
    api_key: str | None = None
    race: bool = False


class Daemon:
    """Works on a store until it is cancelled.

    :param concurrency: requests in flight by model; may be changed at any time
    :param default_concurrency: the same for every other model
    :param everywhere: requests in flight by model over all daemons together
    :param claim_size: requests in one claim
    :param poll: seconds between claims when nobody announced work
    :param stale_after: seconds of silence after which another daemon is taken for dead
    :param grace: seconds that attempts may go on after shutdown was asked
    """

    def __init__(
        self,
        storage: Storage,
        sender: Sender,
        *,
        concurrency: Mapping[str, int] | None = None,
        default_concurrency: int = 10,
        everywhere: Mapping[str, int] | None = None,
        escalations: Mapping[str, Escalation] | None = None,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008  # frozen
        claim_size: int = 100,
        poll: float = 1.0,
        heartbeat: float = 5.0,
        stale_after: float = 30.0,
        grace: float = 10.0,
    ) -> None:
        self.id = new_daemon_id()
        self.concurrency = dict(concurrency or {})
        self.default_concurrency = default_concurrency
        self.stats = DaemonStats()
        self.trouble: str | None = None
        self._storage, self._sender, self._retry = storage, sender, retry
        self._everywhere, self._escalations = dict(everywhere or {}), dict(escalations or {})
        self._claim_size, self._poll, self._grace = claim_size, poll, grace
        self._heartbeat, self._stale_after = heartbeat, stale_after
        # a request that was lost and claimed again is held twice for a moment, under two leases
        self._held: dict[tuple[RequestId, int], anyio.CancelScope] = {}
        self._in_flight: Counter[str] = Counter()
        self._due: float | None = None
        # requests that are to come back before the next claim, so that it takes many at once
        self._awaited = 0
        self._woken = anyio.Event()
        self._idle = anyio.Event()

    async def run(self) -> None:
        """Work until cancelled; then finish, or give back, what is in flight."""
        await self._until_available(self._announce)
        # a group of their own: cancelling the daemon stops the claiming, not what is in flight
        workers = anyio.create_task_group()
        async with anyio.create_task_group() as group:
            with anyio.CancelScope(shield=True):
                await group.start(self._run_workers, workers)
            try:
                await self._claim_forever(workers)  # pyright: ignore[reportPossiblyUnboundVariable]
            finally:
                with anyio.CancelScope(shield=True):
                    await self._shut_down(workers)  # pyright: ignore[reportPossiblyUnboundVariable]

    def wake(self) -> None:
        """Claim now what there is."""
        self._woken.set()

    @property
    def holds(self) -> int:
        """Number of requests in flight."""
        return len(self._held)

    async def _announce(self) -> None:
        now = self._storage.now()
        name, host = version("hostel"), socket.gethostname()
        await self._storage.persist_daemon(
            DaemonRecord(self.id, host, os.getpid(), name, DaemonState.RUNNING, now, now, stats=self.stats)
        )

    async def _run_workers(self, workers: TaskGroup, *, task_status: TaskStatus[None]) -> None:
        """Keep requests and the chores that watch over them going while the claiming may be cancelled."""
        with anyio.CancelScope(shield=True):
            async with workers:
                workers.start_soon(self._every, self._heartbeat, self._beat)
                workers.start_soon(self._every, self._poll, self._drop_unwanted)
                workers.start_soon(self._every, self._poll, self._sweep)
                task_status.started()
                await anyio.sleep_forever()

    async def _shut_down(self, workers: TaskGroup) -> None:
        with anyio.move_on_after(self._grace):
            while self._held:
                self._idle = anyio.Event()
                await self._idle.wait()
        for scope in self._held.values():
            scope.cancel()
        with anyio.move_on_after(self._grace):
            while self._held:
                self._idle = anyio.Event()
                await self._idle.wait()
        workers.cancel_scope.cancel()
        with anyio.move_on_after(self._grace):
            await self._sign_off()

    async def _sign_off(self) -> None:
        now = self._storage.now()
        try:
            record = await self._storage.get_daemon(self.id)
            dead = attrs.evolve(record, state=DaemonState.DEAD, stopped_at=now, stats=self._stats())
            await self._storage.persist_daemon(dead)
        except (StorageUnavailable, NotFound) as error:
            log.warning("the daemon could not sign off: %s", error)

    async def _claim_forever(self, workers: TaskGroup) -> None:
        while True:
            self._woken, self._awaited = anyio.Event(), 0
            capacity = self._capacity()
            try:
                claimed = await self._until_available(self._claim, capacity)
            except NotFound:
                await self._until_available(self._announce)
                continue
            for request in claimed:
                self._take(request, workers)
            # a claim costs a transaction: let most of what is held come back first, but wait a moment only
            self._awaited = len(self._held) * 3 // 4 if claimed else 0
            with anyio.move_on_after(CLAIM_PAUSE if claimed else self._until_next_poll()):
                await self._woken.wait()

    def _capacity(self) -> Capacity:
        models = self.concurrency.keys() | self._in_flight.keys()
        limits = {model: self.concurrency.get(model, self.default_concurrency) for model in models}
        free = {model: max(0, limit - self._in_flight[model]) for model, limit in limits.items()}
        return Capacity(free, self.default_concurrency, self._everywhere)

    async def _claim(self, capacity: Capacity) -> list[Request[Claimed]]:
        # a claim that was committed must be known here: who is cancelled now would leave it to the sweep
        claimed: list[Request[Claimed]] = []
        with anyio.CancelScope(shield=True):
            claimed += await self._storage.claim_requests(self._claim_size, self.id, capacity)
        return claimed

    def _until_next_poll(self) -> float:
        due, self._due = self._due, None
        return self._poll if due is None else max(0.0, min(self._poll, due - self._storage.now()))

    def _take(self, request: Request[Claimed], workers: TaskGroup) -> None:
        # it was claimed before, maybe by us: what we still do for it is of no use
        if request.lease > 1:
            self._stop(request.id)
        scope = self._held[request.id, request.lease] = anyio.CancelScope()
        self._in_flight[request.data.model] += 1
        workers.start_soon(self._work_on, request, scope)

    async def _work_on(self, request: Request[Claimed], scope: anyio.CancelScope) -> None:
        was = request.state
        report: AnyRequest = Request(
            request.data, Pending(was.retry_attempt, None, was.batch_expires_at), request.lease
        )
        try:
            with scope:
                report = await self._attempt(request)
            await self._report(report)
        except Exception as error:  # noqa: BLE001  # a request that cannot be handled is no matter of the others
            report = await self._give_up(request, error)
        finally:
            self._let_go(request, report)

    async def _give_up(self, request: Request[Claimed], error: Exception) -> AnyRequest:
        """Fail a request because of what came of it; one that cannot even fail is left to the next daemon."""
        log.error("request %s fails: %s", request.id, error, exc_info=not isinstance(error, BatchError))
        was = request.state
        reason = Failure(FailureKind.UNSTORABLE, f"the answer cannot be stored: {error}")
        failed = Failed(reason, self._storage.now(), was.retry_attempt, was.batch_expires_at)
        report: AnyRequest = Request(request.data, failed, request.lease)
        try:
            await self._report(report)
        except BatchError as again:
            log.error("request %s cannot fail either: %s", request.id, again)
        return report

    async def _attempt(self, request: Request[Claimed]) -> AnyRequest:
        was = request.state
        state = Processing(
            was.daemon_id, was.claimed_at, self._storage.now(), was.retry_attempt, was.batch_expires_at
        )
        started = Request(request.data, state, request.lease)
        try:
            await self._until_available(self._storage.persist, started)
        except (StateConflict, NotFound):
            return started
        data, routed = self._route(request.data, was.batch_expires_at)
        reply = await self._send(data)
        after = state_after(started, reply, self._storage.now(), self._retry, random.random(), routed)
        self.trouble = describe(reply) if isinstance(after, Pending) else None
        return Request(request.data, after, request.lease)  # type: ignore[return-value]  # one of the union

    def _route(self, data: RequestData, deadline: float) -> tuple[RequestData, str | None]:
        there = self._escalations.get(data.model)
        if there is None or there.race or deadline - self._storage.now() >= there.within:
            return data, None
        body = with_model(data.body, there.model)
        key = there.api_key or data.api_key
        return attrs.evolve(data, model=there.model, body=body, api_key=key), there.model

    async def _send(self, data: RequestData) -> Reply | Failure:
        """Send a request; a sender may be a plugin's, so what it raises or answers ends one attempt only."""
        try:
            reply = await self._sender(data)
        except BaseException as error:
            if isinstance(error, anyio.get_cancelled_exc_class()) and _is_cancelled():
                raise
            return _of_sender(data, f"the sender raised {type(error).__name__}")
        if not isinstance(reply, Reply | Failure):
            return _of_sender(data, f"the sender answered with {type(reply).__name__}")
        return reply

    async def _report(self, report: AnyRequest) -> None:
        try:
            loser = await self._until_available(self._storage.persist, report)
        except (StateConflict, NotFound):
            return
        if loser is not None:
            # the twin that lost runs here perhaps, and costs a slot
            self._stop(loser)

    def _stop(self, name: RequestId) -> None:
        for held, scope in self._held.items():
            if held[0] == name:
                scope.cancel()

    def _let_go(self, request: Request[Claimed], report: AnyRequest) -> None:
        state = report.state
        if isinstance(state, Pending) and state.not_before is not None:
            self._due = min(self._due or state.not_before, state.not_before)
        done, failed = self.stats.requests_processed, self.stats.requests_failed
        self.stats = DaemonStats(done + 1, failed + isinstance(state, Failed), 0)
        self._in_flight[request.data.model] -= 1
        del self._held[request.id, request.lease]
        self._awaited -= 1
        if self._awaited <= 0 or not self._held:
            self._woken.set()
        if not self._held:
            self._idle.set()

    def _stats(self) -> DaemonStats:
        return attrs.evolve(self.stats, requests_in_flight=len(self._held))

    async def _beat(self) -> None:
        try:
            await self._storage.heartbeat(self.id, self._stats())
        except NotFound:
            await self._announce()

    async def _drop_unwanted(self) -> None:
        held = dict(sorted(self._held))
        for name in await self._storage.find_stopped(held) if held else ():
            if scope := self._held.get((name, held[name])):
                scope.cancel()

    async def _sweep(self) -> None:
        swept = await self._storage.sweep(self._stale_after)
        for model, there in self._escalations.items():
            if there.race:
                await self._storage.create_escalated_requests(
                    model, there.within, sorted(LIVE), there.model, there.api_key
                )
        if swept.reclaimed:
            self.wake()

    async def _every(self, seconds: float, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            await anyio.sleep(seconds)
            try:
                await step()
            except BatchError as error:
                log.warning("%s", error)

    async def _until_available(self, call: Callable[..., Awaitable[T]], *arguments: object) -> T:
        """Make a call again and again until the database answers."""
        wait = 0.1
        while True:
            try:
                return await call(*arguments)
            except StorageUnavailable as error:
                log.warning("%s", error)
            await anyio.sleep(wait * (0.5 + random.random() / 2))
            wait = min(2 * wait, MAX_BACKOFF)


def _of_sender(data: RequestData, what: str) -> Failure:
    log.warning("%s for %s", what, data.id)
    return Failure(FailureKind.TASK_TERMINATED, what)


def _is_cancelled() -> bool:
    """Tell whether somebody cancelled this task, rather than a sender raised as if."""
    return anyio.current_effective_deadline() == -math.inf
