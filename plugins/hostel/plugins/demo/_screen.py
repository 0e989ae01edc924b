"""What the demo shows: a live table on a terminal, a line per change when piped, and the history at the
end.
"""

from __future__ import annotations

import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from rich.console import Console
from rich.live import Live
from rich.table import Table

from hostel.sessions import EventType, TaskFilter, TaskState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from hostel.sessions import BackgroundTaskHost, Progress, TaskEvent, TaskRecord

STYLES = {
    TaskState.RUNNING: "cyan",
    TaskState.WAITING: "yellow",
    TaskState.CANCEL_REQUESTED: "magenta",
    TaskState.COMPLETED: "green",
    TaskState.FAILED: "red",
    TaskState.CANCELLED: "dim",
}
REFRESH_SECONDS = 0.1


class Screen:
    """Where the demo speaks."""

    def __init__(self, host: BackgroundTaskHost) -> None:
        self._host = host
        self._console = Console(highlight=False)

    def say(self, text: str) -> None:
        """Say one thing."""
        self._console.print(f"» {text}", markup=False, soft_wrap=True)

    @asynccontextmanager
    async def live(self) -> AsyncIterator[None]:
        """Show the tasks of all sessions while the block runs."""
        if not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, auto_refresh=False) as view:
            async with anyio.create_task_group() as updates:
                updates.start_soon(self._update, view)
                yield
                updates.cancel_scope.cancel()
            view.update(self._table(await self._records()), refresh=True)

    def history(self, events: Iterable[TaskEvent]) -> None:
        """Print what happened, progress left out."""
        start = 0.0
        for event in events:
            start = start or event.at
            if event.type is not EventType.PROGRESS:
                sys.stdout.write(f"{event.seq:5}  {event.at - start:6.2f} s  {_told(event)}\n")

    async def _update(self, view: Live) -> None:
        while True:
            view.update(self._table(await self._records()), refresh=True)
            await anyio.sleep(REFRESH_SECONDS)

    async def _records(self) -> list[TaskRecord]:
        return await self._host.list(TaskFilter(include_terminal=True))

    def _table(self, records: list[TaskRecord]) -> Table:
        table = Table("session", "task", "kind", "state", "age", "progress", box=None, header_style="bold")
        for record in records:
            style = STYLES.get(record.state, "")
            table.add_row(
                record.session_id,
                record.label or record.id,
                record.kind,
                f"[{style}]{record.state}[/{style}]" if style else record.state,
                f"{(record.completed_at or time.time()) - record.created_at:.1f} s",
                _progress(record.progress),
            )
        return table


def _progress(progress: Progress | None) -> str:
    if progress is None:
        return ""
    if progress.unit == "bytes" and progress.total:
        share = (progress.done or 0) / progress.total
        return f"{'━' * int(24 * share):<24} {share:4.0%} of {progress.total / 1e6:.0f} MB"
    return progress.message or ""


def _told(event: TaskEvent) -> str:
    record = event.record
    if record is None:
        return event.type.value
    text = f"{event.session_id:<9} {record.label or record.id:<16} {event.type}"
    if event.type is EventType.TRANSFERRED:
        text += f" from {event.from_session_id}"
    if event.type is EventType.STATE_CHANGED:
        text += f" {event.previous} → {record.state}"
    if event.type is EventType.CANCEL_REQUESTED:
        text += f" by {record.cancel_actor}: {record.cancel_reason}"
    return text
