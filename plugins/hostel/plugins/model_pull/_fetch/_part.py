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
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

import attrs

from hostel.plugins.model_pull._errors import NoSpace, StorageFailed
from hostel.plugins.model_pull._fetch._plan import Span
from hostel.plugins.model_pull._fetch._reply import Version
from hostel.plugins.model_pull._fetch._report import Partial
from hostel.plugins.model_pull._remote import RemoteFile

SIDECAR_VERSION = 1
FULL = {errno.ENOSPC, errno.EDQUOT}
NO_FALLOCATE = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


def part_path(blob: Path) -> Path:
    return blob.with_name(f"{blob.name}.hostel.part")


def sidecar_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


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
    return Partial(part, done, getattr(status, "st_blocks", 0) * 512 or status.st_size)


class Part:
    """The open partial of one transfer, which holds its lock; `write` may be called from several threads."""

    def __init__(self, path: Path, file: RemoteFile) -> None:
        self.path = path
        self._written: Sidecar | None = None
        self.resumed = read_sidecar(path, file)
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        with self._stored():
            self.fd = os.open(path, flags if self.resumed.done else flags | os.O_TRUNC, 0o666)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def reserve(self, size: int) -> None:
        """Claim `size` bytes of disk now, where the file system can; raises NoSpace if it is too full."""
        with self._stored(size):
            try:
                os.posix_fallocate(self.fd, 0, size)
            except AttributeError:
                os.truncate(self.fd, size)
            except OSError as error:
                if error.errno not in NO_FALLOCATE:
                    raise
                os.truncate(self.fd, size)

    def write(self, view: memoryview, at: int) -> None:
        with self._stored(len(view)):
            while view:
                count = os.pwrite(self.fd, view, at)
                view, at = view[count:], at + count

    def record(self, sidecar: Sidecar) -> None:
        """Make the bytes that `sidecar` names durable, then the sidecar."""
        if sidecar == self._written:
            return
        beside = sidecar_path(self.path)
        fresh = beside.with_name(f"{beside.name}.tmp")
        with self._stored(4096):
            _sync_data(self.fd)
            try:
                fresh.write_text(sidecar.to_json())
                fresh.replace(beside)
            except OSError:
                fresh.unlink(missing_ok=True)
                raise
        self._written = sidecar

    def begin_anew(self, size: int | None) -> None:
        """Forget all bytes."""
        sidecar_path(self.path).unlink(missing_ok=True)
        self._written = None
        with self._stored(size or 0):
            os.truncate(self.fd, 0)
        if size is not None:
            self.reserve(size)

    def publish(self, blob: Path, size: int) -> None:
        """Give the complete file its name, for good."""
        with self._stored():
            os.truncate(self.fd, size)
            os.fsync(self.fd)
            if not self._still_mine():
                raise StorageFailed(self.path, "something replaced the partial file meanwhile; pull again")
            self.path.replace(blob)
            sync_folder(blob.parent)
        sidecar_path(self.path).unlink(missing_ok=True)

    def discard(self) -> None:
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
    sidecar_path(part).unlink(missing_ok=True)
    sidecar_path(part).with_name(f"{sidecar_path(part).name}.tmp").unlink(missing_ok=True)
    there = part.exists()
    part.unlink(missing_ok=True)
    return there


def free_bytes(folder: Path) -> int:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


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
