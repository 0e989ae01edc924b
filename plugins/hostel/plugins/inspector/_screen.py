"""What `hostel watch` shows: lines in a pipe, a table that moves on a terminal."""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import TYPE_CHECKING

import anyio

from hostel.runtime import console
from hostel.sessions import TaskEvent, TaskState, event_to_json

from . import _words as words

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from hostel.sessions import TaskRecord

    from ._board import Board

REFRESH_SECONDS = 0.25
LAST = 8
STYLES = {
    TaskState.PENDING: "dim",
    TaskState.RUNNING: "cyan",
    TaskState.WAITING: "yellow",
    TaskState.CANCEL_REQUESTED: "magenta",
    TaskState.COMPLETED: "green",
    TaskState.FAILED: "red",
    TaskState.CANCELLED: "bright_black",
    TaskState.ABANDONED: "red",
}


class Lines:
    """One line for each event."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def tell(self, url: str, event: TaskEvent) -> None:
        """Print the event."""
        if self._as_json:
            console.print_json({**event_to_json(event), "runtime": url})
            return
        sys.stdout.write(line(event) + "\n")
        sys.stdout.flush()

    async def run(self, _: Board) -> None:
        """Need nothing more."""


class Screen:
    """A table of live tasks with the latest events below it, until cancelled."""

    def __init__(self) -> None:
        self._events: deque[TaskEvent] = deque(maxlen=LAST)

    def tell(self, _: str, event: TaskEvent) -> None:
        """Remember the event."""
        self._events.append(event)

    async def run(self, board: Board) -> None:
        """Draw what is on `board` four times a second."""
        from rich.live import Live

        with Live(auto_refresh=False, transient=False) as live:
            while True:
                live.update(self._drawn(board, live.console.height), refresh=True)
                await anyio.sleep(REFRESH_SECONDS)

    def _drawn(self, board: Board, height: int) -> Group:
        from rich.console import Group
        from rich.text import Text

        tasks = board.live()
        room = max(3, height - len(self._events) - 5)
        below = f"{len(tasks)} live tasks" + (f", {len(tasks) - room} not shown" if len(tasks) > room else "")
        events = [Text(line(event), no_wrap=True, overflow="ellipsis") for event in self._events]
        return Group(
            _table([record for _, record in tasks[:room]]), Text(below, style="dim"), Text(""), *events
        )


def _table(records: list[TaskRecord]) -> Table:
    from rich.table import Table
    from rich.text import Text

    now = time.time()
    table = Table(box=None, pad_edge=False, header_style="dim", expand=True)
    for name in ("task", "session", "state", "progress", "age", "silent"):
        table.add_column(name, no_wrap=True)
    table.add_column("note", no_wrap=True, ratio=1, overflow="ellipsis")
    for record in records:
        text = words.note(record) or words.plain(record.label)
        table.add_row(
            Text(words.plain(record.id)),
            Text(words.plain(record.session_id)),
            Text(record.state, style=STYLES[record.state]),
            Text(words.progress_text(record.progress)),
            Text(words.duration(now - record.created_at)),
            Text(words.duration(now - record.updated_at)),
            Text(text),
        )
    return table


def line(event: TaskEvent) -> str:
    """Return an event on one line: when, which task, what."""
    clock = time.strftime("%H:%M:%S", time.localtime(event.at))
    where = f"{words.plain(event.session_id)}/{words.plain(event.task_id)}" if event.task_id else "-"
    return f"{clock}  {where}  {event.type}  {words.event_text(event)}".rstrip()
