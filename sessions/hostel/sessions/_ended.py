"""What whoever waits for a task gets where it has no result: the errors that carry its last record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._errors import SessionsError

if TYPE_CHECKING:
    from ._records import TaskRecord


class _TaskEnded(SessionsError):
    def __init__(self, record: TaskRecord, how: str) -> None:
        super().__init__(f"task {record.id!r} {how}")
        self.record = record


class TaskFailed(_TaskEnded):
    """The task waited for has failed or was abandoned; the exception it raised, if any, is the cause."""

    def __init__(self, record: TaskRecord) -> None:
        failure = record.failure
        super().__init__(record, f"{record.state}: {failure.message}" if failure else f"was {record.state}")


class TaskCancelled(_TaskEnded):
    """The task waited for was cancelled; who asked and why is in its record."""

    def __init__(self, record: TaskRecord) -> None:
        by = f" by {record.cancel_actor}" if record.cancel_actor else ""
        why = f": {record.cancel_reason}" if record.cancel_reason else ""
        super().__init__(record, f"was cancelled{by}{why}")
