"""How long to wait before asking again, and when to stop asking. Pure.

The budget is time without progress, not a number of tries: each 16 KiB reset it, a byte a second does not.
Waiting doubles from half a second to half a minute, shortened by up to a half at random so that many clients
do not knock together. What makes no sense is answered four times in a row at most; it would not get better
with time.
"""

import attrs

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
STRIKES = 4
PROGRESS = 16 << 10


def backoff(failures: int, chance: float) -> float:
    """Return the seconds to wait after `failures` (1 or more) in a row; `chance` is from 0 up to 1."""
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures - 1, 16)) * (1 - chance / 2)


@attrs.define
class RetryBudget:
    """Seconds without progress that are allowed; owned by one transfer, used under its lock."""

    budget: float
    since: float
    """When the last progress was made, or the transfer began."""
    strikes: int = 0
    crumbs: int = 0

    def fed(self, now: float, count: int) -> None:
        """Tell that so many bytes arrived that were missing."""
        self.strikes, self.crumbs = 0, self.crumbs + count
        if self.crumbs >= PROGRESS:
            self.restarted(now)

    def restarted(self, now: float) -> None:
        """Tell that it was held up here and not by the server."""
        self.since, self.crumbs = now, 0

    def quiet(self, now: float) -> float:
        """Return for how long there was no progress."""
        return max(0.0, now - self.since)

    def left(self, now: float) -> float:
        """Return the seconds left; nothing left means that there is no further try."""
        return self.budget - self.quiet(now)

    def strike(self) -> bool:
        """Count an answer that made no sense; False when it was the last one allowed."""
        self.strikes += 1
        return self.strikes < STRIKES
