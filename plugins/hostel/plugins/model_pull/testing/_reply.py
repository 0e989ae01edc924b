"""An answer before it is sent, and the rules of byte ranges (RFC 9110, 14)."""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import TypeAlias

import attrs

from ._blob import Blob
from ._request import Request

Json: TypeAlias = "Mapping[str, Json] | list[Json] | str | int | float | bool | None"

EMPTY = Blob(0)
PHRASES = {status.value: status.phrase for status in HTTPStatus}


@attrs.frozen
class Reply:
    """A status, headers and the part of a blob from `start` up to `stop`."""

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    content: Blob = EMPTY
    start: int = 0
    stop: int = 0

    @property
    def length(self) -> int:
        return self.stop - self.start

    def head(self) -> bytes:
        """Return the status line and headers as they go over the wire."""
        lines = [f"HTTP/1.1 {self.status} {PHRASES.get(self.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def reply_bytes(status: int, data: bytes, headers: Mapping[str, str]) -> Reply:
    return Reply(status, headers, Blob.of(data), 0, len(data))


def reply_json(value: Json, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    typed = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
    return reply_bytes(status, json.dumps(value).encode(), typed)


def reply_error(
    status: int, code: str | None, message: str, headers: Mapping[str, str] | None = None
) -> Reply:
    """Refuse the way the Hub does: X-Error-Code and X-Error-Message beside a JSON body."""
    named = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {}), **(headers or {})}
    return reply_json({"error": message}, status=status, headers=named)


def reply_content(request: Request, content: Blob, etag: str, headers: Mapping[str, str]) -> Reply:
    """Answer a request for content: 200, 206 for one satisfiable range, 416 for one beyond the end."""
    headers = {"Accept-Ranges": "bytes", "ETag": etag, **headers}
    wanted = _asked_range(request, etag)
    if wanted is None:
        return Reply(200, headers, content, 0, content.size)
    span = _satisfied(wanted, content.size)
    if span is None:
        return Reply(416, {**headers, "Content-Range": f"bytes */{content.size}"})
    start, stop = span
    ranged = {**headers, "Content-Range": f"bytes {start}-{stop - 1}/{content.size}"}
    return Reply(206, ranged, content, start, stop)


def _asked_range(request: Request, etag: str) -> tuple[str, str] | None:
    if request.headers.get("if-range", etag) != etag:
        return None
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", request.range or "")
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    return None if first and last and int(first) > int(last) else (first, last)


def _satisfied(wanted: tuple[str, str], size: int) -> tuple[int, int] | None:
    first, last = wanted
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    return (start, stop) if start < stop else None
