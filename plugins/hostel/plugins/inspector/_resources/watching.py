"""What looks wrong, and how much there is: live tasks, looked at some at a time.

A scan leaves the loop to others after each page of it, and keeps counts and a bounded number of findings, so
that it holds up nobody however many tasks there are."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import anyio.lowlevel
import attrs
from starlette.responses import Response

from hostel.sessions import PREDEFINED_KINDS

from .._lints import SILENT_AFTER, all_lints, findings
from .._server.params import Query
from .finding import Resources, answer
from .metrics import MEDIA_TYPE, exposition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from starlette.requests import Request

    from hostel.sessions import TaskRecord

    from .._lints import Finding, Lint

PAGE = 100
MOST = 1_000
"""Findings in one answer."""
LONGEST = 10**9


@attrs.define
class Scan:
    """What one look at all live tasks has found."""

    lints: tuple[Lint, ...]
    live: Counter[tuple[str, str]] = attrs.Factory(Counter)
    """How many tasks by state and kind."""
    counts: Counter[str] = attrs.Factory(Counter)
    """How many findings by lint."""
    found: list[Finding] = attrs.Factory(list)

    def take(self, records: Iterable[TaskRecord], now: float) -> None:
        """Take in some of the tasks."""
        records = list(records)
        self.live.update((record.state.value, record.kind) for record in records)
        for finding in findings(records, self.lints, now):
            self.counts[finding.lint.name] += 1
            if len(self.found) < MOST:
                self.found.append(finding)


class Watching(Resources):
    """The resources of whoever keeps an eye on a runtime."""

    async def lints(self, request: Request) -> Response:
        """List what looks wrong."""
        query = Query(request, ("silent_after",))
        after = query.number("silent_after", int(SILENT_AFTER), 0, LONGEST)
        scan = await self._scan(all_lints(float(after)))
        now = time.time()
        return answer(
            {
                "items": [finding.to_json(now) for finding in scan.found],
                "next": None,
                "left_out": scan.counts.total() - len(scan.found),
                "counts": [
                    {"lint": lint.name, "count": count, "text": lint.many.format(count=count)}
                    for lint in scan.lints
                    if (count := scan.counts[lint.name])
                ],
            }
        )

    async def metrics(self, request: Request) -> Response:
        """Say how much there is, for Prometheus."""
        Query(request, ())
        scan = await self._scan(all_lints())
        known = {*PREDEFINED_KINDS, *(kind.name for kind in self._runtime.kinds)}
        live: Counter[tuple[str, str]] = Counter()
        for (state, kind), count in scan.live.items():
            live[state, kind if kind in known else "other"] += count
        lints = {lint.name: scan.counts[lint.name] for lint in scan.lints}
        return Response(exposition(live, lints, len(self.event_streams)), media_type=MEDIA_TYPE)

    async def _scan(self, lints: tuple[Lint, ...]) -> Scan:
        scan = Scan(lints)
        async for records in self._live():
            scan.take(records, time.time())
        return scan

    async def _live(self) -> AsyncIterator[list[TaskRecord]]:
        after: str | None = None
        while True:
            page = await self._host.page(limit=PAGE, after=after)
            yield page.records
            after = page.next
            if after is None:
                return
            await anyio.lowlevel.checkpoint()
