"""Rates: which there are."""

FASTEST = 2**63


def checked_rate(rate: float | None) -> float | None:
    """Return a rate in bytes per second as it is, None for no limit.

    :raises ValueError: if it is no finite number, or below 1
    """
    if rate is None or (isinstance(rate, (int, float)) and rate is not True and 1 <= rate < FASTEST):
        return rate
    raise ValueError(
        f"a rate is a number of bytes per second, at least 1, or None for no limit: not {rate!r:.40}"
    )
