"""The checksum that follows the frontier: read behind the writers while the page cache still has it."""

import os
import threading
from typing import Self

from .._cache.verify import STEP, begun
from .._sources.remote_file import Digest, DigestAlgorithm


class FollowingHasher:
    """Hash `fd` from byte 0 as far as `reach` allows; one thread, which ends with the context.

    :param size: bytes of the whole file, which git's SHA-1 begins with; None if unknown
    """

    def __init__(self, fd: int, algorithm: DigestAlgorithm, size: int | None) -> None:
        self._fd, self._algorithm = fd, algorithm
        self._hash = begun(algorithm, size)
        self._changed = threading.Condition()
        self._frontier, self._hashed = 0, 0
        self._stopped = False
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._follow, name="hostel-hash", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join()

    def reach(self, frontier: int) -> None:
        """Allow bytes up to `frontier`; they will not change any more."""
        with self._changed:
            if frontier > self._frontier:
                self._frontier = frontier
                self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def result(self, size: int) -> Digest | None:
        """Wait for `size` bytes; None if stopped before. Raises OSError if the file could not be read."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._failure or self._hashed == size)
            if self._failure:
                raise self._failure
            return Digest(self._algorithm, self._hash.hexdigest()) if self._hashed == size else None

    def _follow(self) -> None:
        buffer = memoryview(bytearray(STEP))
        try:
            while (end := self._next()) is not None:
                self._absorb(buffer, end)
        except OSError as error:
            with self._changed:
                self._failure = error
                self._changed.notify_all()

    def _next(self) -> int | None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._frontier > self._hashed)
            if self._stopped:
                return None
            # in steps, so that a stop is noticed soon
            return min(self._frontier, self._hashed + STEP)

    def _absorb(self, buffer: memoryview, end: int) -> None:
        count = os.preadv(self._fd, [buffer[: end - self._hashed]], self._hashed)
        if count == 0:
            raise OSError("the partial file is shorter than what was written")
        self._hash.update(buffer[:count])
        with self._changed:
            self._hashed += count
            if self._hashed == self._frontier:
                self._changed.notify_all()
