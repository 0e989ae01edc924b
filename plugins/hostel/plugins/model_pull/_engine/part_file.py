"""The partial file and its sidecar: what is on disk, and what may be believed about it.

`<blob>.hostel.part` has its full length from the start, so its length says nothing. The sidecar
`<blob>.hostel.part.json` names the content (checksum or remote version, size) and the spans in place; it
is replaced atomically and only after `fdatasync`, so it never promises bytes that a crash could lose. A
part without a sidecar that names the wanted content is begun anew. Content without checksum and version
cannot be told from another version and is never continued. Publishing is fsync, rename, fsync of the
folder.
"""

import contextlib
import errno
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

import attrs

from .._cache.disk_space import free_bytes
from .._cache.layout import part_path
from .._errors import NoSpace, StorageFailed
from .._sources.remote_file import RemoteFile
from .net.response import Version
from .ranges import Span
from .report import Partial

SIDECAR_VERSION = 1
FULL = {errno.ENOSPC, errno.EDQUOT}
CLAIM_TRIAL = 8 << 20
CLAIM_QUICK = 0.001
NO_FALLOCATE = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


def sidecar_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _fresh_sidecar_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json.tmp")


@attrs.frozen
class Sidecar:
    """What is in place of which content.

    :ivar content: the checksum, None if the source names none
    :ivar size: bytes, None while unknown
    """

    content: str | None
    size: int | None
    version: Version = attrs.field(factory=Version)
    done: tuple[Span, ...] = ()

    @classmethod
    def begun(cls, file: RemoteFile) -> Self:
        """Return the sidecar of nothing yet."""
        digest = file.digest
        return cls(f"{digest.algorithm}:{digest.value}" if digest else None, file.size)

    def continues(self, file: RemoteFile) -> bool:
        """Return whether what is in place can be part of `file`."""
        wanted = Sidecar.begun(file)
        if self.content != wanted.content or (wanted.size is not None and self.size != wanted.size):
            return False
        return self.content is not None or bool(self.version)

    def to_json(self) -> str:
        return json.dumps(
            {
                "v": SIDECAR_VERSION,
                "content": self.content,
                "size": self.size,
                "etag": self.version.etag,
                "modified": self.version.modified,
                "done": [[span.start, span.end] for span in self.done],
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Self | None:
        """Read a sidecar; None if it is of another version or makes no sense."""
        try:
            row = json.loads(text)
            if row["v"] != SIDECAR_VERSION:
                return None
            done = tuple(Span(int(start), int(end)) for start, end in row["done"])
            made = cls(row["content"], row["size"], Version(row["etag"], row["modified"]), done)
        except (ValueError, TypeError, KeyError):
            return None
        return made if _orderly(done, made.size) else None


def read_sidecar(part: Path, file: RemoteFile) -> Sidecar:
    """Return what of `file` is in place in `part`: nothing, unless its sidecar can be believed."""
    nothing = Sidecar.begun(file)
    try:
        found = Sidecar.from_json(sidecar_path(part).read_text())
        length = part.stat().st_size
    except (OSError, UnicodeDecodeError):
        return nothing
    # of another content, or shorter than it promises
    if found is None or not found.continues(file) or (found.done and length < found.done[-1].end):
        return nothing
    return found


def partial_of(file: RemoteFile, blob: Path) -> Partial | None:
    """Return what the next `fetch` of `file` to `blob` will continue from, None if it starts from nothing."""
    part = part_path(blob)
    done = sum(map(len, read_sidecar(part, file).done))
    if not done:
        return None
    try:
        status = part.stat()
    except FileNotFoundError:
        return None
    return Partial(part, done, _allocated(status))


class Part:
    """The open partial of one transfer, which holds its lock; `write` may be called from several threads."""

    def __init__(self, path: Path, file: RemoteFile) -> None:
        self.path = path
        self._written: Sidecar | None = None
        self.resumed = read_sidecar(path, file)
        # never through a link that somebody planted
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        with self._stored():
            self.fd = os.open(path, flags if self.resumed.done else flags | os.O_TRUNC, 0o666)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def reserve(self, size: int) -> None:
        """Give the file its length and claim its room on the disk; raises NoSpace if there is too little.

        Where claiming is slow (memory file systems, and those where the C library can only imitate it) the
        first pieces are all that is claimed; no writer is at work yet, which an imitation could not stand.
        """
        needed, free = size - _allocated(os.fstat(self.fd)), free_bytes(self.path.parent)
        if needed > free:
            raise NoSpace(self.path, needed, free)
        with self._stored(needed):
            os.truncate(self.fd, size)
            if any(self._quickly_claimed(at, size) for at in (0, CLAIM_TRIAL)):
                self._claim(0, size)

    def _quickly_claimed(self, at: int, size: int) -> bool:
        began = time.monotonic()
        length = min(CLAIM_TRIAL, size - at)
        return length > 0 and self._claim(at, length) and time.monotonic() - began < CLAIM_QUICK

    def _claim(self, at: int, length: int) -> bool:
        try:
            os.posix_fallocate(self.fd, at, length)
        except AttributeError:
            return False
        except OSError as error:
            if error.errno not in NO_FALLOCATE:
                raise
            return False
        return True

    def release_space(self, done: tuple[Span, ...]) -> None:
        """Give back what was claimed behind the last byte in place."""
        with self._stored():
            os.truncate(self.fd, done[-1].end if done else 0)

    def write(self, view: memoryview, at: int) -> None:
        with self._stored(len(view)):
            while view:
                count = os.pwrite(self.fd, view, at)
                view, at = view[count:], at + count

    def record(self, sidecar: Sidecar) -> None:
        """Make the bytes that `sidecar` names durable, then the sidecar."""
        if sidecar == self._written:
            return
        beside, fresh = sidecar_path(self.path), _fresh_sidecar_path(self.path)
        with self._stored(4096):
            _sync_data(self.fd)
            try:
                fresh.unlink(missing_ok=True)
                with fresh.open("x") as file:  # follows no link that somebody planted
                    file.write(sidecar.to_json())
                fresh.replace(beside)
            except OSError:
                fresh.unlink(missing_ok=True)
                raise
        self._written = sidecar

    def begin_anew(self, size: int | None) -> None:
        """Forget all bytes."""
        _drop_sidecar(self.path)
        self._written = None
        with self._stored(size or 0):
            os.truncate(self.fd, 0)
        if size is not None:
            self.reserve(size)

    def publish(self, blob: Path, size: int) -> None:
        """Give the complete file its name, for good."""
        with self._stored():
            os.truncate(self.fd, size)
            # the bytes are durable before the name says that they are
            os.fsync(self.fd)
            # where locks lie, another writer may have made a new part under the same name
            if not self._still_mine():
                raise StorageFailed(self.path, "something replaced the partial file meanwhile; pull again")
            self.path.replace(blob)
            sync_folder(blob.parent)
        _drop_sidecar(self.path)

    def discard(self) -> None:
        """Remove the part, unless it is another writer's by now."""
        if self._still_mine():
            discard_files(self.path)

    def _still_mine(self) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(self.fd), self.path.stat())
        return False

    @contextlib.contextmanager
    def _stored(self, needed: int = 0) -> Iterator[None]:
        """Translate what the disk refuses; `needed` bytes were to be added."""
        try:
            yield
        except OSError as error:
            if error.errno in FULL:
                raise NoSpace(self.path, needed, free_bytes(self.path.parent)) from error
            raise StorageFailed(self.path, error.strerror or str(error)) from error


def discard_files(part: Path) -> bool:
    """Remove a part with its sidecar; True if there was one."""
    _drop_sidecar(part)
    there = part.exists()
    part.unlink(missing_ok=True)
    return there


def _allocated(status: os.stat_result) -> int:
    return int(getattr(status, "st_blocks", 0)) * 512


def _drop_sidecar(part: Path) -> None:
    sidecar_path(part).unlink(missing_ok=True)
    _fresh_sidecar_path(part).unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut, where folders can be synced."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(fd)
    finally:
        os.close(fd)


def _sync_data(fd: int) -> None:
    getattr(os, "fdatasync", os.fsync)(fd)


def _orderly(done: Iterable[Span], size: object) -> bool:
    at = 0
    for span in done:
        if not at <= span.start < span.end:
            return False
        at = span.end
    return size is None or (isinstance(size, int) and at <= size)
