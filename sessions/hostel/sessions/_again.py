"""What a journal keeps of a named task beside its record, so that it can be started again as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import attrs

from ._json import as_json
from ._records import Backoff, TaskSpec

if TYPE_CHECKING:
    from ._json import Json
    from ._records import JsonValue, TaskRecord


def to_keep(spec: TaskSpec, params: JsonValue) -> JsonValue:
    """Return the JSON to keep of a task started with `spec` whose kind takes `params`.

    :raises TypeError, ValueError: if `params` are not JSON.
    """
    if params is None:
        return None
    return {"params": as_json(params), "timeout": spec.timeout, "retry": attrs.asdict(spec.retry)}


def from_kept(record: TaskRecord, kept: JsonValue) -> tuple[TaskSpec, JsonValue]:
    """Return how to start the task of `record` again and the params of its kind.

    :raises KeyError, TypeError: if `kept` is something else.
    """
    attempts = record.attempt.max_attempts
    if kept is None:
        return TaskSpec(max_attempts=attempts), None
    data = cast("Json", kept)
    retry, timeout = Backoff(**cast("dict[str, float]", data["retry"])), cast("float | None", data["timeout"])
    return TaskSpec(max_attempts=attempts, timeout=timeout, retry=retry), data["params"]
