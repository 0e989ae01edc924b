"""Rates and times: which there are, and how people read them."""

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


def rate_text(rate: float) -> str:
    """Return bytes per second in decimal units, as network links are sold."""
    for unit in ("B/s", "kB/s", "MB/s"):
        if rate < 1000:
            return f"{rate:.0f} B/s" if unit == "B/s" else f"{rate:.1f} {unit}"
        rate /= 1000
    return f"{rate:.1f} GB/s"


def duration_text(seconds: float) -> str:
    """Return seconds as hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
