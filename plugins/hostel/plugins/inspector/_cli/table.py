"""Tasks as a table on a terminal: what one copies or compares stays whole, the rest gives way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from hostel.runtime import console
from hostel.runtime.text import duration_text
from hostel.sessions import TaskState

from .format import note_text, progress_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostel.sessions import TaskRecord

WIDE = 110
LONGEST_SESSION = 24
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


def table(
    rows: Iterable[tuple[int, TaskRecord, str]], now: float, width: int, *, runtimes: bool = False
) -> Table:
    """Return the rows, each a depth, a record and where it is, as a table for a screen of `width` columns.

    `runtimes` adds a column for where they are.
    """
    is_wide = width >= WIDE
    drawn = Table(box=None, pad_edge=False, header_style="dim", expand=True)
    drawn.add_column("task", overflow="fold", min_width=8)
    drawn.add_column("session", no_wrap=True, max_width=LONGEST_SESSION)
    for name in (*(["kind"] if is_wide else []), "state", "progress", "age", "silent"):
        drawn.add_column(name, no_wrap=True)
    drawn.add_column("doing", no_wrap=True, ratio=1, overflow="ellipsis")
    if runtimes:
        drawn.add_column("runtime", no_wrap=True)
    for depth, record, where in rows:
        end = record.completed_at or now
        drawn.add_row(
            _cell("  " * depth + record.id),
            _cell(record.session_id),
            *([_cell(record.kind)] if is_wide else []),
            _cell(record.state, STYLES[record.state]),
            _cell(progress_text(record.progress)),
            _cell(duration_text(end - record.created_at)),
            _cell("" if record.is_terminal else duration_text(now - record.updated_at)),
            _doing(record),
            *([_cell(where.removeprefix("http://"))] if runtimes else []),
        )
    return drawn


def _doing(record: TaskRecord) -> Text:
    label, note = record.label, note_text(record)
    return Text.assemble(_cell(label), "  " if label and note else "", _cell(note, "dim" if label else ""))


def _cell(text: str, style: str = "") -> Text:
    return Text(console.plain(text), style)
