"""How fast bytes may be read: a token bucket that allows debt.

A reader spends what it has read and then waits until the bucket is level again. Debt keeps the mean exact
and lets threads share a bucket without queueing; a full bucket holds a tenth of a second. A limiter
beneath another one obeys both. Where several callers share one transfer, the loosest of their limiters
holds: nobody is slowed down by another's limit, and the bytes count in one of them only.
"""

import math
import threading
from collections.abc import Iterable
from typing import Protocol

from .._numbers import checked_rate

BURST_SECONDS = 0.1


class Pace(Protocol):
    """How fast a transfer may go."""

    @property
    def max_read(self) -> int | None:
        """Return how many bytes to read at most at once, None for any number."""
        ...

    def spend(self, count: int, now: float) -> float:
        """Take `count` bytes out; return the seconds to wait before reading on."""
        ...


class Limiter:
    """Bytes per second, for all who share it; safe to use and to change from any thread.

    :param rate: bytes per second, None for unlimited
    :param parent: also obeyed, for instance the limit of the whole process
    """

    def __init__(self, rate: float | None, *, parent: "Limiter | None" = None) -> None:
        self._lock = threading.Lock()
        self._parent = parent
        self._rate = checked_rate(rate)
        self._level = 0.0
        self._at: float | None = None

    @property
    def rate(self) -> float | None:
        return self._rate

    @rate.setter
    def rate(self, rate: float | None) -> None:
        with self._lock:
            self._rate = checked_rate(rate)
            self._level, self._at = 0.0, None

    @property
    def max_read(self) -> int | None:
        """Return how many bytes to read at most at once, None for any number."""
        above = self._parent.max_read if self._parent else None
        if self._rate is None:
            return above
        # small reads, so that a slow transfer flows instead of coming in gulps
        own = max(1024, int(self._rate * BURST_SECONDS))
        return own if above is None else min(own, above)

    def spend(self, count: int, now: float) -> float:
        """Take `count` bytes out; return the seconds to wait before reading on.

        :param now: seconds of any steady clock, the same for all callers
        """
        above = self._parent.spend(count, now) if self._parent else 0.0
        with self._lock:
            if self._rate is None:
                return above
            if self._at is not None:
                self._level += max(0.0, now - self._at) * self._rate
            self._at = now
            # may go below zero: that debt is waited for
            self._level = min(self._level, self._rate * BURST_SECONDS) - count
            return max(above, -self._level / self._rate)


class Loosest:
    """The loosest of the limiters that are in it at the time; none limits nothing."""

    def __init__(self) -> None:
        self._limiters: tuple[Limiter, ...] = ()

    def add(self, limiter: Limiter) -> None:
        self._limiters = (*self._limiters, limiter)

    def remove(self, limiter: Limiter) -> None:
        """Take a limiter out once, however often it was added."""
        left = list(self._limiters)
        left.remove(limiter)
        self._limiters = tuple(left)

    @property
    def max_read(self) -> int | None:
        holding = self._holding()
        return holding.max_read if holding else None

    def spend(self, count: int, now: float) -> float:
        holding = self._holding()
        return holding.spend(count, now) if holding else 0.0

    def _holding(self) -> Limiter | None:
        return max(self._limiters, key=_looseness, default=None)


def loosest(rates: Iterable[float | None]) -> float | None:
    """Return the highest of some rates; None, which is no limit, is above all of them."""
    return max(rates, key=lambda rate: math.inf if rate is None else rate, default=None)


def _looseness(limiter: Limiter) -> float:
    return math.inf if limiter.rate is None else limiter.rate
