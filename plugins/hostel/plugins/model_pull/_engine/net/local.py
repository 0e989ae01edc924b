"""A file of this machine in the place of a remote one: the counterpart of `redirects` for `file:`."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import attrs

from ..._errors import ContentChanged, NotFound, StorageFailed
from ..._sources.remote_file import RemoteFile
from ..ranges import Span
from .connection import Connection, Reply
from .response import Answer, Body, Changed, Headers, Version


class LocalSource:
    """Read one local file, for one worker; no connection is needed.

    :ivar disowned: the file has another size than was listed
    """

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self._path = Path(url2pathname(urlsplit(file.url).path))
        self._fd: int | None = None
        self.disowned = False

    host = "file:"
    most = 1

    @property
    def path(self) -> str:
        return self._file.path

    @property
    def url(self) -> str:
        return self._file.url

    def ask(
        self, _connection: Connection, span: Span | None, size: int | None, version: Version
    ) -> tuple[Answer, Reply]:
        """Return `span` (None: everything) of the file.

        :raises ContentChanged: if its size is not the one that was listed
        :raises NotFound, StorageFailed: if it cannot be read
        """
        with _reading(self._path):
            if self._fd is None:
                self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            found = os.fstat(self._fd)
        total, now = found.st_size, Version(f'"{found.st_ino}-{found.st_mtime_ns}"')
        if size is not None and total != size:
            self.disowned = True
            raise ContentChanged(self._file.path, f"{size} bytes", f"{total} bytes")
        start, end = (0, total) if span is None else (span.start, min(span.end, total))
        reply = _Content(self._path, self._fd, start)
        if version and version != now and self._file.digest is None:
            return Changed(now), reply
        return Body(start, end - start, total, now, ranged=span is not None), reply

    def forget(self) -> None:
        """Open the file anew for the next part."""
        self.close()

    def close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


@attrs.define
class _Content:
    path: Path
    fd: int
    at: int
    status: int = 200
    headers: Headers = attrs.field(factory=dict)

    def readinto(self, view: memoryview) -> int:
        with _reading(self.path):
            count = os.preadv(self.fd, [view], self.at)
        self.at += count
        return count


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(str(path)) from error
    except OSError as error:
        raise StorageFailed(path, (error.strerror or str(error)).lower()) from error
