"""The remote file as one thing to ask for bytes, whatever redirects stand before it.

The first request walks from the origin to where the bytes are, by hand; that place is kept and shared by
all workers, which then go there directly. While somebody walks, the others wait. A place that refuses (an
expired signature) is forgotten and the next request walks again. The file's own headers travel to its
origin only. On the way the origin may name checksum and size (`X-Linked-Etag`, `X-Linked-Size`): if they
are not the expected ones the file has changed.

Where a checksum decides at the end (`pinned`), an ETag proves nothing: two backends may have one each. One
that is new sends the next request to the origin again, and is believed if it is met there.
"""

import threading
import time
from collections.abc import Callable

import attrs

from ..._errors import (
    AccessDenied,
    BadResponse,
    ContentChanged,
    Gated,
    NotFound,
    PullError,
    RepoNotFound,
)
from ..._sources.remote_file import Digest, DigestAlgorithm, RemoteFile
from ..._web import MAX_REDIRECTS, origin_of, redirected, size_of
from ..ranges import Span
from .connection import Connection, Reply
from .response import (
    Answer,
    Asked,
    Body,
    Changed,
    Headers,
    Moved,
    Refused,
    Version,
    read_head,
)

MOST_VERSIONS = 8
"""A place with more of them names a new one each time."""


@attrs.frozen
class Expired:
    """The place that had the bytes refuses, or has another version of them.

    :ivar fresh: it was learnt a moment ago, so that asking the origin again is no cure
    """

    status: int
    fresh: bool


class Source:
    """Ask for parts of one remote file; safe to use from several threads, each with a connection of its own.

    :param pinned: a checksum decides at the end
    :ivar disowned: the origin has named another checksum or size
    """

    most: int | None = None

    def __init__(self, file: RemoteFile, *, pinned: bool, clock: Callable[[], float] = time.time) -> None:
        self._file, self._pinned, self._clock = file, pinned, clock
        self._believed: set[Version] = set()
        self.disowned = False
        self._origin = origin_of(file.url)
        self._secrets = dict(file.headers)
        if not all(_sendable(name, value) for name, value in self._secrets.items()):
            raise ValueError(f"a header for {file.path} has characters that no header may have")
        self._walking = threading.Lock()
        self._place: str | None = None

    @property
    def host(self) -> str:
        """Return whom to share connections to."""
        return str(self._origin)

    @property
    def path(self) -> str:
        return self._file.path

    @property
    def url(self) -> str:
        return self._file.url

    def ask(
        self, connection: Connection, span: Span | None, size: int | None, version: Version
    ) -> tuple[Answer | Expired, Reply]:
        """Ask for `span` (None: for everything, without a range) and read the head of the answer.

        :raises PullError: if the origin's answer is final
        """
        # an `If-Range` would make each backend with an ETag of its own send everything again
        version = Version() if self._pinned else version
        place = self._place
        if place is None:
            # the others wait here for the place that the first one finds
            with self._walking:
                place = self._place
                if place is None:
                    return self._walk(connection, span, size, version)
        return self._at(connection, Asked(self._file.path, place, span, size, version))

    def forget(self) -> None:
        """Let the next request start from the origin."""
        self._place = None

    def close(self) -> None:
        """End; connections are closed by their workers."""

    def _at(self, connection: Connection, asked: Asked) -> tuple[Answer | Expired, Reply]:
        reply, answer = self._get(connection, asked)
        if not isinstance(answer, Refused | Moved) and not self._is_new(answer):
            return answer, reply
        if isinstance(answer, Refused) and asked.url == self._file.url:
            raise self._final(answer)
        # another worker may have found a new place meanwhile
        if self._place == asked.url:
            self._place = None
        return Expired(reply.status, fresh=False), reply

    def _walk(
        self, connection: Connection, span: Span | None, size: int | None, version: Version
    ) -> tuple[Answer | Expired, Reply]:
        url = self._file.url
        for _ in range(MAX_REDIRECTS + 1):
            reply, answer = self._get(connection, Asked(self._file.path, url, span, size, version))
            at_origin = origin_of(url) == self._origin
            if at_origin:
                self._check_promise(reply.headers)
            match answer:
                case Moved(target):
                    url = redirected(url, target)
                case Refused(status) if at_origin:
                    raise self._final(answer)
                case Refused(status):
                    return Expired(status, fresh=True), reply
                case Body() | Changed():
                    self._believed.add(answer.version)
                    self._place = url
                    return answer, reply
                case _:
                    return answer, reply
        raise BadResponse(self._file.url, f"it redirects more than {MAX_REDIRECTS} times")

    def _is_new(self, answer: Answer) -> bool:
        known = not self._pinned or len(self._believed) > MOST_VERSIONS
        return isinstance(answer, Body) and not known and answer.version not in self._believed

    def _get(self, connection: Connection, asked: Asked) -> tuple[Reply, Answer]:
        headers = {"Accept-Encoding": "identity"}
        if asked.span is not None:
            headers["Range"] = f"bytes={asked.span.start}-{asked.span.end - 1}"
            if asked.version.if_range:
                headers["If-Range"] = asked.version.if_range
        # a token belongs to the origin and must not follow a redirect
        if origin_of(asked.url) == self._origin:
            headers |= self._secrets
        reply = connection.get(asked.url, headers)
        return reply, read_head(reply.status, reply.headers, asked, self._clock())

    def _check_promise(self, headers: Headers) -> None:
        named, ours = _linked_digest(headers), self._file.digest
        if named and ours and named.algorithm is ours.algorithm and named != ours:
            self.disowned = True
            raise ContentChanged(self._file.path, ours.value, named.value)
        size = size_of(headers.get("x-linked-size", ""))
        if None not in (size, self._file.size) and size != self._file.size:
            self.disowned = True
            raise ContentChanged(self._file.path, f"{self._file.size} bytes", f"{size} bytes")

    def _final(self, refused: Refused) -> PullError:
        match refused.status, refused.code:
            case _, "GatedRepo":
                return Gated(self._file.path)
            case _, "RepoNotFound":
                return RepoNotFound(self._file.path)
            case 401 | 403, _:
                return AccessDenied(self._file.path)
            case _:
                return NotFound(self._file.path)


def _linked_digest(headers: Headers) -> Digest | None:
    text = headers.get("x-linked-etag", "").removeprefix("W/").strip('"').lower()
    if not text or not set(text) <= set("0123456789abcdef"):
        return None
    kinds = {64: DigestAlgorithm.SHA256, 40: DigestAlgorithm.GIT_SHA1}
    return Digest(kinds[len(text)], text) if len(text) in kinds else None


def _sendable(name: str, value: str) -> bool:
    return (
        name.isascii() and name.isprintable() and ":" not in name and value.isascii() and value.isprintable()
    )
