"""How the transfers of a process share the connections to a host.

Every transfer joins the host of its origin. A host knows how many connections are wanted in all; they are
dealt out evenly, the odd ones to who came first. With more transfers than connections the last ones have
none and wait. A worker that finds itself above its transfer's share ends at the next chunk.

How many are wanted is learnt from bytes and trouble. Time is cut into windows of ten seconds. After a good
window one more connection is tried; if the next window is not a tenth faster, the try is taken back and
nothing is tried for a minute. Trouble (a reset, a 429) halves the number at once, and so does a window at
less than half of the rate before, because a CDN that collapses under many connections recovers with few.
One burst of resets is one trouble.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import attrs

WINDOW_SECONDS = 10.0
CALM_SECONDS = 60.0
WORTH = 1.1
COLLAPSE = 0.5


@attrs.frozen
class Concurrency:
    """The number of connections wanted to a host: a value, without clock or threads.

    :ivar count: connections wanted, 1 to `ceiling`
    :ivar since: when the running window began, None before the first byte
    :ivar base: all bytes that had arrived by then
    :ivar rate: bytes per second of the last full window, None if there was none at this concurrency
    :ivar trying: the last window ended with one more connection
    :ivar calm_until: before this time nothing is tried
    :ivar halved_at: when trouble last halved it
    """

    count: int
    ceiling: int
    since: float | None = None
    base: int = 0
    rate: float | None = None
    trying: bool = False
    calm_until: float = 0.0
    halved_at: float | None = None

    def troubled(self, now: float) -> "Concurrency":
        """Return the concurrency after a reset or a request to slow down at `now`."""
        # connections die together; that is one trouble, not eight
        if self.halved_at is not None and now - self.halved_at < WINDOW_SECONDS:
            return self
        return attrs.evolve(
            self,
            count=max(1, self.count // 2),
            since=None,
            rate=None,
            trying=False,
            calm_until=now + CALM_SECONDS,
            halved_at=now,
        )

    def observed(self, now: float, arrived: int, *, fair: bool = True) -> "Concurrency":
        """Return the concurrency at `now`, when `arrived` bytes have come from the host in all.

        :param fair: False if a limit or a lack of work held the rate down
        """
        if self.since is None or not fair:
            return attrs.evolve(self, since=now, base=arrived)
        if now - self.since < WINDOW_SECONDS:
            return self
        rate = (arrived - self.base) / (now - self.since)
        return attrs.evolve(self._judged(now, rate), since=now, base=arrived)

    def _judged(self, now: float, rate: float) -> "Concurrency":
        if self.rate is not None and rate < self.rate * COLLAPSE:
            return attrs.evolve(self.troubled(now), rate=None)
        if self.trying and self.rate is not None and rate < self.rate * WORTH:
            return attrs.evolve(
                self, count=max(1, self.count - 1), trying=False, calm_until=now + CALM_SECONDS
            )
        # one more, on trial
        trying = now >= self.calm_until and self.count < self.ceiling
        return attrs.evolve(self, count=self.count + trying, rate=rate, trying=trying)


class ConnectionBudget:
    """Connections per host, shared by every transfer that is given this object.

    :param start: connections to a host before anything is known about it
    :param ceiling: never more than this
    """

    def __init__(
        self, start: int = 4, ceiling: int = 8, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if not 1 <= start <= ceiling:
            raise ValueError(f"1 <= start <= ceiling is needed, not start={start}, ceiling={ceiling}")
        self._concurrency, self._clock = Concurrency(start, ceiling), clock
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}

    @contextmanager
    def join(self, host: str) -> Iterator["Share"]:
        """Take part in the connections to `host` until the block ends."""
        with self._lock:
            shared = self._hosts.setdefault(host, _Host(self._concurrency, self._clock))
        share = Share(shared)
        with shared.lock:
            shared.shares.append(share)
        try:
            yield share
        finally:
            with shared.lock:
                shared.shares.remove(share)

    def wanted(self, host: str) -> int:
        """Return how many connections to `host` are wanted in all."""
        with self._lock:
            shared = self._hosts.get(host)
        return shared.concurrency.count if shared else self._concurrency.count


class _Host:
    def __init__(self, concurrency: Concurrency, clock: Callable[[], float]) -> None:
        self.concurrency, self.clock = concurrency, clock
        self.lock = threading.Lock()
        self.shares: list[Share] = []
        self.arrived = 0
        self.best = 0.0


class Share:
    """One transfer's part of the connections to its host; safe to use from any thread."""

    def __init__(self, host: _Host) -> None:
        self._host = host

    def allowance(self) -> int:
        """Return how many connections this transfer may have open, possibly none."""
        with self._host.lock:
            each, odd = divmod(self._host.concurrency.count, len(self._host.shares))
            return each + (self._host.shares.index(self) < odd)

    def arrived(self, count: int) -> None:
        with self._host.lock:
            self._host.arrived += count

    @property
    def best(self) -> float:
        """Return the most bytes per second that one connection to the host has brought."""
        return self._host.best

    def seen(self, rate: float) -> None:
        """Tell what one connection has brought."""
        with self._host.lock:
            self._host.best = max(self._host.best, rate)

    def troubled(self) -> None:
        """Tell of a reset or a request to slow down."""
        with self._host.lock:
            self._host.concurrency = self._host.concurrency.troubled(self._host.clock())

    def observe(self, *, fair: bool) -> None:
        """Learn from what has arrived; call it about once a second."""
        with self._host.lock:
            self._host.concurrency = self._host.concurrency.observed(
                self._host.clock(), self._host.arrived, fair=fair
            )
