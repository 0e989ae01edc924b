"""The time of a database on another machine, told here without asking each time."""

import math
import time


class DatabaseClock:
    """Goes on from the database's last answer by this machine's monotonic clock, which nobody sets.

    An answer that took a time may be wrong by half of it. So the quickest answer counts, until another one
    shows that the clocks have moved.
    """

    def __init__(self) -> None:
        self._ahead, self._error = 0.0, math.inf

    def now(self) -> float:
        """Tell the time in seconds since the epoch, UTC."""
        return time.monotonic() + self._ahead

    def learn(self, asked: float, answer: float, answered: float) -> None:
        """Take in an answer of the database, asked for and given at these times of the monotonic clock."""
        ahead, error = answer - (asked + answered) / 2, (answered - asked) / 2
        if error < self._error or abs(ahead - self._ahead) > error + self._error:
            self._ahead, self._error = ahead, error
