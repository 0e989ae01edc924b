"""What a journal keeps of a task beside its record, so that a later host can run it again as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import attrs

from .._json import as_json
from .._records import Backoff, TaskAttempt, TaskSpec

if TYPE_CHECKING:
    from .._json import Json
    from .._records import JsonValue

FEWEST_CRASHES = 3
"""How often a task may take its host down before it is given up, whatever its `max_attempts`."""


@attrs.frozen
class RestartInfo:
    """How to run a task again. `managed` tells whether a host runs it, or somebody else does."""

    params: JsonValue
    timeout: float | None
    retry: Backoff
    resumable: bool
    managed: bool

    def spec(self, attempt: TaskAttempt) -> TaskSpec:
        """Return what the next run of a task with these attempts goes by."""
        return TaskSpec(max_attempts=attempt.max_attempts, timeout=self.timeout, retry=self.retry)


def restart_info_to_json(spec: TaskSpec, *, managed: bool) -> JsonValue:
    """Return the JSON to keep of a task started with `spec`, None if it will not be run again.

    :raises TypeError, ValueError: if its params are not JSON.
    """
    if not spec.resumable and spec.params is None:
        return None
    return {
        "params": as_json(spec.params),
        "timeout": spec.timeout,
        "retry": attrs.asdict(spec.retry),
        "resumable": spec.resumable,
        "managed": managed,
    }


def restart_info_from_json(kept: JsonValue) -> RestartInfo | None:
    """Return the restart info whose JSON form is `kept`, None if none was kept.

    :raises KeyError, TypeError, ValueError: if it is something else.
    """
    if kept is None:
        return None
    data = cast("Json", kept)
    return RestartInfo(
        data["params"],
        cast("float | None", data["timeout"]),
        Backoff(**cast("dict[str, float]", data["retry"])),
        bool(data.get("resumable", True)),  # those of before were kept of resumable tasks alone
        bool(data.get("managed", True)),
    )


def is_crash_loop(attempt: TaskAttempt) -> bool:
    """Tell whether a task whose host died once more has had its runs."""
    return attempt.counted >= max(attempt.max_attempts, FEWEST_CRASHES)
