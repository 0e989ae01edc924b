"""Completion windows such as `24h`, `30m`, `7d` or `1h30m`."""

import re

from .errors import InvalidInput
from .records import Problem

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d{1,9})(ms|s|m|h|d|w)")
_ALL = re.compile(r"(?:\d{1,9}(?:ms|s|m|h|d|w))+")


def window_seconds(text: str) -> float:
    """Read a window.

    :raises InvalidInput: if it is none, or is empty
    """
    seconds = (
        sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text))
        if _ALL.fullmatch(text)
        else 0.0
    )
    if not seconds:
        raise InvalidInput(
            [
                Problem(
                    "invalid_completion_window",
                    f"{text!r} is no window such as 24h or 30m.",
                    param="completion_window",
                )
            ]
        )
    return seconds
