"""What a reader of event streams knows: the latest record of each task, whatever order events come in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from hostel.sessions import EventType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostel.sessions import TaskEvent, TaskRecord

Key = tuple[str, str, str]


@attrs.define
class TaskView:
    """The tasks of several runtimes by runtime, session and id."""

    tasks: dict[Key, TaskRecord] = attrs.Factory(dict)
    _seen: dict[str, set[Key]] = attrs.Factory(dict)

    def apply(self, runtime: str, event: TaskEvent) -> bool:
        """Take in an event; return whether it is newer than what was known."""
        record = event.record
        if record is None:
            return True
        key = (runtime, record.session_id, record.id)
        if event.type is EventType.TRANSFERRED:
            self.tasks.pop((runtime, event.from_session_id or "", record.id), None)
        known = self.tasks.get(key)
        if known is not None and known.seq >= record.seq:
            return False
        self.tasks[key] = record
        return True

    def apply_part(self, runtime: str, records: Iterable[TaskRecord], *, complete: bool) -> None:
        """Take in part of a snapshot; with the last part, forget the tasks it did not have."""
        seen = self._seen.setdefault(runtime, set())
        for record in records:
            key = (runtime, record.session_id, record.id)
            seen.add(key)
            known = self.tasks.get(key)
            if known is None or known.seq < record.seq:
                self.tasks[key] = record
        if complete:
            self.begin(runtime)
            for key in [key for key in self.tasks if key[0] == runtime and key not in seen]:
                del self.tasks[key]

    def begin(self, runtime: str) -> None:
        """Expect a snapshot from its beginning: the last one may have been cut off."""
        self._seen.pop(runtime, None)

    def forget(self, runtime: str) -> None:
        """Forget all tasks of a runtime that is gone."""
        self.begin(runtime)
        for key in [key for key in self.tasks if key[0] == runtime]:
            del self.tasks[key]

    def live(self) -> list[tuple[str, TaskRecord]]:
        """Return the live tasks with their runtimes, the latest change first."""
        found = [(key[0], record) for key, record in self.tasks.items() if not record.is_terminal]
        return sorted(found, key=lambda one: one[1].updated_at, reverse=True)
