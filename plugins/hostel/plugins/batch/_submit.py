"""Submitting a file from the command line: store it, work on it, show how far it is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import anyio
import attrs

from hostel.runtime import Runtime

from ._house import NAME, Batches
from ._records import Batch, BatchInput

if TYPE_CHECKING:
    from pathlib import Path

    from hostel.runtime import Upstream

    from .sql import SqlStorage


@attrs.frozen
class Order:
    """A file to submit; `endpoint=None` takes that of its first line."""

    file: Path
    endpoint: str | None
    window: str
    session_id: str


async def submit_and_wait(place: str | Path, order: Order, upstream: Upstream | None) -> Batch:
    """Submit a file and, given an upstream, work until it is finished."""
    async with Runtime(blocked=[NAME]) as runtime:
        batches = Batches(runtime, place)
        try:
            storage = await batches.storage()
            file_id = await batches.upload(order.file)
            endpoint = order.endpoint or await batches.endpoint_of(file_id)
            batch = await batches.submit(
                BatchInput(file_id, endpoint, order.window, session_id=order.session_id)
            )
            if upstream is not None and batch.failed_at is None:
                await batches.work(
                    upstream.url, api_key=upstream.api_key, default_concurrency=upstream.concurrency
                )
                await _wait(storage, batch)
            return await storage.get_batch(batch.id)
        finally:
            await batches.aclose()


async def _wait(storage: SqlStorage, batch: Batch) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    shown = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=shown, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(batch.id, total=batch.total_requests)
        while not (found := await storage.get_batch(batch.id)).is_finished:
            bar.update(task, completed=found.completed_requests + found.failed_requests)
            await anyio.sleep(0.2)
