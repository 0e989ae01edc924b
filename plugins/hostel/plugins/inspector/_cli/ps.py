"""`hostel ps`: the tasks of every runtime in one table."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import attrs
import typer

from hostel.runtime import console
from hostel.runtime.text import duration_text, parse_duration
from hostel.sessions.json import record_to_json

from .._errors import InspectorError
from .client import Found, runtimes
from .format import as_tree, note_text, progress_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostel.sessions import TaskRecord


COLUMNS = ("task", "session", "kind", "state", "progress", "age", "silent", "label", "note", "runtime")


@attrs.frozen
class Row:
    """One line of the table."""

    found: Found
    depth: int = 0


def print_tasks(
    *, session: str | None, kind: str | None, tree: bool, stuck: str | None, all: bool, as_json: bool
) -> None:
    """Print the tasks of all runtimes."""
    try:
        silence = None if stuck is None else parse_duration(stuck)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--stuck") from None
    query = {"session_id": session, "kind": kind, "include_terminal": "true" if all else None}
    rows = list(_rows({name: value for name, value in query.items() if value is not None}, silence, tree))
    if as_json:
        console.print_json(
            [{**record_to_json(row.found.record), "runtime": row.found.runtime.url} for row in rows]
        )
        return
    show_tasks([(row.depth, row.found.record, row.found.runtime.url) for row in rows])


def show_tasks(rows: list[tuple[int, TaskRecord, str]]) -> None:
    """Show the rows, each a depth, a record and where it is: drawn on a terminal, as lines when piped."""
    now = time.time()
    if not rows or not sys.stdout.isatty():
        lines = [_cells(record, where, now, depth) for depth, record, where in rows]
        console.print_table(COLUMNS, lines, "no tasks")
        return
    from rich.console import Console

    from .table import table

    screen = Console()
    several = len({where for _, _, where in rows}) > 1
    screen.print(table(rows, now, screen.width, runtimes=several))


def _rows(query: dict[str, str], silence: float | None, tree: bool) -> Iterator[Row]:
    for runtime in runtimes():
        try:
            records = list(runtime.tasks(query))
        except InspectorError as error:
            console.warn(error)
            continue
        if silence is not None:
            before = time.time() - silence
            records = [record for record in records if not record.is_terminal and record.updated_at <= before]
        placed = as_tree(records) if tree else [(0, record) for record in records]
        yield from (Row(Found(runtime, record), depth) for depth, record in placed)


def _cells(record: TaskRecord, where: str, now: float, depth: int) -> tuple[str, ...]:
    """Return the columns of one task."""
    end = record.completed_at or now
    return (
        "  " * depth + record.id,
        record.session_id,
        record.kind,
        record.state.value,
        progress_text(record.progress),
        duration_text(end - record.created_at),
        "" if record.is_terminal else duration_text(now - record.updated_at),
        record.label,
        note_text(record),
        where,
    )
