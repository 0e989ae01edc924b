"""What one run of the queue did, from the first download after a rest to the next rest."""

from enum import StrEnum

import attrs

NEWEST = 20


class Ending(StrEnum):
    """How one attempt ended."""

    DOWNLOADED = "downloaded"
    ALREADY_PRESENT = "already_present"
    FAILED = "failed"
    CANCELLED = "cancelled"


@attrs.frozen
class RunItem:
    """One download in a run; `attempts` counts its endings by kind."""

    id: str
    attempts: dict[Ending, int]
    last: Ending
    at: float


@attrs.frozen
class QueueRunSummary:
    """One run; times are seconds since the epoch, UTC.

    :ivar completed_at: None while it lasts
    :ivar attempts: endings by kind
    :ivar unique: downloads by the kind of their last ending
    :ivar items: the newest 20, oldest first; `truncated` tells whether there were more
    """

    run_id: str
    started_at: float
    completed_at: float | None = None
    attempts: dict[Ending, int] = attrs.field(factory=dict)
    unique: dict[Ending, int] = attrs.field(factory=dict)
    items: tuple[RunItem, ...] = ()
    truncated: bool = False


@attrs.frozen
class Run:
    """A run under way; a value."""

    run_id: str
    started_at: float
    _items: tuple[RunItem, ...] = ()

    def ended(self, id: str, how: Ending, at: float) -> "Run":
        """Return the run after one attempt has ended."""
        before = next((item for item in self._items if item.id == id), None)
        counts = dict(before.attempts) if before else {}
        counts[how] = counts.get(how, 0) + 1
        others = tuple(item for item in self._items if item.id != id)
        return attrs.evolve(self, items=(*others, RunItem(id, counts, how, at)))

    def summary(self, at: float | None = None) -> QueueRunSummary:
        """Return what happened; `at` is when the queue came to rest, None if it has not."""
        return QueueRunSummary(
            self.run_id,
            self.started_at,
            at,
            attempts=_nonzero(
                {how: sum(item.attempts.get(how, 0) for item in self._items) for how in Ending}
            ),
            unique=_nonzero({how: sum(item.last is how for item in self._items) for how in Ending}),
            items=self._items[-NEWEST:],
            truncated=len(self._items) > NEWEST,
        )


def _nonzero(counts: dict[Ending, int]) -> dict[Ending, int]:
    return {how: count for how, count in counts.items() if count}
