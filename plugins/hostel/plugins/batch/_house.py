"""The batches of a runtime: one store, one daemon, and a task in its session for every unfinished batch.

A batch's task is external: the store knows the truth, the task mirrors it. One service looks at unfinished
batches, tells their tasks how far they are, and ends them as the store does; it finds batches of other
processes on the same store too. The other way round, a cancelled task cancels its batch, and a transferred
task takes its batch along.
"""

from __future__ import annotations

import logging
import tempfile
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, cast

import anyio

from hostel.sessions import (
    ClosePolicy,
    EventType,
    Progress,
    SessionsError,
    TaskAlreadyExists,
    TaskFilter,
    TaskSpec,
    TaskState,
)

from ._errors import NotFound, StorageUnavailable

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import ASGIApp

    from hostel.runtime import Runtime
    from hostel.sessions import JsonValue

    from ._daemon import Daemon
    from ._ids import BatchId
    from ._records import Batch, BatchInput
    from ._sender import Sender
    from .sql import SqlStorage

log = logging.getLogger("hostel.batch")

KIND = "batch"
PRODUCER = "batch"
DAEMON_TASK = "batch-daemon"
DAEMON_SESSION = "batches"
LOOK_EVERY = 0.5
DAEMON_GRACE = 3.0


class Batches:
    """What `runtime.get(Batches)` gives: submit batches and have them worked on.

    :param location: file or URL of the store; None for `batch.db` in the runtime's folder, or, without one, a
        file that goes with the runtime
    """

    def __init__(self, runtime: Runtime, location: str | Path | None = None) -> None:
        self._runtime, self._location = runtime, location
        self._stack = AsyncExitStack()
        self._opening, self._adopting = anyio.Lock(), anyio.Lock()
        self._storage: SqlStorage | None = None
        self._daemon: Daemon | None = None
        self._known: dict[BatchId, tuple[int, ...]] = {}
        self._changed = anyio.Event()

    async def storage(self) -> SqlStorage:
        """Open the store on first use and mirror its unfinished batches from then on."""
        async with self._opening:
            if self._storage is None:
                from .sql import SqlStorage

                self._storage = await self._stack.enter_async_context(SqlStorage(self._place()))
                self._runtime.run_service(PRODUCER, self._mirror, self._storage)
                self._runtime.run_service(PRODUCER, self._follow_transfers, self._storage)
        return self._storage

    def exists(self) -> bool:
        """Tell whether an earlier run left a store in the runtime's folder."""
        folder = self._runtime.data_dir
        return self._location is not None or (folder is not None and (folder / "batch.db").exists())

    def _place(self) -> str | Path:
        if self._location is not None:
            return self._location
        if self._runtime.data_dir is not None:
            return self._runtime.data_dir / "batch.db"
        return f"{self._stack.enter_context(tempfile.TemporaryDirectory(prefix='hostel-batch-'))}/batch.db"

    async def aclose(self) -> None:
        """Let the daemon finish or give back its work, and close the store."""
        with anyio.CancelScope(shield=True):
            await self._runtime.tasks.cancel_managed(DAEMON_SESSION, DAEMON_TASK, grace=DAEMON_GRACE + 1)
            await self._stack.aclose()

    async def work(self, upstream: str | None = None, *, api_key: str | None = None, **options: Any) -> None:
        """Start the daemon, once; it is a task of session `batches`.

        A plugin may send requests in its own way: see the hook `choose_batch_sender`.

        :param upstream: base URL of the endpoint; None if every request names its own
        :param api_key: reference to its key, such as `env:NAME`
        :param options: those of `Daemon`
        """
        from ._daemon import Daemon

        storage = await self.storage()
        chosen = self._runtime.plugins.first("choose_batch_sender", upstream=upstream)
        sender: Sender = chosen[1] if chosen is not None else await self._http_sender(upstream, api_key)  # type: ignore[assignment]
        self._daemon = Daemon(
            storage, sender, clock=storage.now, **cast("Any", {"grace": DAEMON_GRACE} | options)
        )
        spec = TaskSpec(id=DAEMON_TASK, kind="batch_daemon", producer=PRODUCER, label=upstream or "batches")
        await self._runtime.tasks.spawn_managed(DAEMON_SESSION, spec, self._daemon.run)

    async def _http_sender(self, upstream: str | None, api_key: str | None) -> Sender:
        from ._sender import HttpSender

        return await self._stack.enter_async_context(HttpSender(upstream, api_key=api_key))

    async def submit(self, order: BatchInput, *, close_policy: ClosePolicy = ClosePolicy.KEEP) -> Batch:
        """Make a batch, and a task for it in its session unless its input is not valid.

        :param close_policy: what becomes of the batch when its session closes
        """
        storage = await self.storage()
        async with self._adopting:
            batch = await storage.create_batch(order)
            await self._adopt(batch, close_policy)
        return batch

    async def adopt(self, batch: Batch) -> None:
        """Show an unfinished batch as a task of its session."""
        async with self._adopting:
            await self._adopt(batch, ClosePolicy.KEEP)

    async def _adopt(self, batch: Batch, close_policy: ClosePolicy) -> None:
        if batch.is_finished or batch.id in self._known:
            return
        self._known[batch.id] = ()
        spec = TaskSpec(
            id=batch.id,
            kind=KIND,
            producer=PRODUCER,
            label=f"{batch.endpoint} · {batch.total_requests}",
            close_policy=close_policy,
        )
        try:
            await self._runtime.tasks.register_external(
                batch.session_id, spec, cancel=lambda: self._cancel_in_store(batch.id)
            )
        except TaskAlreadyExists:
            log.warning("session %s has a task named %s already", batch.session_id, batch.id)
        await self._tell(batch)
        self.wake()

    async def cancel(self, batch: Batch, reason: str | None = None, *, actor: str | None = None) -> None:
        """Cancel a batch through its task, so that it is on record who asked."""
        try:
            await self._runtime.tasks.request_cancel(batch.id, reason, actor=actor)
        except SessionsError:
            await self._cancel_in_store(batch.id)

    def app(self, token: str | None) -> ASGIApp:
        """Return OpenAI's files and batches over HTTP, to mount under `/v1`; the store must be open.

        :param token: what clients send as their API key, None if whoever mounts it checks that
        """
        from ._asgi import batch_app

        if self._storage is None:
            raise RuntimeError("open the store before serving it")
        return batch_app(self._storage, token=token, on_created=self.adopt, cancel=self._cancel_for_client)

    async def _cancel_for_client(self, batch: Batch) -> None:
        await self.cancel(batch, actor="client")

    async def _cancel_in_store(self, batch_id: BatchId) -> None:
        storage = await self.storage()
        await storage.cancel_batch(batch_id)
        self.wake()

    def wake(self) -> None:
        """Look at batches, and for work, now."""
        self._changed.set()
        if self._daemon is not None:
            self._daemon.wake()

    async def _mirror(self, storage: SqlStorage) -> None:
        while True:
            self._changed = anyio.Event()
            try:
                for batch in await storage.list_unfinished():
                    await self.adopt(batch)
                for batch_id in list(self._known):
                    await self._look(storage, batch_id)
            except StorageUnavailable as error:
                log.warning("%s", error)
            with anyio.move_on_after(LOOK_EVERY):
                await self._changed.wait()

    async def _look(self, storage: SqlStorage, batch_id: BatchId) -> None:
        try:
            await self._tell(await storage.get_batch(batch_id))
        except NotFound:
            await self._end(batch_id, TaskState.CANCELLED, "deleted", None)

    async def _tell(self, batch: Batch) -> None:
        """Bring a batch's task up to date."""
        counted = (batch.completed_requests, batch.failed_requests, batch.canceled_requests)
        message = summary(batch)
        if batch.is_finished:
            await self._end(batch.id, end_state(batch), message, _value(batch))
        elif self._known.get(batch.id) != counted:
            self._known[batch.id] = counted
            progress = Progress(
                message=message, done=sum(counted), total=batch.total_requests, unit="requests"
            )
            try:
                await self._runtime.tasks.update(batch.id, progress=progress)
            except SessionsError as error:
                log.warning("%s", error)

    async def _end(self, batch_id: BatchId, state: TaskState, text: str, value: JsonValue) -> None:
        self._known.pop(batch_id, None)
        try:
            await self._runtime.tasks.complete(batch_id, state, summary=text, value=value)
        except SessionsError as error:
            log.warning("%s", error)

    async def _follow_transfers(self, storage: SqlStorage) -> None:
        async for event in self._runtime.tasks.subscribe(TaskFilter(kind=KIND)):
            if event.type is EventType.TRANSFERRED and event.task_id in self._known:
                try:
                    await storage.assign_session(event.task_id, event.session_id)  # type: ignore[arg-type]
                except (StorageUnavailable, NotFound) as error:
                    log.warning("%s", error)


def summary(batch: Batch) -> str:
    """Say how far a batch is, in words."""
    counts = {
        "completed": batch.completed_requests,
        "failed": batch.failed_requests,
        "cancelled": batch.canceled_requests,
    }
    said = [f"{count} {word}" for word, count in counts.items() if count]
    return ", ".join(said) or f"{batch.total_requests} waiting"


def end_state(batch: Batch) -> TaskState:
    """Say how the task of a finished batch ends."""
    if batch.cancelled_at is not None:
        return TaskState.CANCELLED
    return TaskState.COMPLETED if batch.completed_at is not None else TaskState.FAILED


def _value(batch: Batch) -> JsonValue:
    from ._wire import batch_object

    return batch_object(batch)
