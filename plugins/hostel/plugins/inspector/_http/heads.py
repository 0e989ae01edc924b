"""The head of a request, as strict as RFC 9112 lets a server be.

Where the standard leaves it to a server to be lenient, proxies and servers differ, and a request can hide in
what one of them takes for the body of another. So lines end in CRLF and nothing else, no line is folded,
a body has one length, said once and one way, and a head is bounded wherever its bytes are cut."""

from __future__ import annotations

import re

import attrs

from .unfit import Unfit

HEAD_BYTES = 16 * 1024
END = b"\r\n\r\n"
ILL_FORMED = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|\n[ \t]|\0")
"""A line end of one character, a folded line, a NUL."""
REQUEST_LINE = re.compile(rb"\S+ (?P<target>\S+) HTTP/(?P<version>\d\.\d)")
LENGTH = re.compile(rb"[0-9]{1,18}")
ABSOLUTE = re.compile(rb"(?i:https?)://(?P<authority>[^/?#@\\]+)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?")
ORIGIN = re.compile(rb"(?P<path>/[^?#]*)(?:\?(?P<query>[^#]*))?")


class Ahead:
    """What a peer has sent of its next request; `data` are the bytes it has sent before."""

    def __init__(self, data: bytes = b"") -> None:
        self._data = bytearray(data)
        self._seen = 0
        self._has_skipped = False

    def __bool__(self) -> bool:
        return bool(self._data)

    def feed(self, data: bytes) -> None:
        """Take in what came."""
        self._data += data

    def take(self) -> bytes | None:
        """Return the head once it is complete, with the empty line at its end; None until then.

        :raises Unfit: if it cannot become one.
        """
        self._begin()
        end = self._data.find(END, max(0, self._seen - len(END)))
        until = len(self._data) if end < 0 else end + len(END)
        if ILL_FORMED.search(self._data, max(0, self._seen - 2), until):
            raise Unfit(400)
        if until > HEAD_BYTES:
            raise Unfit(431)
        self._seen = until
        return None if end < 0 else self.rest(until)

    def rest(self, size: int | None = None) -> bytes:
        """Return the next `size` bytes, all of them if it is None."""
        taken = bytes(self._data[:size])
        del self._data[: len(taken)]
        return taken

    def _begin(self) -> None:
        # some clients end a body with an empty line too many
        if not self._has_skipped and self._data.startswith(b"\r\n"):
            del self._data[:2]
            self._has_skipped = True
        # no method begins with such a byte, but TLS does; what would be the first line may never end
        if self._data and self._data[0] < 0x21 and self._data != b"\r":
            raise Unfit(400)


@attrs.frozen
class Target:
    """What a request asks for; `authority` is the name it uses for the server, None if its Host says it."""

    path: bytes
    query: bytes
    authority: bytes | None


def check_head(head: bytes) -> bool:
    """Make sure that a head means one thing to everybody, and tell whether its body is chunked.

    :raises Unfit: if it does not.
    """
    first, *lines = head.removesuffix(END).split(b"\r\n")
    pairs = [
        (name.lower(), value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in lines)
    ]
    lengths = [value for name, value in pairs if name == b"content-length"]
    codings = [value for name, value in pairs if name == b"transfer-encoding"]
    found = REQUEST_LINE.fullmatch(first)
    if found is None or sum(name == b"host" for name, _ in pairs) > 1:
        raise Unfit(400)
    if found["version"] not in (b"1.0", b"1.1"):
        raise Unfit(505)
    if codings and (lengths or found["version"] == b"1.0"):
        raise Unfit(400)
    if len(lengths) > 1 or not all(map(LENGTH.fullmatch, lengths)):
        raise Unfit(400)
    return bool(codings)


def target_of(given: bytes) -> Target:
    """Return what the target of a request means.

    :raises Unfit: if it is neither a path nor the address of one.
    """
    found = ORIGIN.fullmatch(given) or ABSOLUTE.fullmatch(given)
    if found is None:
        raise Unfit(400)
    parts = found.groupdict()
    return Target(parts["path"] or b"/", parts["query"] or b"", parts.get("authority"))
