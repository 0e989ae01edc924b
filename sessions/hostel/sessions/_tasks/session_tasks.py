"""What a host keeps of one session."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import attrs

from .._records import SessionSummary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..states import TaskState
    from .entry import Entry
    from .hidden import HiddenTasks


@attrs.define(eq=False)
class SessionTasks:
    """The tasks of one session."""

    id: str
    first_activity: float
    last_activity: float
    tasks: dict[str, Entry] = attrs.Factory(dict)
    finished: OrderedDict[str, Entry] = attrs.Factory(OrderedDict)
    """Those of `tasks` that have ended, in the order they did; a plain dict is slow to find its first item
    when many before it are gone.
    """
    keys: dict[str, Entry] = attrs.Factory(dict)
    """Tasks by idempotency key."""
    hidden: HiddenTasks | None = None
    closing: bool = False

    def summary(self, counts: Mapping[TaskState, int], past: SessionSummary | None) -> SessionSummary:
        """Return the session at a glance: `counts` of tasks in memory beside the `past` that its journal
        has.
        """
        first, last = self.first_activity, self.last_activity
        hidden = len(self.hidden) if self.hidden else 0
        if past is not None:
            states = {*counts, *past.counts}
            counts = {state: counts.get(state, 0) + past.counts.get(state, 0) for state in states}
            first, last = min(first, past.first_activity), max(last, past.last_activity)
        return SessionSummary(self.id, counts, hidden, first, last)

    def surplus(self, keep: int) -> Iterable[Entry]:
        """Return the finished tasks beyond the `keep` latest."""
        finished = list(self.finished.values())
        return finished[: max(0, len(finished) - keep)]
