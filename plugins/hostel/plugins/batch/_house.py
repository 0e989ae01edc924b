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
from ._records import FileMetadata, Purpose, RequestTemplate
from ._streams import closing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from hostel.runtime import Runtime
    from hostel.sessions import JsonValue, TaskContext

    from ._daemon import Daemon
    from ._ids import BatchId, FileId
    from ._records import Batch, BatchInput
    from ._sender import Sender
    from .sql import SqlStorage

log = logging.getLogger("hostel.batch")

NAME = "batch"
KIND = "batch"
DAEMON_TASK = "batch-daemon"
DAEMON_SESSION = "batches"
LOOK_EVERY = 0.5
DAEMON_GRACE = 3.0
STALE_AFTER = 30.0
PIECE = 1024 * 1024
DEFAULT_ENDPOINT = "/v1/chat/completions"


class Batches:
    """What `runtime.get(Batches)` gives: submit batches and have them worked on.

    :param location: file or URL of the store; None for `batch.db` in the runtime's folder, or, without one, a
        file that goes with the runtime
    """

    def __init__(self, runtime: Runtime, location: str | Path | None = None) -> None:
        self._runtime, self._location = runtime, location
        self._stack = AsyncExitStack()
        self._opening, self._adopting, self._looking = anyio.Lock(), anyio.Lock(), anyio.Lock()
        self._storage: SqlStorage | None = None
        self._daemon: Daemon | None = None
        self._known: dict[BatchId, tuple[int, ...]] = {}
        self._changed = anyio.Event()
        self._closing = False

    @property
    def works(self) -> bool:
        """Whether requests are sent from here."""
        return self._daemon is not None

    @property
    def trouble(self) -> str | None:
        """Why the last request that came back is to be sent again; None once one was answered."""
        return None if self._daemon is None else self._daemon.trouble

    async def storage(self) -> SqlStorage:
        """Open the store on first use and mirror its unfinished batches from then on."""
        async with self._opening:
            if self._storage is None:
                from .sql import SqlStorage

                self._storage = await self._stack.enter_async_context(SqlStorage(self._place()))
                self._runtime.run_service(NAME, self._mirror, self._storage)
                self._runtime.run_service(NAME, self._follow_transfers, self._storage)
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
            self._closing = True
            async with self._looking:
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
        spec = TaskSpec(id=DAEMON_TASK, kind="batch_daemon", producer=NAME, label=upstream or "batches")
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
        if batch.is_finished or batch.id in self._known or await self._has_own_task(batch):
            return
        self._known[batch.id] = ()
        spec = TaskSpec(
            id=batch.id,
            kind=KIND,
            producer=NAME,
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

    async def _has_own_task(self, batch: Batch) -> bool:
        made_by = _maker_of(batch)
        if made_by is None:
            return False
        return any(record.id == made_by for record in await self._runtime.tasks.list(TaskFilter(kind=KIND)))

    async def cancel(self, batch: Batch, reason: str | None = None, *, actor: str | None = None) -> None:
        """Cancel a batch through its task, so that it is on record who asked."""
        try:
            await self._runtime.tasks.request_cancel(_maker_of(batch) or batch.id, reason, actor=actor)
        except SessionsError:
            await self._cancel_in_store(batch.id)

    async def cancel_task(self, task: TaskContext, reason: str) -> None:
        """Ask a task to stop because its batch was."""
        await self._runtime.tasks.request_cancel(
            task.id, reason, actor=NAME, cascade=False, session_id=task.session_id
        )

    async def upload(self, path: Path) -> FileId:
        """Store a file of lines."""
        from ._lines import upload_items

        storage = await self.storage()
        return await storage.create_file_stream(
            upload_items(FileMetadata(path.name, purpose=Purpose.BATCH), _pieces(path))
        )

    async def endpoint_of(self, file_id: FileId) -> str:
        """Return the path that the first valid line of a file names."""
        storage = await self.storage()
        async with closing(storage.get_file_content_stream(file_id)) as items:
            async for item in items:
                if isinstance(item, RequestTemplate):
                    return item.path
        return DEFAULT_ENDPOINT

    async def _cancel_in_store(self, batch_id: BatchId) -> None:
        storage = await self.storage()
        await storage.cancel_batch(batch_id)
        self.wake()

    def wake(self) -> None:
        """Look at batches, and for work, now."""
        self._changed.set()
        if self._daemon is not None:
            self._daemon.wake()

    async def rest(self) -> None:
        """Wait until it is time for another look at batches."""
        with anyio.move_on_after(LOOK_EVERY):
            await self._changed.wait()

    async def look(self, batch_id: BatchId) -> Batch | None:
        """Read a batch; None once the store is closed.

        :raises NotFound: if it was deleted.
        """
        async with self._looking:
            return None if self._closing or self._storage is None else await self._storage.get_batch(batch_id)

    async def _mirror(self, storage: SqlStorage) -> None:
        while not self._closing:
            self._changed = anyio.Event()
            try:
                async with self._looking:
                    found = [] if self._closing else await storage.list_unfinished()
                for batch in found:
                    await self.adopt(batch)
                for batch_id in list(self._known):
                    await self._mirror_one(batch_id)
                await self._tidy(storage)
            except StorageUnavailable as error:
                log.warning("%s", error)
            await self.rest()

    async def _tidy(self, storage: SqlStorage) -> None:
        """Do what daemons do beside sending, where none runs: end what is late, free what the dead hold."""
        async with self._looking:
            if not self.works and not self._closing:
                await storage.sweep(STALE_AFTER)

    async def _mirror_one(self, batch_id: BatchId) -> None:
        try:
            batch = await self.look(batch_id)
        except NotFound:
            await self._end(batch_id, TaskState.CANCELLED, "deleted", None)
            return
        if batch is not None:
            await self._tell(batch)

    async def _tell(self, batch: Batch) -> None:
        """Bring a batch's task up to date."""
        counted = (batch.completed_requests, batch.failed_requests, batch.canceled_requests)
        message = summary(batch)
        if batch.is_finished:
            await self._end(batch.id, end_state(batch), message, value_of(batch))
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
            if event.type is EventType.TRANSFERRED and event.task_id in self._known and not self._closing:
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
    return ", ".join(said) or (f"{batch.total_requests} waiting" if batch.total_requests else "none")


def end_state(batch: Batch) -> TaskState:
    """Say how the task of a finished batch ends."""
    if batch.cancelled_at is not None:
        return TaskState.CANCELLED
    return TaskState.COMPLETED if batch.completed_at is not None else TaskState.FAILED


def task_mark(task_id: str) -> str:
    """Say in a batch's `created_by` that a task made it."""
    return f"task:{task_id}"


def _maker_of(batch: Batch) -> str | None:
    """Return the id of the task that made a batch and attends to it."""
    kind, _, task_id = (batch.created_by or "").partition(":")
    return task_id if kind == "task" else None


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    async with await anyio.open_file(path, "rb") as file:
        while piece := await file.read(PIECE):
            yield piece


def value_of(batch: Batch) -> JsonValue:
    """Write a batch as the result of its task."""
    from ._wire import batch_object

    return batch_object(batch)
