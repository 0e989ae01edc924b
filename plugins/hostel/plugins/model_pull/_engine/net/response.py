"""What the head of an answer says, read without trust. Pure.

A body is read only if the head proves which bytes of which version follow: a 206 whose Content-Range is
the asked one, or a 200 with the whole file. Everything else is named: what moved, what expired, what to
try again and when, what will never work. Status 200 to a range is the whole file from byte 0: either the
server has no ranges, or `If-Range` found another version; the ETag tells which.
"""

import email.utils
import re
from collections.abc import Mapping

import attrs

from ..._errors import BadResponse, ContentChanged, PullError
from ..._web import SIZE, size_of
from ..ranges import Span

Headers = Mapping[str, str]
"""Header names are lower case."""

RATE_LIMITED = frozenset({408, 425, 429})


@attrs.frozen
class Version:
    """What tells one version of a remote file from another; equal values are the same version."""

    etag: str | None = None
    modified: str | None = None

    @classmethod
    def of(cls, headers: Headers) -> "Version":
        """Read the strong ETag, else the date; a weak ETag promises nothing about bytes."""
        etag = headers.get("etag", "")
        if etag.startswith('"'):
            return cls(etag=etag)
        return cls(modified=headers.get("last-modified"))

    def __bool__(self) -> bool:
        return self.if_range is not None

    @property
    def if_range(self) -> str | None:
        return self.etag or self.modified


@attrs.frozen
class Asked:
    """What was asked of `url`: the bytes of `span`, or everything if it is None.

    :ivar size: bytes of the whole file as promised, None if unknown
    :ivar version: the version that the bytes in place belong to
    """

    path: str
    url: str
    span: Span | None
    size: int | None
    version: Version


@attrs.frozen
class Body:
    """Content follows.

    :ivar start: the first byte's place in the file
    :ivar length: bytes, None if it goes on until the server ends it
    :ivar total: bytes of the whole file, None if unknown
    :ivar ranged: it is the part that was asked for; otherwise it is everything
    """

    start: int
    length: int | None
    total: int | None
    version: Version
    ranged: bool


@attrs.frozen
class Moved:
    url: str


@attrs.frozen
class Refused:
    """Access or existence is denied; final at the origin, a matter of a fresh url elsewhere."""

    status: int
    code: str | None


@attrs.frozen
class Busy:
    """Try again.

    :ivar wait: seconds the server asks to wait, None if it does not say
    :ivar crowded: the server wants fewer requests
    """

    reason: str
    wait: float | None
    crowded: bool


@attrs.frozen
class Changed:
    """The answer is about another version."""

    version: Version


@attrs.frozen
class Nonsense:
    """The answer contradicts itself or a promise; `error` is raised if that goes on."""

    error: PullError


Answer = Body | Moved | Refused | Busy | Changed | Nonsense


def read_head(status: int, headers: Headers, asked: Asked, now: float) -> Answer:
    """Return what an answer to `asked` means; `now` is seconds since the epoch."""
    if 300 <= status < 400 and status != 304:
        target = headers.get("location")
        return Moved(target) if target else _nonsense(asked, f"status {status} without a Location")
    if status in (401, 403, 404, 410):
        return Refused(status, headers.get("x-error-code"))
    if status in RATE_LIMITED or status >= 500:
        return Busy(f"status {status}", wait_asked(headers, now), crowded=status in (429, 503))
    if status == 416:
        return _unsatisfied(headers, asked)
    if status not in (200, 206):
        return _nonsense(asked, f"status {status}")
    if headers.get("content-encoding", "identity").lower() != "identity":
        return _nonsense(asked, f"it is encoded ({headers['content-encoding']}) though that was refused")
    return _whole(headers, asked) if status == 200 else _part(headers, asked)


def wait_asked(headers: Headers, now: float) -> float | None:
    """Return the seconds that Retry-After (a number or a date) or `ratelimit` (`t=`) ask to wait."""
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    if text:
        try:
            return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now)
        except (ValueError, OverflowError):
            pass
    reset = re.search(r"(?:^|;)\s*t=([0-9]{1,9})", headers.get("ratelimit", ""))
    return float(reset[1]) if reset else None


def _part(headers: Headers, asked: Asked) -> Answer:
    found = re.fullmatch(rf"bytes ({SIZE})-({SIZE})/({SIZE}|\*)", headers.get("content-range", "").strip())
    if found is None or asked.span is None:
        return _nonsense(asked, "status 206 without a usable Content-Range")
    start, end = int(found[1]), int(found[2]) + 1
    total = None if found[3] == "*" else int(found[3])
    version = Version.of(headers)
    if asked.version and version and version != asked.version:
        return Changed(version)
    if total is not None and asked.size is not None and total != asked.size:
        return _other_size(asked, total)
    if start != asked.span.start or end != min(asked.span.end, total or asked.span.end):
        return _nonsense(
            asked, f"it sends bytes {start} to {end}, not {asked.span.start} to {asked.span.end}"
        )
    # nobody could tell when the file is complete
    if total is None and asked.size is None:
        return _nonsense(asked, "it sends a part and hides the size of the whole")
    length = _length(headers)
    if length is not None and length != end - start:
        return _nonsense(asked, f"it announces {length} bytes and {end - start} at once")
    return Body(start, end - start, total, version, ranged=True)


def _whole(headers: Headers, asked: Asked) -> Answer:
    version, length = Version.of(headers), _length(headers)
    if asked.version and version and version != asked.version:
        return Changed(version)
    # of the right size: the file itself, even if it calls itself a web page
    if length is not None and length == asked.size:
        return Body(0, length, length, version, ranged=False)
    if headers.get("content-type", "").startswith("text/html") and not asked.path.endswith((".html", ".htm")):
        return _nonsense(asked, "it is a web page, perhaps of a login")
    if length is not None and asked.size is not None and length != asked.size:
        return _other_size(asked, length)
    return Body(0, length, length, version, ranged=False)


def _unsatisfied(headers: Headers, asked: Asked) -> Answer:
    found = re.fullmatch(rf"bytes \*/({SIZE})", headers.get("content-range", "").strip())
    total = int(found[1]) if found else None
    if total is not None and asked.size is not None and total != asked.size:
        return _other_size(asked, total)
    # an empty file has no range that could be satisfied
    if total == 0 and asked.size is None:
        return Body(0, 0, 0, Version.of(headers), ranged=True)
    return _nonsense(asked, "status 416 for bytes that it has")


def _length(headers: Headers) -> int | None:
    return None if "transfer-encoding" in headers else size_of(headers.get("content-length", ""))


def _other_size(asked: Asked, size: int) -> Nonsense:
    return Nonsense(ContentChanged(asked.path, f"{asked.size} bytes", f"{size} bytes"))


def _nonsense(asked: Asked, problem: str) -> Nonsense:
    return Nonsense(BadResponse(asked.url, problem))
