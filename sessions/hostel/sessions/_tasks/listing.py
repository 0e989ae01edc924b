"""Lists and pages: what is in memory and what a journal has, each task once, as pure functions of both.

A journal answers as of an event number; what has ended up to there is the journal's to tell, the rest is
memory's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._errors import AmbiguousTaskId
from .._records import TaskFilter, TaskPage, TaskRecord, by_age
from .entry import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .._journal.protocol import Kept


def only(task_id: str, entries: Sequence[Entry]) -> Entry | None:
    if len(entries) == 1:
        return entries[0]
    live = [entry for entry in entries if entry.live]
    if len(live) == 1:
        return live[0]
    if entries:
        raise AmbiguousTaskId(task_id, sorted(entry.record.session_id for entry in live or entries))
    return None


def past(kept: Kept) -> Entry:
    return Entry(kept.record, number=kept.number, is_done=True)


def not_yet_past(entries: Iterable[Entry], through: int) -> list[Entry]:
    """Return those that a journal does not have as finished, as of event number `through`."""
    return [entry for entry in entries if entry.live or entry.record.seq > through]


def may_show_past(filter: TaskFilter) -> bool:
    return filter.shows_ended and (filter.state is None or filter.state.is_terminal)


def merged(entries: Iterable[Entry], filter: TaskFilter, past: Sequence[Kept] = ()) -> list[TaskRecord]:
    records = [kept.record for kept in past]
    records += [entry.record for entry in entries if filter.lists(entry.record)]
    return sorted(records, key=by_age)


def page(numbered: Sequence[tuple[int, TaskRecord]], limit: int, *, more: bool = False) -> TaskPage:
    shown = numbered[:limit]
    more = bool(shown) and (more or len(numbered) > limit)
    return TaskPage([record for _, record in shown], str(shown[-1][0]) if more else None)


def number(numbered: tuple[int, TaskRecord]) -> int:
    return numbered[0]


def number_of(entry: Entry) -> int:
    return entry.number
