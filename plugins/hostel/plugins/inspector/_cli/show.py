"""`hostel show`: one task, its timeline and its children."""

from __future__ import annotations

import time
from itertools import zip_longest
from typing import TYPE_CHECKING, cast

from hostel.runtime import console
from hostel.runtime.text import duration_text, size_text
from hostel.sessions import EventType, Priority
from hostel.sessions.json import event_to_json, record_to_json

from .client import runtimes
from .control import find
from .format import event_text, note_text, progress_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostel.sessions import JsonValue, TaskEvent, TaskRecord


def print_task(task_id: str, *, session: str | None, as_json: bool) -> None:
    """Print one task of whichever runtime has it."""
    with console.one_sentence():
        found = find(runtimes(), task_id, session)
        details = found.runtime.task(task_id, found.record.session_id)
    if as_json:
        console.print_json(
            {
                **record_to_json(details.record),
                "history": [event_to_json(event) for event in details.history],
                "children": [record_to_json(child) for child in details.children],
                "place": details.place,
                "runtime": found.runtime.url,
            }
        )
        return
    where = ("runtime", found.runtime.url)
    lines = task_lines(
        details.record,
        details.history,
        details.children,
        where,
        time.time(),
        place=_place_text(details.place),
    )
    console.print_lines(lines)


def task_lines(
    record: TaskRecord,
    history: list[TaskEvent],
    children: list[TaskRecord],
    where: tuple[str, str],
    now: float,
    *,
    place: str = "",
) -> Iterator[str]:
    """Yield all there is to say about a task, line by line; `where` is a word and what it names, `place`
    where it waits for its turn.
    """
    facts = [*_facts(record, now), ("place", place), where]
    width = max(len(name) for name, _ in facts)
    yield from (f"{name:<{width}}  {value}" for name, value in facts if value)
    if history:
        yield ""
        yield from timeline(history, record)
    if children:
        yield ""
        yield from (f"started  {child.id}  {child.state}" for child in children)
    if record.failure is not None and record.failure.traceback:
        yield ""
        yield from (f"    {line}" for line in record.failure.traceback.splitlines())


def _facts(record: TaskRecord, now: float) -> list[tuple[str, str]]:
    attempt = record.attempt
    silent = "" if record.is_terminal else f"{duration_text(now - record.updated_at)} ago"
    return [
        ("task", record.id),
        ("label", record.label),
        ("state", record.state.value),
        ("note", note_text(record)),
        *_question(record),
        ("progress", progress_text(record.progress)),
        ("output", size_text(record.output_bytes) if record.output_bytes else ""),
        ("session", record.session_id),
        ("kind", record.kind),
        ("producer", record.producer),
        ("priority", "" if record.priority is Priority.NORMAL else record.priority.value),
        ("not before", _moment(record.not_before)),
        ("parent", record.parent_task_id or ""),
        ("attempt", f"{attempt.counted} of {attempt.max_attempts}" if attempt.max_attempts > 1 else ""),
        ("interrupted", f"{attempt.interruptions} times" if attempt.interruptions else ""),
        ("policies", f"cancel {record.cancel_policy}, close {record.close_policy}"),
        ("created", _moment(record.created_at)),
        ("ended", _moment(record.completed_at)),
        ("took", duration_text((record.completed_at or now) - record.created_at)),
        ("last sign", silent),
    ]


def _place_text(place: dict[str, JsonValue] | None) -> str:
    return "" if place is None else f"number {place['number']}: {place['reason']}"


def _question(record: TaskRecord) -> list[tuple[str, str]]:
    asked = record.question
    if asked is None:
        return []
    names = ", ".join(cast("dict[str, object]", (asked.schema or {}).get("properties", {})))
    return [("choices", " | ".join(asked.choices or ())), ("fields", names)]


def timeline(history: list[TaskEvent], record: TaskRecord) -> Iterator[str]:
    """Yield a line for each event, with the time since the task was created; of progress in a row only the
    last.
    """
    for event, following in zip_longest(history, history[1:]):
        if following is not None and event.type is following.type is EventType.PROGRESS:
            continue
        since = f"+{duration_text(event.at - record.created_at)}"
        yield f"{since:>9}  {event.type:<16}  {event_text(event)}".rstrip()


def _moment(at: float | None) -> str:
    return "" if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
