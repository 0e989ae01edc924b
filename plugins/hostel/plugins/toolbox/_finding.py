"""The task that a model names, and the names it is told."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from ._mistakes import Mistake
from ._short_ids import ShortIds, key_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostel.runtime import Session
    from hostel.sessions import TaskRecord

MENTIONED = 10
_SHORT_IDS: weakref.WeakKeyDictionary[Session, ShortIds] = weakref.WeakKeyDictionary()
"""The tools of a session and its notices call a task by the same name."""


class Finder:
    """Finds the tasks of a session by short id or by id."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._ids = _SHORT_IDS.setdefault(session, ShortIds())

    async def name(self, record: TaskRecord) -> str:
        """Return what a task is called."""
        return (await self.names([record]))[0]

    async def names(self, records: Iterable[TaskRecord]) -> list[str]:
        """Return what tasks are called."""
        named = list(records)
        if any(self._ids.of(record) is None for record in named):
            self._ids.see([*await self._session.list(include_terminal=True), *named])
        return [self._ids.of(record) or record.id for record in named]

    async def record(self, given: str) -> TaskRecord:
        """Return the task that is called so.

        :raises Mistake: if there is none.
        """
        key = self._ids.key(given)
        if key is None:
            self._ids.see(await self._session.list(include_terminal=True))
            key = self._ids.key(given)
        record = await self._session.get(given if key is None else key.id)
        if record is None or (key is not None and key_of(record) != key):
            raise Mistake(await self._unknown(given))
        return record

    async def _unknown(self, given: str) -> str:
        live = await self._session.list()
        names = ", ".join(await self.names(live[-MENTIONED:])) or "none"
        more = f" and {len(live) - MENTIONED} more" if len(live) > MENTIONED else ""
        return f"There is no task {given[:100]!r}; live are {names}{more}: list_background_tasks shows all."
