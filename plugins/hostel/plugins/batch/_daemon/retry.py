"""Whether and when a failed attempt is made again. Pure."""

import attrs


@attrs.frozen
class RetryPolicy:
    """Waits longer after each attempt, up to a limit, and never past the deadline.

    :param max_retries: attempts after the first; None for as many as the deadline allows
    :param backoff: seconds before the first retry
    :param stop_before_deadline: seconds before the deadline after which no attempt begins
    """

    max_retries: int | None = 1000
    backoff: float = 1.0
    factor: float = 2.0
    max_backoff: float = 10.0
    stop_before_deadline: float = 0.0

    def next_attempt(
        self, attempt: int, now: float, deadline: float, retry_after: float | None, chance: float
    ) -> float | None:
        """Say when to try again; None for never.

        :param attempt: retries made so far
        :param retry_after: seconds that the answer asked for, None if it did not
        :param chance: number from 0 to 1 that spreads retries over the second half of the wait
        """
        if self.max_retries is not None and attempt >= self.max_retries:
            return None
        # the exponent is bounded: a float overflows long before a batch has no time left
        wait = min(self.backoff * self.factor ** min(attempt, 64), self.max_backoff)
        start = now + max(wait * (0.5 + chance / 2), retry_after or 0.0)
        return start if start < deadline - self.stop_before_deadline else None
