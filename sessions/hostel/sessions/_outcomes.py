"""What a task left, when it is large: it is kept once, apart from the record that lists and events carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ._json import to_text
from ._records import TaskOutcome

if TYPE_CHECKING:
    from ._events import TaskEvent
    from ._records import JsonValue, TaskRecord

LARGE = 64 * 1024
"""Bytes of JSON text that a record may carry."""


def size_of(value: JsonValue) -> int:
    """Return how many bytes the JSON text of `value` has, at least roughly where it is short."""
    if isinstance(value, (list, dict)):
        return len(to_text(value))
    if not isinstance(value, str):
        return 8
    return len(to_text(value)) if len(value) * 6 > LARGE else len(value)


def without_value(record: TaskRecord, size: int) -> TaskRecord:
    """Return `record` with the size of its result's value in the place of that value."""
    if record.result is None:
        return record
    return attrs.evolve(record, result=TaskOutcome(record.result.summary, None, size))


def with_value(record: TaskRecord, value: JsonValue) -> TaskRecord:
    """Return `record` with the value that was kept apart from it."""
    if record.result is None:
        return record
    return attrs.evolve(record, result=attrs.evolve(record.result, value=value))


def is_apart(record: TaskRecord) -> bool:
    """Tell whether the value of the result is kept apart from `record`."""
    result = record.result
    return result is not None and result.size is not None and result.value is None


def lightened(event: TaskEvent, size: int) -> TaskEvent:
    """Return `event` without the value of its record's result."""
    if event.record is None:
        return event
    return attrs.evolve(event, record=without_value(event.record, size))
