"""What has ended, the latest end first, and searched.

A search reads what the host keeps in pieces and gives up after some: it answers what it has found and where
to go on. So no request takes long, however much was finished long ago."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.lowlevel
import attrs

from hostel.sessions.json import record_to_json

from .._server.params import Query, invalid
from .finding import Resources, answer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request
    from starlette.responses import Response

    from hostel.sessions import JsonValue, TaskPage, TaskRecord

    from .._server.cursors import Cursors

PIECE = 250
"""Tasks that are held against the words at once."""
MOST_PIECES = 8
LONGEST_SEARCH = 200
KNOWN = ("q", "session_id", "kind", "state", "parent_task_id", "before", "limit")


@attrs.define
class Search:
    """A search on its way back through what has ended: `found` records that have all `words`, until there are
    `limit`; `before` is where it goes on, None at the end.
    """

    words: tuple[str, ...]
    limit: int
    before: str | None
    found: list[TaskRecord] = attrs.Factory(list)
    looked_at: int = 0

    @property
    def wants(self) -> int:
        """How many tasks to look at next."""
        return PIECE if self.words else self.limit

    @property
    def is_over(self) -> bool:
        """Whether enough was found, or there is no more."""
        return len(self.found) == self.limit or self.before is None

    def take(self, page: TaskPage) -> None:
        """Look through the tasks of a page."""
        self.before = page.next
        for place, record in enumerate(page.records, 1):
            self.looked_at += 1
            if has_words(record, self.words):
                self.found.append(record)
            if len(self.found) == self.limit:
                if place < len(page.records):
                    self.before = str(record.seq)
                return


class History(Resources):
    """What one can ask of tasks that have ended."""

    _cursors: Cursors

    async def history(self, request: Request) -> Response:
        """List tasks that have ended, the latest end first."""
        query = Query(request, KNOWN)
        search = Search(_words(query), query.limit(50), self._cursors.place(query.text("before")))
        filter = query.filter()
        for _ in range(MOST_PIECES):
            page = await self._host.ended(filter, limit=search.wants, before=search.before)
            search.take(page)
            if search.is_over:
                break
            # a host without a journal has answered at once
            await anyio.lowlevel.checkpoint()
        items: list[JsonValue] = [record_to_json(record) for record in search.found]
        cursor = self._cursors.write(search.before) if search.before is not None else None
        return answer({"items": items, "next": cursor, "looked_at": search.looked_at})


def has_words(record: TaskRecord, words: Iterable[str]) -> bool:
    """Tell whether all `words`, in small letters, are somewhere in what is said of a task."""
    told = [record.id, record.session_id, record.kind, record.label, record.producer, record.cancel_reason]
    told += [record.failure.message if record.failure is not None else None]
    told += [record.result.summary if record.result is not None else None]
    hay = "\n".join(filter(None, told)).lower()
    return all(word in hay for word in words)


def _words(query: Query) -> tuple[str, ...]:
    given = query.text("q") or ""
    if len(given) > LONGEST_SEARCH:
        raise invalid(f"q has at most {LONGEST_SEARCH} characters")
    return tuple(given.lower().split())
