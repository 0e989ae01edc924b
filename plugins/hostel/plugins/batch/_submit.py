"""Submitting a file from the command line: store it, work on it, show how far it is."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import anyio
import attrs

from hostel.runtime import Runtime

from ._house import Batches
from ._ids import FileId
from ._lines import upload_items
from ._records import Batch, BatchInput, FileMetadata, Purpose, RequestTemplate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from .sql import SqlStorage

PIECE = 1024 * 1024
KEY = "HOSTEL_UPSTREAM_KEY"


@attrs.frozen
class Order:
    """A file to submit; `endpoint=None` takes that of its first line."""

    file: Path
    endpoint: str | None
    window: str
    session_id: str


async def submit_and_wait(place: str | Path, order: Order, upstream: str | None, concurrency: int) -> Batch:
    """Submit a file and, given an upstream, work until it is finished."""
    async with Runtime(load_installed=True) as runtime:
        batches = Batches(runtime, place)
        try:
            storage = await batches.storage()
            file_id = await storage.create_file_stream(
                upload_items(FileMetadata(order.file.name, purpose=Purpose.BATCH), _pieces(order.file))
            )
            endpoint = order.endpoint or await _endpoint_of(storage, FileId(file_id))
            batch = await batches.submit(
                BatchInput(FileId(file_id), endpoint, order.window, session_id=order.session_id)
            )
            if upstream is not None and batch.failed_at is None:
                key = f"env:{KEY}" if os.environ.get(KEY) else None
                await batches.work(upstream, api_key=key, default_concurrency=concurrency)
                await _wait(storage, batch)
            return await storage.get_batch(batch.id)
        finally:
            await batches.aclose()


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    async with await anyio.open_file(path, "rb") as file:
        while piece := await file.read(PIECE):
            yield piece


async def _endpoint_of(storage: SqlStorage, file_id: FileId) -> str:
    async for item in storage.get_file_content_stream(file_id):
        if isinstance(item, RequestTemplate):
            return item.path
    return "/v1/chat/completions"


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
