"""Faults: which requests they strike and what they do to the answer.

A fault is a frozen value. Its first fields say which requests it strikes; every other field is one thing
to do. Where several faults strike one request their effects add up; for the same effect the one armed last
wins.
"""

import threading
from collections.abc import Mapping
from types import MappingProxyType

import attrs

from ._request import Origin, Request

_NOTHING: Mapping[str, str] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class Fault:
    """Say which requests are struck and what happens to them.

    Sizes are bytes of the response body, offsets are bytes from the start of the file, times are seconds.
    """

    path: str | None = None
    """Regular expression searched in the decoded path, which ends in the file's path at both origins."""
    origin: Origin | None = None
    method: str | None = None
    has_range: bool | None = None
    """Strike only requests with (True) or without (False) a Range header."""
    nth: int = 1
    """The first matching request to strike, counted from 1 since the fault was armed."""
    times: int | None = None
    """How many requests to strike; None: all."""

    status: int | None = None
    """Answer with this status and a short body instead."""
    retry_after: int | str | None = None
    """Add a Retry-After header: seconds or an HTTP date."""
    bps: int | None = None
    """Send at most so many bytes per second on each connection."""
    reset_after: int | None = None
    """Reset the connection (RST) once so many bytes have reached the client's machine."""
    close_after: int | None = None
    """Close the connection (FIN) after so many bytes: a short body."""
    corrupt_at: int | None = None
    """Flip all bits of the byte at this offset of the file."""
    no_range: bool = False
    """Ignore the Range header: 200 and the whole file."""
    set_headers: Mapping[str, str] = _NOTHING
    """Add or replace response headers."""


MATCHING = {"path", "origin", "method", "has_range", "nth", "times"}
EFFECTS = [field.name for field in attrs.fields(Fault) if field.name not in MATCHING]
NO_FAULT = Fault()


class ArmedFault:
    """A fault at work in a hub."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._seen = 0
        self._disarmed = False

    @property
    def hits(self) -> int:
        """Return how many requests this fault has struck."""
        over = max(0, self._seen - self.fault.nth + 1)
        return over if self.fault.times is None else min(over, self.fault.times)

    def disarm(self) -> None:
        """Strike no further request."""
        self._disarmed = True

    def strikes(self, request: Request) -> bool:
        fault = self.fault
        if self._disarmed or not request.matches(
            path=fault.path, origin=fault.origin, method=fault.method, has_range=fault.has_range
        ):
            return False
        before = self.hits
        self._seen += 1
        return self.hits > before


class Faults:
    """The faults armed in one hub."""

    def __init__(self) -> None:
        self._armed: list[ArmedFault] = []
        self._lock = threading.Lock()

    def arm(self, fault: Fault) -> ArmedFault:
        armed = ArmedFault(fault)
        with self._lock:
            self._armed.append(armed)
        return armed

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()

    def striking(self, request: Request) -> Fault:
        """Return one fault with the effects of all that strike this request."""
        with self._lock:
            struck = [armed.fault for armed in self._armed if armed.strikes(request)]
        combined = NO_FAULT
        for fault in struck:
            effects = {name: getattr(fault, name) for name in EFFECTS}
            wanted = {name: value for name, value in effects.items() if value != getattr(NO_FAULT, name)}
            combined = attrs.evolve(combined, **wanted)
        return combined
