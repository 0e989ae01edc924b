"""Sizes, rates and durations: how people write them and how they read them."""

from __future__ import annotations

import re

_SIZES = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?(?:/s)?", re.IGNORECASE)
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")


def parse_size(text: str) -> int:
    """Return the bytes of `500k`, `10M` or `1.5Gi`: powers of 1000, with an `i` of 1024.

    :raises ValueError: if it is none of these, or less than a byte.
    """
    found = _SIZE.fullmatch(text.strip())
    size = int(float(found[1]) * _SIZES[found[2].lower()]) if found and found[2].lower() in _SIZES else 0
    if size < 1:
        raise ValueError(f"{text!r} is not an amount of bytes; write 500k, 10M or 1.5Gi")
    return size


def parse_duration(text: str) -> float:
    """Return the seconds of `90`, `90s`, `10m`, `1.5h` or `2d`.

    :raises ValueError: if it is none of these.
    """
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"{text!r} is not a duration such as 90s, 10m, 1.5h or 2d")
    return float(found[1]) * _SECONDS[found[2] or "s"]


def size_text(size: int) -> str:
    """Return bytes in binary units, as `4.1 GiB`: what lies on a disk."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def rate_text(rate: float) -> str:
    """Return bytes per second in decimal units, as network links are sold."""
    for unit in ("B/s", "kB/s", "MB/s"):
        if rate < 1000:
            return f"{rate:.0f} B/s" if unit == "B/s" else f"{rate:.1f} {unit}"
        rate /= 1000
    return f"{rate:.1f} GB/s"


def amount_text(value: float, unit: str | None) -> str:
    """Return a number with its unit; bytes in powers of 1000."""
    if unit not in ("bytes", "byte", "B"):
        return f"{value:g}" + (f" {unit}" if unit else "")
    for prefix in ("", "k", "M", "G"):
        if value < 1_000:
            return f"{value:.3g} {prefix}B"
        value /= 1_000
    return f"{value:.3g} TB"


def duration_text(seconds: float) -> str:
    """Return a length of time in its two largest units, as `2h 05m`."""
    whole = max(0, round(seconds))
    minutes, hours, days = whole // 60, whole // 3_600, whole // 86_400
    if days:
        return f"{days}d {hours % 24:02}h"
    if hours:
        return f"{hours}h {minutes % 60:02}m"
    return f"{minutes}m {whole % 60:02}s" if minutes else f"{whole}s"


def clock_text(seconds: float) -> str:
    """Return seconds as hours, minutes and seconds, as `1:02:03`: what counts down."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
