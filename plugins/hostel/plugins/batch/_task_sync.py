"""The tasks of unfinished batches.

A batch's task is external: the store knows the truth, the task shows it. One service reads the unfinished
batches, reports their progress to their tasks, and ends them as the store does; it finds batches of other
processes on the same store too. A transferred task takes its batch along. A batch that a task of kind `batch`
made needs no second one.
With a journal the tasks wait for the next runtime when this one stops or dies; the next one finds them, and
ends those whose batches have finished meanwhile.
"""

from __future__ import annotations

from contextlib import suppress
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
from hostel.sessions.journal import JournalError

from ._model.errors import NotFound, StorageRefused, StorageUnavailable
from ._model.ids import BatchId
from ._model.names import KIND, NAME, log
from ._model.objects import batch_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostel.sessions import BackgroundTaskHost, JsonValue, TaskRecord

    from ._model.records import Batch, BatchInput
    from ._open_store import OpenStore

STALE_AFTER = 30.0
MARK = "task:"


class TaskSync:
    """Shows the batches of a store as tasks of their sessions."""

    def __init__(self, tasks: BackgroundTaskHost, store: OpenStore) -> None:
        self._tasks, self._store, self._storage = tasks, store, store.storage
        self._adopting = anyio.Lock()
        self._known: dict[BatchId, Progress | None] = {}
        self._moved: dict[BatchId, str] = {}
        self._refused: set[BatchId] = set()
        self.caught_up = anyio.Event()
        """Set once batches that were asked to stop while nobody had the store open are stopped."""

    async def submit(self, input: BatchInput, close_policy: ClosePolicy) -> Batch:
        """Make a batch and its task, before anybody else shows it.

        :raises SessionsError: if the session takes no task; the batch is withdrawn
        """
        async with self._adopting:
            batch = await self._storage.create_batch(input)
            try:
                await self._show(batch, close_policy)
            except SessionsError:
                await self._storage.cancel_batch(batch.id)
                raise
        return batch

    async def adopt(self, found: Sequence[Batch]) -> None:
        """Show batches unless they are finished, shown, or the work of tasks of their own; those whose
        sessions take no task now are shown later.
        """
        async with self._adopting:
            unknown = [batch for batch in found if batch.id not in self._known and not batch.is_finished]
            # a batch that a task made is that task's to show, as long as it lives
            makers = await self._makers() if any(map(is_marked, unknown)) else {}
            for batch in unknown:
                try:
                    await self._adopt(batch, makers.get(batch.created_by or ""))
                    self._refused.discard(batch.id)
                except SessionsError as error:
                    if batch.id not in self._refused:
                        log.warning("batch %s is no task yet: %s", batch.id, error)
                    self._refused.add(batch.id)

    async def _makers(self) -> dict[str, TaskRecord]:
        made = await self._tasks.list(TaskFilter(kind=KIND, include_terminal=True))
        return {task_mark(record): record for record in made}

    async def _adopt(self, batch: Batch, maker: TaskRecord | None) -> None:
        """Show a batch whose own task is gone; if that was asked to stop, the batch is."""
        if maker is None:
            await self._show(batch, ClosePolicy.KEEP)
        elif maker.state.is_terminal:
            if maker.cancel_actor is not None:
                await self._storage.cancel_batch(batch.id)
            now = await self._store.get(batch.id)
            if now is not None:
                await self._show(now, ClosePolicy.KEEP)

    async def _show(self, batch: Batch, close_policy: ClosePolicy) -> None:
        if batch.is_finished:
            return
        spec = TaskSpec(
            id=batch.id,
            kind=KIND,
            producer=NAME,
            label=f"{batch.endpoint} · {batch.total_requests}",
            close_policy=close_policy,
            resumable=True,
        )
        # a task that an earlier runtime left may be in another session by now: it is taken up there
        left = await self._tasks.get(batch.id)
        session_id = left.session_id if left is not None and left.state.is_live else batch.session_id
        try:
            await self._tasks.register_external(session_id, spec, cancel=lambda: self._store.cancel(batch.id))
        except TaskAlreadyExists:
            log.warning("session %s has a task named %s already", session_id, batch.id)
        self._known[batch.id] = None
        await self._update(batch)
        self._store.wake()

    async def run(self) -> None:
        """Bring tasks up to date again and again until the store is closed."""
        has_ended_left = False
        while True:
            try:
                found = await self._store.poll()
                if found is None:
                    return
                if not has_ended_left:
                    await self._end_left()
                    has_ended_left = True
                await self._sync_all(found)
                self.caught_up.set()
            except (StorageUnavailable, StorageRefused) as error:
                log.warning("%s", error)
            await self._store.wait()

    async def _end_left(self) -> None:
        """End tasks that an earlier runtime left and whose batches have finished since."""
        for record in await self._tasks.list(TaskFilter(kind=KIND)):
            batch_id = BatchId(record.id)
            try:
                batch = await self._store.get(batch_id)
            except NotFound as gone:
                if gone.was_deleted:
                    await self._end(batch_id, TaskState.CANCELLED, "deleted", None)
            else:
                if batch is not None and batch.is_finished:
                    await self._update(batch)

    async def _sync_all(self, found: Sequence[Batch]) -> None:
        await self.adopt(found)
        for batch_id, session_id in list(self._moved.items()):
            with suppress(NotFound):  # the task of something else
                await self._storage.assign_session(batch_id, session_id)
            del self._moved[batch_id]
        unfinished = {batch.id: batch for batch in found}
        for batch_id in list(self._known):
            batch = unfinished.get(batch_id)
            await (self._sync(batch_id) if batch is None else self._update(batch))
        await self._store.sweep(STALE_AFTER)

    async def _sync(self, batch_id: BatchId) -> None:
        try:
            batch = await self._store.get(batch_id)
        except NotFound:
            await self._end(batch_id, TaskState.CANCELLED, "deleted", None)
            return
        if batch is not None:
            await self._update(batch)

    async def _update(self, batch: Batch) -> None:
        """Bring a batch's task up to date."""
        progress = progress_of(batch)
        if self._known.get(batch.id) != progress and batch.total_requests:
            await self._report(batch.id, progress)
        if batch.is_finished:
            await self._end(batch.id, end_state(batch), summary(batch), value_of(batch))
        elif batch.id in self._known:
            self._known[batch.id] = progress

    async def _report(self, batch_id: BatchId, progress: Progress) -> None:
        try:
            await self._tasks.update(batch_id, progress=progress)
        except IllegalTransition:
            pass  # somebody has ended the task already
        except SessionsError as error:
            log.warning("%s", error)

    async def _end(self, batch_id: BatchId, state: TaskState, text: str, value: JsonValue) -> None:
        try:
            await self._tasks.complete(batch_id, state, summary=text, value=value)
        except JournalError as error:
            log.warning("%s", error)  # and try again next time
            return
        except SessionsError as error:
            log.warning("%s", error)
        self._known.pop(batch_id, None)

    async def follow_transfers(self) -> None:
        """Let batches go along with their tasks, from the next reading on."""
        async for event in self._tasks.subscribe(TaskFilter(kind=KIND)):
            if event.type is EventType.TRANSFERRED and event.task_id is not None:
                self._moved[BatchId(event.task_id)] = event.session_id or ""
                self._store.wake()


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
    parts = [f"{count} {word}" for word, count in counts.items() if count]
    return ", ".join(parts) or (f"{batch.total_requests} waiting" if batch.total_requests else "none")


def end_state(batch: Batch) -> TaskState:
    """Say how the task of a finished batch ends."""
    if batch.cancelled_at is not None:
        return TaskState.CANCELLED
    return TaskState.COMPLETED if batch.completed_at is not None else TaskState.FAILED


def task_mark(record: TaskRecord) -> str:
    """Say in a batch's `created_by` that a task made it: this one, not another of the same id later."""
    return f"{MARK}{record.created_at!r}:{record.id}"


def is_marked(batch: Batch) -> bool:
    """Tell whether a task made a batch."""
    return (batch.created_by or "").startswith(MARK)


def value_of(batch: Batch) -> JsonValue:
    """Write a batch as the result of its task."""
    return batch_object(batch)
