"""The verbs that look: lists, pages, sessions, events; and forgetting what has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._errors import UnknownCursor
from .._event_log.cursor import LogSubscription
from .._loop.portal import LoopPortal
from .._records import EVERYTHING, SessionSummary, TaskFilter, TaskPage, TaskRecord
from .._tasks.lists import latest, page_of, select, summaries
from .opened import OpenedHost

if TYPE_CHECKING:
    import builtins

    from .._admission.limits import Place

LATEST = 2**63 - 1
"""No event has a larger number."""


class ReadingVerbs(OpenedHost):
    """What one can look at without changing it."""

    async def get(self, task_id: str, *, session_id: str | None = None) -> TaskRecord | None:
        """Return the task's record with the whole of its result, or None if there is none."""
        table = self._host.table
        entry = await table.look_up(task_id, session_id)
        return await table.whole(entry) if entry is not None else None

    async def place(self, task_id: str, *, session_id: str | None = None) -> Place | None:
        """Return where a task waits for its turn and what for, None if it does not wait."""
        host = self._host
        return host.turns.place(await host.table.get(task_id, session_id))

    async def list(self, filter: TaskFilter | None = None) -> builtins.list[TaskRecord]:
        """Return the records that match, by creation time."""
        return await select(self._host.table, filter or EVERYTHING)

    async def page(
        self, filter: TaskFilter | None = None, *, limit: int = 100, after: str | None = None
    ) -> TaskPage:
        """Return at most `limit` records that match, in the order their tasks came to this host, from the
        start or from where an earlier page's `next` says.

        Costs no more when there are many tasks; what comes and goes meanwhile never repeats a record.

        :raises ValueError: if `limit` is less than 1.
        :raises UnknownCursor: if `after` is not a page's `next`.
        """
        _check_page(limit, after)
        return await page_of(self._host.table, filter or EVERYTHING, limit, int(after or 0))

    async def ended(
        self, filter: TaskFilter | None = None, *, limit: int = 100, before: str | None = None
    ) -> TaskPage:
        """Return at most `limit` finished tasks that match, the latest end first, from the latest on or from
        where an earlier page's `next` says.

        Costs no more when there are many: a page looks at a bounded number of tasks, so it may hold few or
        none of those that match and still have a `next`.

        :raises ValueError: if `limit` is less than 1.
        :raises UnknownCursor: if `before` is not a page's `next`.
        """
        _check_page(limit, before)
        place = LATEST if before is None else int(before)
        return await latest(self._host.table, filter or EVERYTHING, limit, place)

    async def get_managed(self, session_id: str, task_id: str) -> TaskRecord | None:
        """Return the record of a task of the session, or None if it has none of that id."""
        return await self.get(task_id, session_id=session_id)

    async def list_managed(self, session_id: str) -> builtins.list[TaskRecord]:
        """Return the records of all registered tasks of the session, finished ones too."""
        return await self.list(TaskFilter(session_id, include_terminal=True))

    async def sessions(self) -> builtins.list[SessionSummary]:
        """Return every session at a glance, by first activity."""
        return await summaries(self._host.table)

    def subscribe(self, filter: TaskFilter | None = None, *, after: int | None = None) -> LogSubscription:
        """Return the events that match, from now on, or from after event number `after`."""
        return LogSubscription(self._host.table.log, filter or EVERYTHING, after)

    def portal(self) -> LoopPortal:
        """Return the way to call this host from other threads."""
        self._host.check_open()
        return LoopPortal(self._token)

    async def prune(
        self, session_id: str | None = None, *, keep: int = 0, older_than: float | None = None
    ) -> int:
        """Forget finished tasks, all but the `keep` latest of each session; return how many.

        `older_than` (seconds) spares those that ended more recently.
        """
        host = self._host
        before = None if older_than is None else host.now() - older_than
        await self._durable()
        pruned = await host.table.prune(session_id, keep, before)
        if pruned:
            host.outputs.sweep()
        return pruned


def _check_page(limit: int, cursor: str | None) -> None:
    if limit < 1:
        raise ValueError(f"a page has at least one record, not {limit}")
    if cursor is None:
        return
    is_number = cursor.isascii() and cursor.isdecimal() and len(cursor) < 20
    if not is_number or int(cursor) > LATEST:
        raise UnknownCursor(cursor)
