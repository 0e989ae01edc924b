"""How fast something goes and how long it will take: bytes and seconds, each forgotten exponentially. Pure.

Rate is decayed bytes over decayed seconds. Decaying both, rather than averaging rates, weighs every byte
by its age only, whatever the sampling. The rate forgets in 15 s, the one behind the ETA in 5 s. The first
sample is a baseline, so that bytes of an earlier run are no burst, and nothing is said in the first
second and a half. A counter that goes down is a new baseline. Silence counts as time: a stall decays the
rate towards nothing.
"""

import math

import attrs

RATE_SECONDS = 15.0
ETA_SECONDS = 5.0
WARM_UP = 1.5


@attrs.frozen
class _Decayed:
    tau: float
    amount: float = 0.0
    seconds: float = 0.0

    def after(self, seconds: float, amount: float) -> "_Decayed":
        """Let time pass in which `amount` came evenly."""
        keep = math.exp(-seconds / self.tau)
        worth = self.tau * (1 - keep)
        share = worth / seconds if seconds > 0 else 1.0
        return attrs.evolve(
            self, amount=self.amount * keep + amount * share, seconds=self.seconds * keep + worth
        )

    @property
    def rate(self) -> float:
        return self.amount / self.seconds if self.seconds > 0 else 0.0


@attrs.frozen
class RateEstimate:
    """What is known about the speed of a growing number of bytes; a value, made anew by each sample."""

    _slow: _Decayed = _Decayed(RATE_SECONDS)
    _quick: _Decayed = _Decayed(ETA_SECONDS)
    _began: float | None = None
    _at: float = 0.0
    _done: int = 0

    def sampled(self, now: float, done: int) -> "RateEstimate":
        """Return the estimate after `done` bytes were counted at `now` (seconds of any steady clock)."""
        if self._began is None or done < self._done:
            return attrs.evolve(RateEstimate(), began=now, at=now, done=done)
        passed = max(0.0, now - self._at)
        return attrs.evolve(
            self,
            slow=self._slow.after(passed, done - self._done),
            quick=self._quick.after(passed, done - self._done),
            at=max(now, self._at),
            done=done,
        )

    def rate(self, now: float) -> float | None:
        """Return bytes per second at `now`, None until known."""
        return self._read(self._slow, now)

    def eta(self, now: float, total: int | None) -> float | None:
        """Return the seconds left until `total` bytes at `now`, None while unknown or while nothing moves."""
        rate = self._read(self._quick, now)
        if not total or not rate or self._done >= total:
            return None
        return (total - self._done) / rate

    def _read(self, decayed: _Decayed, now: float) -> float | None:
        if self._began is None or now - self._began < WARM_UP:
            return None
        return decayed.after(max(0.0, now - self._at), 0).rate
