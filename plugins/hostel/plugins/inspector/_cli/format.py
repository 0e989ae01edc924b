"""Tasks as text, for terminals and pipes: durations, sizes, bars, and one line on what matters most.

Texts of tasks are left as they are: what prints them makes them harmless."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostel.runtime.text import amount_text
from hostel.sessions import EventType, TaskState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostel.sessions import Progress, TaskEvent, TaskOutcome, TaskRecord

BAR = 10


def progress_text(progress: Progress | None) -> str:
    """Return how far a task is: a bar and a percentage if that is known, else what is done."""
    if progress is None or progress.done is None:
        return ""
    if not progress.total:
        return amount_text(progress.done, progress.unit)
    share = progress.done / progress.total
    filled = int(share * BAR)
    return f"{'█' * filled}{'░' * (BAR - filled)} {share:4.0%}"


def share_text(progress: Progress | None) -> str:
    """Return how far a task is in few characters."""
    if progress is None or progress.done is None or not progress.total:
        return progress_text(progress)
    return f"{progress.done / progress.total:.0%}"


def note_text(record: TaskRecord) -> str:
    """Return what one should know first about a task: why it failed, who cancelled it, what it does."""
    if record.failure is not None:
        return record.failure.message
    if record.state in (TaskState.CANCEL_REQUESTED, TaskState.CANCELLED):
        by = f"by {record.cancel_actor}" if record.cancel_actor else ""
        return ": ".join(part for part in (by, record.cancel_reason) if part)
    if record.result is not None:
        return _outcome(record.result)
    if record.question is not None:
        return f"asks: {record.question.message}"
    if record.progress is None or record.is_terminal:
        return ""
    return record.progress.message or ""


def _outcome(result: TaskOutcome) -> str:
    if result.summary:
        return result.summary
    return str(result.value) if isinstance(result.value, str | int | float) else ""


def event_text(event: TaskEvent) -> str:
    """Return what happened."""
    record = event.record
    if record is None:
        return f"{event.count or 'some'} events were missed"
    match event.type:
        case EventType.STATE_CHANGED:
            return f"{event.previous} → {record.state}"
        case EventType.PROGRESS:
            return " ".join(part for part in (progress_text(record.progress), note_text(record)) if part)
        case EventType.INTERRUPTED:
            return "its host stopped; it goes on with the next"
        case EventType.TRANSFERRED:
            return f"from {event.from_session_id or ''} to {event.session_id}"
        case EventType.REGISTERED:
            return record.label or record.kind
        case _:
            return note_text(record)


def as_tree(records: Iterable[TaskRecord]) -> list[tuple[int, TaskRecord]]:
    """Return records with how deep they are below others of their session, parents before children."""
    known = {(record.session_id, record.id): record for record in records}
    children: dict[tuple[str, str] | None, list[TaskRecord]] = {}
    for record in known.values():
        parent = (record.session_id, record.parent_task_id or "")
        children.setdefault(parent if parent in known else None, []).append(record)
    rows: list[tuple[int, TaskRecord]] = []
    waiting = [(0, record) for record in reversed(children.pop(None, []))]
    while waiting:
        depth, record = waiting.pop()
        rows.append((depth, record))
        below = children.pop((record.session_id, record.id), [])
        waiting += [(depth + 1, child) for child in reversed(below)]
    # parents that are each other's children are in no tree, and are shown all the same
    rows += [(0, record) for circle in children.values() for record in circle]
    return rows
