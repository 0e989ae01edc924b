"""Faults: which requests they strike and what they do to the answer.

A fault is a frozen value. Its first fields say which requests it strikes; every other field is one thing
to do. Where several faults strike one request their effects add up; for the same effect the one armed last
wins. A request counts as struck even if the answer turns out too short for the effect to show.
"""

import re
import threading
from collections.abc import Collection, Mapping
from enum import StrEnum
from types import MappingProxyType

import attrs
from attrs.validators import ge, gt, optional

from ._blob import Blob
from ._request import Origin, Request

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Ending(StrEnum):
    """How a connection ends: `close` sends FIN, `reset` sends RST."""

    CLOSE = "close"
    RESET = "reset"


@attrs.frozen(kw_only=True)
class Fault:
    """Say which requests are struck and what happens to them.

    Sizes are bytes of the response body, offsets are bytes from the start of the file, times are seconds.
    """

    path: str | None = attrs.field(
        default=None, validator=optional(lambda *given: re.compile(given[-1]) and None)
    )
    """Regular expression searched in the decoded path, which ends in the file's path at both origins."""
    origin: Origin | None = None
    method: str | None = None
    has_range: bool | None = None
    """Strike only requests with (True) or without (False) a Range header."""
    nth: int = attrs.field(default=1, validator=ge(1))
    """The first matching request to strike, counted from 1 since the fault was armed."""
    times: int | None = attrs.field(default=None, validator=optional(ge(1)))
    """How many requests to strike; None: all."""

    status: int | None = None
    """Answer with this status and a short body instead; 403 at the CDN is what an expired url gets."""
    html: bool = False
    """Answer 200 with a web page instead, as a captive portal does."""
    redirect_loop: bool = False
    """Answer 302 to the same url instead."""

    no_range: bool = False
    """Ignore the Range header: 200 and the whole file."""
    shift_range: int = 0
    """Answer a range with one that lies so many bytes further, and say so in Content-Range."""
    changed: Blob | None = None
    """Serve this content instead; a 206 is cut from it."""
    keep_etag: bool = False
    """Let changed content keep the old ETag, so that If-Range does not notice."""
    corrupt_at: int | None = None
    """Flip all bits of the byte at this offset of the file."""

    retry_after: int | str | None = None
    """Add a Retry-After header: seconds or an HTTP date."""
    ratelimit_reset: int | None = None
    """Add `ratelimit` headers that say nothing is left for so many seconds."""
    length_off_by: int = 0
    """Add this to the true Content-Length."""
    set_headers: Mapping[str, str] = NO_HEADERS
    """Add or replace response headers."""
    drop_headers: Collection[str] = ()
    """Leave these response headers out; without a Content-Length the body ends with the connection."""
    chunked: bool = False
    """Send the body in chunks, without a Content-Length."""
    gzip: bool = False
    """Send the body compressed and in chunks, whatever the client accepts."""

    before_headers: Ending | None = None
    """End the connection instead of answering."""
    first_byte_after: float = 0.0
    """Wait before the first byte of the headers."""
    head_bps: int | None = attrs.field(default=None, validator=optional(gt(0)))
    """Send at most so many bytes of the headers per second."""
    bps: int | None = attrs.field(default=None, validator=optional(gt(0)))
    """Send at most so many bytes per second on each connection."""
    stall_after: int | None = None
    """Send so many bytes, then nothing until `LocalHub.release` lets it go on."""
    close_after: int | None = None
    """Send so many bytes, then close the connection (FIN): a short body."""
    reset_after: int | None = None
    """Reset the connection (RST) once so many bytes have reached the client's machine."""


_MATCHING = {"path", "origin", "method", "has_range", "nth", "times"}
_EFFECTS = [field.name for field in attrs.fields(Fault) if field.name not in _MATCHING]
NO_FAULT = Fault()


class ArmedFault:
    """A fault at work in a hub."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._matched = 0
        self._disarmed = False

    @property
    def hits(self) -> int:
        """Return how many requests this fault has struck."""
        reached = max(0, self._matched - self.fault.nth + 1)
        return reached if self.fault.times is None else min(reached, self.fault.times)

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
        self._matched += 1
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
            effects = {name: getattr(fault, name) for name in _EFFECTS}
            wanted = {name: value for name, value in effects.items() if value != getattr(NO_FAULT, name)}
            combined = attrs.evolve(combined, **wanted)
        return combined
