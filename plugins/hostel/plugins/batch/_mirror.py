"""The tasks of unfinished batches.

A batch's task is external: the store knows the truth, the task mirrors it. One service looks at unfinished
batches, tells their tasks how far they are, and ends them as the store does; it finds batches of other
processes on the same store too. A transferred task takes its batch along. A batch that a task of kind `batch`
made needs no second one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from hostel.sessions import (
    ClosePolicy,
    EventType,
    IllegalTransition,
    Progress,
    SessionsError,
    TaskAlreadyExists,
    TaskFilter,
    TaskSpec,
    TaskState,
)

from ._errors import NotFound, StorageUnavailable
from ._names import KIND, NAME, log

if TYPE_CHECKING:
    from hostel.runtime import Runtime
    from hostel.sessions import JsonValue

    from ._house import Batches
    from ._ids import BatchId
    from ._records import Batch, BatchInput
    from .sql import SqlStorage

STALE_AFTER = 30.0


class Mirror:
    """Shows the batches of a store as tasks of their sessions."""

    def __init__(self, runtime: Runtime, batches: Batches, storage: SqlStorage) -> None:
        self._runtime, self._batches, self._storage = runtime, batches, storage
        self._adopting = anyio.Lock()
        self._known: dict[BatchId, Progress | None] = {}

    async def submit(self, order: BatchInput, close_policy: ClosePolicy) -> Batch:
        """Make a batch and its task, before anybody else shows it."""
        async with self._adopting:
            batch = await self._storage.create_batch(order)
            await self._adopt(batch, close_policy)
        return batch

    async def adopt(self, batch: Batch) -> None:
        """Show a batch unless it is finished, shown, or the work of a task of its own."""
        async with self._adopting:
            await self._adopt(batch, ClosePolicy.KEEP)

    async def _adopt(self, batch: Batch, close_policy: ClosePolicy) -> None:
        if batch.is_finished or batch.id in self._known or await self._has_own_task(batch):
            return
        self._known[batch.id] = None
        spec = TaskSpec(
            id=batch.id,
            kind=KIND,
            producer=NAME,
            label=f"{batch.endpoint} · {batch.total_requests}",
            close_policy=close_policy,
        )
        try:
            await self._runtime.tasks.register_external(
                batch.session_id, spec, cancel=lambda: self._batches.cancel_in_store(batch.id)
            )
        except TaskAlreadyExists:
            log.warning("session %s has a task named %s already", batch.session_id, batch.id)
        await self._tell(batch)
        self._batches.wake()

    async def _has_own_task(self, batch: Batch) -> bool:
        made_by = maker_of(batch)
        if made_by is None:
            return False
        return any(record.id == made_by for record in await self._runtime.tasks.list(TaskFilter(kind=KIND)))

    async def run(self) -> None:
        """Look again and again until the store is closed."""
        while (found := await self._unfinished()) is not None:
            try:
                for batch in found:
                    await self.adopt(batch)
                for batch_id in list(self._known):
                    await self._look(batch_id)
                await self._batches.tidy(STALE_AFTER)
            except StorageUnavailable as error:
                log.warning("%s", error)
            await self._batches.rest()

    async def _unfinished(self) -> list[Batch] | None:
        try:
            return await self._batches.unfinished()
        except StorageUnavailable as error:
            log.warning("%s", error)
            return []

    async def _look(self, batch_id: BatchId) -> None:
        try:
            batch = await self._batches.look(batch_id)
        except NotFound:
            await self._end(batch_id, TaskState.CANCELLED, "deleted", None)
            return
        if batch is not None:
            await self._tell(batch)

    async def _tell(self, batch: Batch) -> None:
        """Bring a batch's task up to date."""
        progress = progress_of(batch)
        if self._known.get(batch.id) != progress and batch.total_requests:
            self._known[batch.id] = progress
            await self._report(batch.id, progress)
        if batch.is_finished:
            await self._end(batch.id, end_state(batch), summary(batch), value_of(batch))

    async def _report(self, batch_id: BatchId, progress: Progress) -> None:
        try:
            await self._runtime.tasks.update(batch_id, progress=progress)
        except IllegalTransition:
            pass  # somebody has ended the task already
        except SessionsError as error:
            log.warning("%s", error)

    async def _end(self, batch_id: BatchId, state: TaskState, text: str, value: JsonValue) -> None:
        self._known.pop(batch_id, None)
        try:
            await self._runtime.tasks.complete(batch_id, state, summary=text, value=value)
        except SessionsError as error:
            log.warning("%s", error)

    async def follow_transfers(self) -> None:
        """Let batches go along with their tasks."""
        async for event in self._runtime.tasks.subscribe(TaskFilter(kind=KIND)):
            if event.type is EventType.TRANSFERRED and event.task_id in self._known:
                try:
                    await self._storage.assign_session(event.task_id, event.session_id)  # type: ignore[arg-type]
                except (StorageUnavailable, NotFound) as error:
                    log.warning("%s", error)


def progress_of(batch: Batch) -> Progress:
    """Say how far a batch is, as its task does."""
    done = batch.completed_requests + batch.failed_requests + batch.canceled_requests
    return Progress(summary(batch), done, batch.total_requests, "requests")


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


def maker_of(batch: Batch) -> str | None:
    """Return the id of the task that made a batch and attends to it."""
    kind, _, task_id = (batch.created_by or "").partition(":")
    return task_id if kind == "task" else None


def value_of(batch: Batch) -> JsonValue:
    """Write a batch as the result of its task."""
    from ._wire import batch_object

    return batch_object(batch)
