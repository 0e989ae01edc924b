"""What whoever started a task holds of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar, cast

from .._ended import TaskCancelled, TaskFailed
from ..states import TaskState
from .cancel import request_cancel

if TYPE_CHECKING:
    from .._records import TaskRecord
    from .._tasks.entry import Entry
    from .open_host import OpenHost

T_co = TypeVar("T_co", covariant=True)


class LocalTaskHandle(Generic[T_co]):
    """A managed task in the hands of its starter. Dropping it changes nothing for the task."""

    __slots__ = ("_entry", "_host", "_result")

    def __init__(self, host: OpenHost, entry: Entry) -> None:
        self._host = host
        self._entry = entry
        self._result = entry.run.result if entry.run is not None else None

    def __repr__(self) -> str:
        return f"<TaskHandle {self.session_id}/{self.id} {self.record.state}>"

    @property
    def id(self) -> str:
        """The task's id."""
        return self._entry.record.id

    @property
    def session_id(self) -> str:
        """The session the task belongs to now."""
        return self._entry.record.session_id

    @property
    def record(self) -> TaskRecord:
        """The task's record at this moment, as lists have it."""
        return self._entry.record

    async def wait(self) -> T_co:
        """Wait for the end and return what the body returned. Being cancelled while waiting leaves the task
        alone.

        A handle of a task that had already ended returns the JSON value kept in its record.

        :raises TaskFailed: if it failed or was abandoned; what it raised is the cause.
        :raises TaskCancelled: if it was cancelled.
        """
        record = await self._entry.done()
        if record.state is TaskState.COMPLETED:
            result = self._result
            if result is not None and result.present:
                return cast("T_co", result.value)
            record = await self._host.table.whole(self._entry)
            return cast("T_co", record.result.value if record.result else None)
        if record.state is TaskState.CANCELLED:
            raise TaskCancelled(record)
        raise TaskFailed(record) from (self._result.error if self._result else None)

    async def cancel(self, reason: str | None = None, *, actor: str | None = None) -> TaskRecord:
        """Ask the task to stop, by its policy, and return its record without waiting for the end."""
        return await request_cancel(self._host, self._entry, reason, actor)
