"""Cancels that arrive before what they cancel.

A caller may know an id before its request has begun, and other messages may be faster. Such a cancel is
remembered for 30 seconds, the oldest of more than 128 is forgotten, and the request that begins under
the id takes it, once.
"""

import attrs

MOST = 128
SECONDS = 30.0


@attrs.frozen
class EarlyCancel:
    """A cancel that waits for its request."""

    reason: str | None
    clear_cache: bool
    at: float


class EarlyCancels:
    """Remembers early cancels."""

    def __init__(self) -> None:
        self._early: dict[str, EarlyCancel] = {}

    def __len__(self) -> int:
        return len(self._early)

    def set(
        self, request_id: str, now: float, *, reason: str | None = None, clear_cache: bool = False
    ) -> None:
        """Remember a cancel; the first one for an id is kept."""
        self._forget_old(now)
        self._early.setdefault(request_id, EarlyCancel(reason, clear_cache, now))
        while len(self._early) > MOST:
            del self._early[next(iter(self._early))]

    def take(self, request_id: str, now: float) -> EarlyCancel | None:
        """Return and forget the cancel that waits for this request, None if there is none."""
        self._forget_old(now)
        return self._early.pop(request_id, None)

    def _forget_old(self, now: float) -> None:
        self._early = {id: early for id, early in self._early.items() if now - early.at < SECONDS}
