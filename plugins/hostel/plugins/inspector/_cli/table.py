"""Tasks as lines of a terminal, as wide as it is: `fitting` says what there is room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from hostel.runtime import console
from hostel.runtime.text import duration_text
from hostel.sessions import TaskState

from .fitting import ORDER, fitted, gap_of, padded, shortened
from .format import note_text, progress_text, share_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .rows import Row

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
WARNING = "bold yellow"
MARK = "!"
"""Stands before the last sign of a task that something looks wrong with."""
INDENT = 2


def lines(rows: Sequence[Row], now: float, width: int, *, runtimes: bool = False) -> list[Text]:
    """Return a line of heads and one for each row, none of more than `width` cells.

    `runtimes` adds where they are, at least the port.
    """
    texts = [_texts(row, now) for row in rows]
    wanted = {name: max(map(cell_len, (name, *(one[name] for one in texts)))) for name in ORDER}
    if not runtimes:
        del wanted["runtime"]
    ports = max((cell_len(_port(one["runtime"])) for one in texts), default=0)
    cells = fitted(wanted, width, least_runtime=ports)
    gap = " " * gap_of(width)
    head = gap.join(padded(shortened(name, count), count) for name, count in cells.items())
    drawn = [Text(head.rstrip(), "dim", no_wrap=True)]
    for row, one in zip(rows, texts, strict=True):
        line = Text(no_wrap=True)
        for name, count in cells.items():
            line.append(gap if line else "")
            line.append(padded(_cut(name, one[name], row, count), count), _style(name, row))
        line.rstrip()
        drawn.append(line)
    return drawn


def _texts(row: Row, now: float) -> dict[str, str]:
    record = row.record
    end = record.completed_at or now
    sign = "" if record.is_terminal else duration_text(now - record.updated_at)
    doing = " · ".join(part for part in (row.warning, record.label, note_text(record)) if part)
    asked = record.state is TaskState.CANCEL_REQUESTED
    texts = {
        "task": " " * INDENT * row.depth + record.id,
        "session": record.session_id,
        "kind": record.kind,
        "state": "stopping" if asked else record.state.value,
        "progress": progress_text(record.progress),
        "age": duration_text(end - record.created_at),
        "sign": f"{MARK}{sign}" if row.warning else sign,
        "doing": doing,
        "runtime": row.where.removeprefix("http://").partition(" ")[0],
    }
    return {name: console.plain(text) for name, text in texts.items()}


def _cut(name: str, text: str, row: Row, cells: int) -> str:
    match name:
        case "task":
            # what one copies keeps its beginning and its end, and gives up its place in the tree first
            indent = min(len(text) - len(text.lstrip()), cells // 3, INDENT * row.depth)
            return " " * indent + shortened(console.plain(row.record.id), cells - indent, keep_end=True)
        case "progress" if cell_len(text) > cells:
            return shortened(console.plain(share_text(row.record.progress)), cells)
        case "runtime" if cell_len(text) > cells:
            return _port(text)
    return shortened(text, cells)


def _port(where: str) -> str:
    before, colon, port = where.rpartition(":")
    return f":{port}" if colon and before else where


def _style(name: str, row: Row) -> str:
    if name == "state":
        return STYLES[row.record.state]
    return WARNING if row.warning and name in ("sign", "doing") else ""
