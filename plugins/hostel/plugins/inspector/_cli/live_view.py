"""What `hostel watch` shows: lines in a pipe, a table that moves on a terminal."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

import anyio

from hostel.runtime import console
from hostel.sessions import EventType, TaskEvent
from hostel.sessions.json import event_to_json

from .format import event_text
from .rows import Row

if TYPE_CHECKING:
    from rich.console import ConsoleDimensions, Group

    from .task_view import TaskView

REFRESH_SECONDS = 0.25
LAST = 8


class Lines:
    """One line for each event."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def show(self, url: str, event: TaskEvent) -> None:
        """Print the event."""
        if self._as_json:
            console.print_json({**event_to_json(event), "runtime": url})
            return
        console.print_lines([line(event)])

    async def run(self, _: TaskView) -> None:
        """Need nothing more."""


class Screen:
    """A table of live tasks with the latest events below it, except progress, which the table shows."""

    def __init__(self) -> None:
        self._events: deque[TaskEvent] = deque(maxlen=LAST)

    def show(self, _: str, event: TaskEvent) -> None:
        """Remember the event."""
        if event.type is not EventType.PROGRESS:
            self._events.append(event)

    async def run(self, task_view: TaskView) -> None:
        """Draw the tasks four times a second."""
        from rich.live import Live

        with Live(auto_refresh=False, transient=False) as live:
            while True:
                live.update(self._drawn(task_view, live.console.size), refresh=True)
                await anyio.sleep(REFRESH_SECONDS)

    def _drawn(self, task_view: TaskView, size: ConsoleDimensions) -> Group:
        from rich.console import Group
        from rich.text import Text

        from .table import lines as drawn

        tasks = task_view.live()
        room = max(3, size.height - len(self._events) - 5)
        below = f"{len(tasks)} live tasks" + (f", {len(tasks) - room} not shown" if len(tasks) > room else "")
        events = [
            Text(console.plain(line(event)), no_wrap=True, overflow="ellipsis") for event in self._events
        ]
        rows = [Row(record, where) for where, record in tasks[:room]]
        return Group(*drawn(rows, time.time(), size.width), Text(below, style="dim"), Text(""), *events)


def line(event: TaskEvent) -> str:
    """Return an event on one line: when, which task, what."""
    clock = time.strftime("%H:%M:%S", time.localtime(event.at))
    where = f"{event.session_id}/{event.task_id}" if event.task_id else "-"
    return f"{clock}  {where}  {event.type}  {event_text(event)}".rstrip()
