"""Bytes that are here already are not believed unread: each file is held against its checksum once.

What was found true is remembered in a file beside the folder, one line for each: checksum, size, time of
change and inode. Whoever may write to a shared cache could write such lines too, so each user has a file
of his own and believes no other.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from .._sources.remote_file import Digest, DigestAlgorithm
from .layout import open_own

STEP = 1 << 20
Mark = tuple[int, int, int]
"""Size, time of change in nanoseconds and inode of a file: while they stay, its content has stayed."""


class Verified:
    """Holds files against their checksums, and remembers in `record` which were true; None forgets them.

    All verbs block: call them in a thread.
    """

    def __init__(self, record: Path | None) -> None:
        self._record = record
        self._known: dict[str, Mark] | None = None

    def holds(
        self,
        path: Path,
        size: int | None,
        digest: Digest | None,
        *,
        anew: bool = False,
        stopped: Callable[[], bool] = lambda: False,
        on_read: Callable[[], None] = lambda: None,
    ) -> bool:
        """Return whether a file is there with that size and checksum; what is None is taken on trust.

        :param anew: read it even if it was found true before, and take nothing on trust
        :param stopped: asked at each step; the answer is then False
        :param on_read: called before it is read
        """
        mark = mark_of(path)
        if mark is None or size not in (None, mark[0]):
            return False
        if digest is None:
            return not anew
        if not anew and self._knows(digest, mark):
            return True
        on_read()
        if not _is_true(path, digest, mark, stopped):
            return False
        self.note(path, digest)
        return True

    def note(self, path: Path, digest: Digest) -> None:
        """Remember that a file was found true; on a disk that refuses it is not remembered."""
        mark = mark_of(path)
        if mark is None or self._record is None:
            return
        if self._known is not None:
            self._known[digest.value] = mark
        with contextlib.suppress(OSError):
            fd = open_own(self._record, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            with os.fdopen(fd, "wb", buffering=0) as file:
                file.write(f"{digest.value} {mark[0]} {mark[1]} {mark[2]}\n".encode())

    def _knows(self, digest: Digest, mark: Mark) -> bool:
        if self._known is None:
            self._known = dict(_read(self._record)) if self._record is not None else {}
        return self._known.get(digest.value) == mark


def mark_of(path: Path) -> Mark | None:
    """Return the mark of a file, None if it is not there."""
    try:
        return _mark(path.stat())
    except OSError:
        return None


def digest_of(
    fd: int, algorithm: DigestAlgorithm, size: int, stopped: Callable[[], bool] = lambda: False
) -> Digest | None:
    """Return the checksum of an open file of `size` bytes, None if stopped before.

    :raises OSError: if it cannot be read
    """
    made, buffer = begun(algorithm, size), memoryview(bytearray(STEP))
    at = 0
    while count := os.preadv(fd, [buffer], at):
        if stopped():
            return None
        made.update(buffer[:count])
        at += count
    return Digest(algorithm, made.hexdigest())


def begun(algorithm: DigestAlgorithm, size: int | None) -> "hashlib._Hash":
    """Return the hash before the first byte of a file; git's begins with the size.

    :raises ValueError: if git's is wanted and the size is unknown
    """
    if algorithm is DigestAlgorithm.SHA256:
        return hashlib.sha256()
    if size is None:
        raise ValueError("git's SHA-1 begins with the size, which is unknown")
    return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


def _is_true(path: Path, digest: Digest, mark: Mark, stopped: Callable[[], bool]) -> bool:
    try:
        with path.open("rb", buffering=0) as file:
            # and it was still the same file after it was read
            found = digest_of(file.fileno(), digest.algorithm, mark[0], stopped)
            return found == digest and _mark(os.fstat(file.fileno())) == mark == mark_of(path)
    except OSError:
        return False


def _mark(status: os.stat_result) -> Mark:
    return status.st_size, status.st_mtime_ns, status.st_ino


def _read(record: Path) -> list[tuple[str, Mark]]:
    try:
        with os.fdopen(open_own(record, os.O_RDONLY), encoding="utf-8", errors="replace") as file:
            rows = [line.split() for line in file]
    except OSError:
        return []
    found = []
    for row in rows:
        with contextlib.suppress(ValueError):
            value, size, changed, inode = row
            found.append((value, (int(size), int(changed), int(inode))))
    return found
