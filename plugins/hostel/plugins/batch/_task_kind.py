"""A batch as a task that is started by name: `await runtime.start("s1", "batch", {"file": "in.jsonl"})`.

The task is the batch's own, there is no second one. The batch says in `created_by` which task made it, so
a task that is run again after a stop or a crash finds the batch it made before and makes no other. Only who
asks the task to stop stops the batch: when the runtime closes, the batch stays and the task waits for the
next one.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import attrs

from hostel.sessions import current_task

from ._model.errors import BatchExpired, InvalidInput, NotFound, StorageRefused, StorageUnavailable
from ._model.ids import FileId
from ._model.names import log
from ._model.records import BatchInput, Problem
from ._task_sync import progress_of, task_mark, value_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostel.sessions import JsonValue, Progress, TaskContext

    from ._model.ids import BatchId
    from ._model.records import Batch
    from ._open_store import OpenStore
    from ._service import Batches
    from ._store.store import SqlStorage

FIELDS = {"file", "file_id", "endpoint", "completion_window", "metadata"}


async def run_batch(batches: Batches, params: Mapping[str, JsonValue]) -> JsonValue:
    """Submit a batch and follow it until it is finished; the current task is its task.

    :param params: `file`, the path of a file of lines, or `file_id`, one that is in the store; `endpoint`,
        that of the first line by default; `completion_window`; `metadata`
    :return: the batch as OpenAI writes it; None if it was cancelled
    :raises InvalidInput: if its input is not valid
    :raises BatchExpired: if its window passed
    """
    task, store = current_task(), await batches.open_store()
    # an earlier attempt may have made the batch and died before it could say so
    batch = await _made_before(store.storage, task) if task.attempt > 1 else None
    if batch is None:
        input = await _input(batches, params)
        input = attrs.evolve(input, session_id=task.session_id, created_by=task_mark(task.record))
        batch = await store.storage.create_batch(input)
        store.wake()
    follower = _Follower(batches, store, task, batch.id)
    try:
        done = await follower.until_finished()
    except anyio.get_cancelled_exc_class():
        # interrupted: the runtime closes, and the batch goes on with the next one
        if not task.interrupted:
            with anyio.CancelScope(shield=True):
                await follower.until_stopped()
        raise
    return None if done is None else _result(done)


async def _made_before(storage: SqlStorage, task: TaskContext) -> Batch | None:
    made = await storage.list_batches(created_by=task_mark(task.record))
    return next(iter(made), None)


async def _input(batches: Batches, params: Mapping[str, JsonValue]) -> BatchInput:
    if not params.keys() <= FIELDS or ("file" in params) == ("file_id" in params):
        raise _wrong(f"A batch takes {', '.join(sorted(FIELDS))}, and either file or file_id.")
    given = {name: _text(params, name) for name in FIELDS - {"metadata"} if params.get(name) is not None}
    file_id = FileId(given["file_id"]) if "file_id" in given else await batches.upload(Path(given["file"]))
    metadata = params.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise _wrong("The metadata of a batch is an object.")
    return BatchInput(
        file_id,
        given.get("endpoint") or await batches.endpoint_of(file_id),
        given.get("completion_window", "24h"),
        metadata=None if metadata is None else {name: str(value) for name, value in metadata.items()},
    )


def _text(params: Mapping[str, JsonValue], name: str) -> str:
    value = params[name]
    if not isinstance(value, str):
        raise _wrong(f"The {name} of a batch is a string.")
    return value


def _wrong(message: str) -> InvalidInput:
    return InvalidInput([Problem("invalid_params", message)])


def _result(batch: Batch) -> JsonValue:
    if batch.failed_at is not None:
        raise InvalidInput(batch.errors)
    if batch.expired_at is not None:
        raise BatchExpired(batch.id, batch.failed_requests)
    return value_of(batch)


@attrs.define
class _Follower:
    """Follows a batch for its task: reports its progress, takes it along, stops it."""

    batches: Batches
    store: OpenStore
    task: TaskContext
    batch_id: BatchId
    reported: Progress | None = None

    async def until_finished(self) -> Batch | None:
        """Wait until the batch is finished; None if the task is to end as cancelled, or to wait for another
        runtime.
        """
        batch = await self._until_over()
        if batch is not None and batch.cancelled_at is None:
            return batch
        if batch is not None and not self.task.cancel_requested:
            await self.batches.cancel_task(self.task, "its batch was cancelled")
        await self.task.cancellation()
        return None

    async def until_stopped(self) -> None:
        """Cancel the batch and wait until nothing of it runs; if the runtime closes, leave it."""
        with suppress(NotFound):
            await self._until_over()

    async def _until_over(self) -> Batch | None:
        """Follow the batch until it is finished; None if the runtime closes before."""
        read = self.store.get  # once at once, then poll by poll
        while not self.task.interrupted:
            try:
                batch = await read(self.batch_id)
                if batch is not None:
                    await self._sync(batch)
            except (StorageUnavailable, StorageRefused) as error:
                log.warning("%s", error)
            else:
                if batch is None or batch.is_finished:
                    return batch
            read = self.store.next
        return None

    async def _sync(self, batch: Batch) -> None:
        """Bring task and batch up to date."""
        await self._report(progress_of(batch))
        if batch.is_finished:
            return
        if self._is_to_stop() and batch.cancelling_at is None:
            await self.store.storage.cancel_batch(batch.id)
        if self.task.session_id != batch.session_id:
            await self.store.storage.assign_session(batch.id, self.task.session_id)

    def _is_to_stop(self) -> bool:
        return self.task.cancel_requested and not self.task.interrupted

    async def _report(self, progress: Progress) -> None:
        if self.reported != progress and progress.total:
            self.reported = progress
            await self.task.progress(
                progress.message, done=progress.done, total=progress.total, unit=progress.unit
            )
