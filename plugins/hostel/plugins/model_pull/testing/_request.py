"""A request as the hub reads it from a connection."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import BinaryIO
from urllib.parse import parse_qs, unquote, urlsplit

import attrs

MAX_LINE = 64 * 1024


class Origin(StrEnum):
    """Which of the two servers: the hub knows tokens, the CDN must never see one."""

    HUB = "hub"
    CDN = "cdn"


@attrs.frozen
class Request:
    """One request; header names are lower case."""

    origin: Origin
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = attrs.field(default=b"", repr=False)

    @property
    def raw_path(self) -> str:
        """Return the path as sent, percent-encoded."""
        return urlsplit(self.target).path

    @property
    def path(self) -> str:
        """Return the decoded path without the query."""
        return unquote(self.raw_path)

    @property
    def query(self) -> dict[str, str]:
        found = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        return {name: values[-1] for name, values in found.items()}

    @property
    def range(self) -> str | None:
        """Return the Range header; None when the whole file is asked for."""
        return self.headers.get("range")

    @property
    def keeps_alive(self) -> bool:
        return self.headers.get("connection", "").lower() != "close"

    def matches(
        self,
        *,
        path: str | None = None,
        origin: Origin | None = None,
        method: str | None = None,
        has_range: bool | None = None,
    ) -> bool:
        """Return whether this request is one of those; `path` is a regular expression, searched."""
        return (
            (path is None or re.search(path, self.path) is not None)
            and (origin is None or origin is self.origin)
            and (method is None or method == self.method)
            and (has_range is None or has_range is (self.range is not None))
        )


def read_request(stream: BinaryIO, origin: Origin) -> Request | None:
    """Read the next request; None at the end of the connection or when what arrives is not HTTP."""
    words = stream.readline(MAX_LINE).decode("latin-1").split()
    if len(words) != 3:
        return None
    headers: dict[str, str] = {}
    while line := stream.readline(MAX_LINE).decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        return None
    body = stream.read(int(length))
    return Request(origin, words[0], words[1], headers, body)
