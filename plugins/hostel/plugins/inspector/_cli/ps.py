"""`hostel ps`: the tasks of every runtime in one table."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import typer

from hostel.runtime import console
from hostel.runtime.text import duration_text, parse_duration
from hostel.sessions.json import record_to_json

from .._errors import InspectorError
from .._lints import SILENT_AFTER, all_lints, findings
from .client import runtimes
from .format import as_tree, note_text, progress_text
from .rows import Row, warnings

if TYPE_CHECKING:
    from hostel.sessions import JsonValue

    from .._lints import Lint
    from .client import RemoteRuntime


COLUMNS = (
    "task",
    "session",
    "kind",
    "state",
    "progress",
    "age",
    "sign",
    "label",
    "note",
    "warning",
    "runtime",
)


def print_tasks(
    *,
    session: str | None,
    kind: str | None,
    tree: bool,
    warn: bool,
    silent_after: str | None,
    all: bool,
    as_json: bool,
) -> None:
    """Print the tasks of all runtimes, only those that something looks wrong with to `warn` of them."""
    try:
        lints = all_lints(SILENT_AFTER if silent_after is None else parse_duration(silent_after))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--silent-after") from None
    asked = {"session_id": session, "kind": kind, "include_terminal": "true" if all else None}
    query = {name: value for name, value in asked.items() if value is not None}
    rows = [row for runtime in runtimes() for row in _rows(runtime, query, lints, tree=tree, warn=warn)]
    if as_json:
        now = time.time()
        console.print_json([_to_json(row, lints, now) for row in rows])
        return
    show_tasks(rows)


def show_tasks(rows: list[Row]) -> None:
    """Show the rows: drawn on a terminal, as lines when piped."""
    now = time.time()
    if not rows or not sys.stdout.isatty():
        console.print_table(COLUMNS, [_cells(row, now) for row in rows], "no tasks")
        return
    from rich.console import Console

    from .table import lines

    screen = Console()
    several = len({row.where for row in rows}) > 1
    for line in lines(rows, now, screen.width, runtimes=several):
        screen.print(line, soft_wrap=True)


def _rows(
    runtime: RemoteRuntime, query: dict[str, str], lints: tuple[Lint, ...], *, tree: bool, warn: bool
) -> list[Row]:
    try:
        records = list(runtime.tasks(query))
    except InspectorError as error:
        console.warn(error)
        return []
    wrong = warnings(records, lints, time.time())
    if warn:
        records = [record for record in records if (record.session_id, record.id) in wrong]
    placed = as_tree(records) if tree else [(0, record) for record in records]
    return [
        Row(record, runtime.url, depth, wrong.get((record.session_id, record.id), ""))
        for depth, record in placed
    ]


def _to_json(row: Row, lints: tuple[Lint, ...], now: float) -> dict[str, JsonValue]:
    told: list[JsonValue] = [
        {"lint": found.lint.name, "since": found.since, "text": found.text(now)}
        for found in findings([row.record], lints, now)
    ]
    return {**record_to_json(row.record), "lints": told, "runtime": row.where}


def _cells(row: Row, now: float) -> tuple[str, ...]:
    """Return the columns of one task."""
    record = row.record
    end = record.completed_at or now
    return (
        "  " * row.depth + record.id,
        record.session_id,
        record.kind,
        record.state.value,
        progress_text(record.progress),
        duration_text(end - record.created_at),
        "" if record.is_terminal else duration_text(now - record.updated_at),
        record.label,
        note_text(record),
        row.warning,
        row.where,
    )
