"""Lists, pages and sessions at a glance: read from the table and its journal, put together by `listing`."""

from __future__ import annotations

from collections import Counter
from heapq import nlargest
from itertools import islice
from typing import TYPE_CHECKING

import anyio.to_thread

from .._journal.protocol import Summaries, TaskQuery
from .._records import SessionSummary, TaskFilter, TaskPage, TaskRecord
from .index import FEW
from .listing import may_show_past, merged, not_yet_past, number, number_of, page

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..states import TaskState
    from .entry import Entry
    from .session_tasks import SessionTasks
    from .table import TaskTable

MANY = 1_000
"""Records that are not sorted on the loop, which others need meanwhile."""


async def select(table: TaskTable, filter: TaskFilter) -> list[TaskRecord]:
    """Return the records that match, by creation time."""
    entries = list(table.candidates(filter))
    if table.journal is None or not may_show_past(filter):
        return merged(entries, filter)
    found = await table.journal.finished(TaskQuery(filter))
    ours = not_yet_past(entries, found.through)
    if len(found.tasks) < MANY:
        return merged(ours, filter, found.tasks)
    return await anyio.to_thread.run_sync(merged, ours, filter, found.tasks)


async def page_of(table: TaskTable, filter: TaskFilter, limit: int, after: int) -> TaskPage:
    """Return the first `limit` records that match of the tasks that came after number `after`."""
    entries = _first(table, filter, limit + 1, after)
    if table.journal is None or not may_show_past(filter):
        return page([(entry.number, entry.record) for entry in entries], limit)
    found = await table.journal.finished(TaskQuery(filter, after=after, limit=limit + 1))
    here = dict.fromkeys([*entries, *_first(table, filter, limit + 1, after)])
    numbered = [(entry.number, entry.record) for entry in not_yet_past(here, found.through)]
    numbered = [one for one in numbered if filter.lists(one[1])]
    numbered += [(kept.number, kept.record) for kept in found.tasks]
    return page(sorted(numbered, key=number), limit, more=len(entries) > limit)


def _first(table: TaskTable, filter: TaskFilter, count: int, after: int) -> list[Entry]:
    session = table.sessions.get(filter.session_id) if filter.session_id is not None else None
    entries: Iterable[Entry] = table.index.after(after)
    if filter.session_id is not None and (session is None or len(session.tasks) <= FEW):
        tasks = session.tasks.values() if session is not None else ()
        entries = sorted((entry for entry in tasks if entry.number > after), key=number_of)
    return list(islice((entry for entry in entries if filter.lists(entry.record)), count))


async def latest(table: TaskTable, filter: TaskFilter, limit: int, before: int) -> TaskPage:
    """Return finished tasks that match and ended before event number `before`, the latest end first."""
    if filter.state is not None and filter.state.is_live:
        return TaskPage([], None)
    if table.journal is None:
        return _latest_here(table, filter, limit, before)
    # what has ended is the journal's: here is only what nobody is told of yet
    found = await table.journal.finished(TaskQuery(filter, before=before, limit=limit))
    return TaskPage([kept.record for kept in found.tasks], str(found.reached) if found.reached else None)


def _latest_here(table: TaskTable, filter: TaskFilter, limit: int, before: int) -> TaskPage:
    sessions = table.sessions.values() if filter.session_id is None else _named(table, filter.session_id)
    records = (entry.record for session in sessions for entry in session.finished.values())
    matching = (record for record in records if record.seq < before and filter.matches(record))
    found = nlargest(limit + 1, matching, key=by_seq)
    return TaskPage(found[:limit], str(found[limit - 1].seq) if len(found) > limit else None)


def by_seq(record: TaskRecord) -> int:
    return record.seq


def _named(table: TaskTable, session_id: str) -> list[SessionTasks]:
    session = table.sessions.get(session_id)
    return [] if session is None else [session]


async def summaries(table: TaskTable) -> list[SessionSummary]:
    """Return every session at a glance, by first activity."""
    sessions, entries = dict(table.sessions), list(table.candidates(TaskFilter()))
    found = await table.journal.summaries() if table.journal is not None else Summaries()
    counts: dict[str, Counter[TaskState]] = {}
    for entry in not_yet_past(entries, found.through):
        counts.setdefault(entry.record.session_id, Counter())[entry.record.state] += 1
    glances = dict(found.sessions)
    for id, session in (sessions | table.sessions).items():
        if id in counts or id in table.sessions:
            glances[id] = session.summary(counts.get(id, {}), glances.get(id))
    return sorted(glances.values(), key=lambda summary: (summary.first_activity, summary.id))
