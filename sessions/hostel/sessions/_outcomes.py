"""What a task left, when it is large: it is kept once, apart from the record that lists and events carry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anyio.to_thread
import attrs

from ._json import to_text
from ._records import TaskOutcome

if TYPE_CHECKING:
    from ._events import TaskEvent
    from ._records import JsonValue, TaskRecord

LARGE = 64 * 1024
"""Bytes of JSON text that a record may carry."""
MUCH = 1024 * 1024
"""Bytes of JSON text that are not read on the loop."""


def text_of(value: JsonValue) -> str:
    """Return JSON text of `value`, or for what is short at least something of that length."""
    if isinstance(value, (list, dict)):
        return to_text(value)
    # six bytes are the most that one character takes as JSON
    if isinstance(value, str):
        return to_text(value) if len(value) * 6 > LARGE else value
    return ""


def without_value(record: TaskRecord, size: int) -> TaskRecord:
    """Return `record` with the size of its result's value in the place of that value."""
    if record.result is None:
        return record
    return attrs.evolve(record, result=TaskOutcome(record.result.summary, None, size))


async def with_value(record: TaskRecord, text: str) -> TaskRecord:
    """Return `record` with the value that was kept apart from it, given as JSON text."""
    if record.result is None:
        return record
    value = json.loads(text) if len(text) < MUCH else await anyio.to_thread.run_sync(json.loads, text)
    return attrs.evolve(record, result=attrs.evolve(record.result, value=value))


def is_apart(record: TaskRecord) -> bool:
    """Tell whether the value of the result is kept apart from `record`."""
    result = record.result
    return result is not None and result.size is not None and result.value is None


def value_size_of(event: TaskEvent) -> int:
    """Return how many bytes of JSON text the value has that came with `event`."""
    result = event.record.result if event.record is not None else None
    return len(text_of(result.value)) if result is not None else 0


def lightened(event: TaskEvent, size: int) -> TaskEvent:
    """Return `event` without the value of its record's result."""
    if event.record is None:
        return event
    return attrs.evolve(event, record=without_value(event.record, size))
