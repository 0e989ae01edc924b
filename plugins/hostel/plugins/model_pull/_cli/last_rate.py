"""How fast the last pull of this user was, kept so that a plan can say how long it will take.

One small JSON file. Too few bytes say nothing about a line and are not noted; a disk that refuses is no
reason to fail, and a file that cannot be read is none at all.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from pathlib import Path

NAME = "last-rate.json"
LEAST = 2**20


@attrs.frozen
class LastRate:
    """:ivar rate: bytes per second
    :ivar at: when it was seen, in seconds since the epoch, UTC
    """

    rate: float
    at: float


def note_rate(data_dir: Path, last: LastRate, *, fetched: int) -> None:
    """Keep a rate that was seen over so many bytes."""
    if fetched < LEAST:
        return
    draft = data_dir / f"{NAME}.tmp"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(attrs.asdict(last)), encoding="utf-8")
        draft.replace(data_dir / NAME)
    except OSError:
        return


def last_rate(data_dir: Path) -> LastRate | None:
    """Return the rate of the last pull, None if none is known."""
    try:
        kept = json.loads((data_dir / NAME).read_text(encoding="utf-8"))
        last = LastRate(float(kept["rate"]), float(kept["at"]))
    except (OSError, ValueError, TypeError, LookupError):
        return None
    return last if last.rate > 0 and math.isfinite(last.rate) else None
