"""`hostel history`: what a journal says about tasks, whether their runtime still runs or died.

What is left of a damaged one can be saved."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hostel.runtime import console
from hostel.runtime.paths import data_dir as default_data_dir
from hostel.sessions import TaskFilter
from hostel.sessions.journal import JournalReader, salvage_journal
from hostel.sessions.json import event_to_json, record_to_json

from .._errors import Refused
from .._server.task_history import own_events
from .ps import show_tasks
from .rows import Row
from .show import task_lines

if TYPE_CHECKING:
    from pathlib import Path

    from hostel.sessions import TaskEvent, TaskRecord

NAME = "journal.sqlite3"


def print_history(
    task_id: str | None,
    *,
    data_dir: Path | None,
    session: str | None,
    kind: str | None,
    as_json: bool,
) -> None:
    """Print all tasks of a journal, or one with what happened to it."""
    path = (data_dir or default_data_dir()) / NAME
    with console.one_sentence(), JournalReader(path) as journal:
        records = journal.records(TaskFilter(session, kind, include_terminal=True))
        if task_id is None:
            _print_all(records, path, as_json=as_json)
        else:
            record = _chosen(records, task_id)
            events = own_events(journal.events(filter=TaskFilter(kind=record.kind)), record)
            _print_one(record, events, records, path, as_json=as_json)
        if not journal.is_hosted and any(record.state.is_live for record in records):
            console.warn("nobody runs this journal: what looks live was cut off, its next host will say so")
        for damage in journal.damage:
            console.warn(f"journal {path}: {damage}")
        if journal.damage:
            console.warn("`hostel history --salvage --to FILE` writes what is left to a new journal")


def salvage_to(into: Path, *, data_dir: Path | None, as_json: bool) -> None:
    """Write what is left of a journal to a new one and print how much that is."""
    path = (data_dir or default_data_dir()) / NAME
    with console.one_sentence():
        saved = salvage_journal(path, into)
    for damage in saved.damage:
        console.warn(f"journal {path}: {damage}")
    if as_json:
        console.print_json(
            {
                "tasks": saved.tasks,
                "events": saved.events,
                "damage": list(saved.damage),
                "journal": str(path),
                "to": str(into),
            }
        )
        return
    console.print_lines([f"saved {saved.tasks} tasks and {saved.events} events to {into}"])


def _chosen(records: list[TaskRecord], task_id: str) -> TaskRecord:
    found = [record for record in records if record.id == task_id]
    if not found:
        raise Refused(404, "unknown-task", f"the journal has no task {task_id!r}")
    if len(found) > 1:
        sessions = ", ".join(record.session_id for record in found)
        detail = f"several sessions have a task {task_id!r}: say which with --session ({sessions})"
        raise Refused(409, "ambiguous-task-id", detail)
    return found[0]


def _print_all(records: list[TaskRecord], path: Path, *, as_json: bool) -> None:
    if as_json:
        console.print_json([{**record_to_json(record), "journal": str(path)} for record in records])
        return
    show_tasks([Row(record, str(path)) for record in records])


def _print_one(
    record: TaskRecord, events: list[TaskEvent], records: list[TaskRecord], path: Path, *, as_json: bool
) -> None:
    children = [one for one in records if one.parent_task_id == record.id]
    if as_json:
        console.print_json(
            {
                **record_to_json(record),
                "history": [event_to_json(event) for event in events],
                "children": [record_to_json(child) for child in children],
                "journal": str(path),
            }
        )
        return
    lines = task_lines(record, events, children, ("journal", str(path)), time.time())
    console.print_lines(lines)
