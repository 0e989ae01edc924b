"""How many connections to one host: a value that learns from bytes and trouble. No clock, no threads.

Time is cut into windows of ten seconds. After a good window one more connection is tried; if the next
window is not a tenth faster, the try is taken back and nothing is tried for a minute. Trouble (a reset, a
429) halves the number at once, and so does a window at less than half of the rate before, because a CDN
that collapses under many connections recovers with few. One burst of resets is one trouble.
"""

import attrs

WINDOW = 10.0
REST = 60.0
WORTH = 1.1
COLLAPSE = 0.5


@attrs.frozen
class Gear:
    """The number of connections wanted to a host.

    :ivar count: connections wanted, 1 to `ceiling`
    :ivar since: when the running window began, None before the first byte
    :ivar base: all bytes that had arrived by then
    :ivar rate: bytes per second of the last full window, None if there was none at this gear
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

    def troubled(self, now: float) -> "Gear":
        """Return the gear after a reset or a request to slow down at `now`."""
        if self.halved_at is not None and now - self.halved_at < WINDOW:
            return self
        return attrs.evolve(
            self,
            count=max(1, self.count // 2),
            since=None,
            rate=None,
            trying=False,
            calm_until=now + REST,
            halved_at=now,
        )

    def observed(self, now: float, arrived: int, *, fair: bool = True) -> "Gear":
        """Return the gear at `now`, when `arrived` bytes have come from the host in all.

        :param fair: False if a limit or a lack of work held the rate down
        """
        if self.since is None or not fair:
            return attrs.evolve(self, since=now, base=arrived)
        if now - self.since < WINDOW:
            return self
        rate = (arrived - self.base) / (now - self.since)
        return attrs.evolve(self._judged(now, rate), since=now, base=arrived)

    def _judged(self, now: float, rate: float) -> "Gear":
        if self.rate is not None and rate < self.rate * COLLAPSE:
            return attrs.evolve(self.troubled(now), rate=None)
        if self.trying and self.rate is not None and rate < self.rate * WORTH:
            return attrs.evolve(self, count=max(1, self.count - 1), trying=False, calm_until=now + REST)
        trying = now >= self.calm_until and self.count < self.ceiling
        return attrs.evolve(self, count=self.count + trying, rate=rate, trying=trying)
