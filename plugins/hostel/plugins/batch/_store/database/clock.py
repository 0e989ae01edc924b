"""The time of a database on another machine, told here without asking each time."""

import math
import time


class DatabaseClock:
    """Goes on from what the database said last by this machine's monotonic clock, which nobody sets.

    An answer that took a time may be wrong by half of it. So the quickest answer counts, until another one
    shows that the clocks have moved.
    """

    def __init__(self) -> None:
        self._ahead, self._error = 0.0, math.inf

    def now(self) -> float:
        """Tell the time in seconds since the epoch, UTC."""
        return time.monotonic() + self._ahead

    def learn(self, asked: float, said: float, told: float) -> None:
        """Take in what the database said, asked and told at these times of the monotonic clock."""
        ahead, error = said - (asked + told) / 2, (told - asked) / 2
        if error < self._error or abs(ahead - self._ahead) > error + self._error:
            self._ahead, self._error = ahead, error
