"""Working on a batch from the command line: make it, send its requests, show how far it is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import attrs

from hostel.runtime import Runtime, console

from .._model.names import NAME
from .._model.records import Batch, BatchInput
from .._service import Batches

if TYPE_CHECKING:
    from pathlib import Path

    from hostel.runtime import Upstream

    from .._model.ids import BatchId


@attrs.frozen
class Submit:
    """A file to submit; `endpoint=None` takes that of its first line."""

    file: Path
    endpoint: str | None
    window: str
    session_id: str

    async def begin(self, batches: Batches) -> Batch:
        """Store the file and make a batch of it."""
        file_id = await batches.upload(self.file)
        endpoint = self.endpoint or await batches.endpoint_of(file_id)
        return await batches.submit(BatchInput(file_id, endpoint, self.window, session_id=self.session_id))


@attrs.frozen
class Retry:
    """A batch whose failed requests are to be sent again."""

    batch_id: BatchId

    async def begin(self, batches: Batches) -> Batch:
        """Let the failed requests wait again."""
        storage = await batches.storage()
        retried = await storage.retry_failed_requests_for_batch(self.batch_id)
        if retried:
            console.warn(f"failed requests that are to be sent again: {retried}")
        batch = await storage.get_batch(self.batch_id)
        await batches.adopt(batch)
        return batch


@attrs.define
class Work:
    """What a command has begun; `batch_id` is known once there is a batch."""

    plugin: object
    job: Submit | Retry
    upstream: Upstream | None
    batch_id: BatchId | None = None

    async def run(self) -> Batch:
        """Begin and, given an upstream, send requests until the batch is finished."""
        async with Runtime([self.plugin], blocked=[NAME]) as runtime:
            batches = runtime.get(Batches)
            batch = await self.job.begin(batches)
            self.batch_id = batch.id
            if self.upstream is not None and not batch.is_finished:
                await batches.work(
                    self.upstream.url,
                    api_key=self.upstream.api_key,
                    default_concurrency=self.upstream.concurrency,
                )
                await _wait(batches, batch)
            return await (await batches.storage()).get_batch(batch.id)


async def _wait(batches: Batches, batch: Batch) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    wide = None if sys.stderr.isatty() else 10_000
    stderr = Console(stderr=True, width=wide, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown_trouble: str | None = None
    store = await batches.open_store()
    with Progress(*columns, console=stderr, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(batch.id, total=batch.total_requests)
        while (found := await store.next(batch.id)) is not None and not found.is_finished:
            bar.update(task, completed=found.completed_requests + found.failed_requests)
            if batches.trouble is not None and batches.trouble != shown_trouble:
                shown_trouble = batches.trouble
                stderr.print(
                    f"hostel: {shown_trouble}; trying again until the window ends",
                    markup=False,
                    highlight=False,
                )
        if found is not None:
            bar.update(task, completed=found.completed_requests + found.failed_requests)
