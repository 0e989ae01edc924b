"""File content of any size that costs no memory.

A blob is a head (bytes given) followed by filler. The filler is cut into blocks of 1 MiB; block k of a seed
is a window of one shared pool of random bytes, and a hash of (seed, k) says where the window begins. So
every byte is a function of (seed, offset), blocks differ from their neighbours (a misplaced write shows),
and nothing is generated or copied while sending: a piece of content is a view of the pool.
"""

import hashlib
import random
from collections.abc import Iterator
from functools import cache, lru_cache

import attrs

MIB = 1 << 20
"""Bytes of a mebibyte: contents are told in these."""
BLOCK = MIB
_POOL_SIZE = 4 * BLOCK


@cache
def _pool() -> bytes:
    return random.Random("hostel").randbytes(_POOL_SIZE)


@attrs.frozen
class Blob:
    """Describe file content: `head` first, then pseudo-random bytes drawn from `seed` up to `size` bytes."""

    size: int
    seed: int = 0
    head: bytes = attrs.field(default=b"", repr=False)

    def __attrs_post_init__(self) -> None:
        if self.size < len(self.head):
            raise ValueError(f"a blob of {self.size} bytes cannot begin with {len(self.head)} bytes")

    @classmethod
    def of(cls, data: bytes) -> "Blob":
        """Return the blob that holds exactly these bytes."""
        return cls(size=len(data), head=data)

    def pieces(self, start: int = 0, stop: int | None = None) -> Iterator[memoryview]:
        """Yield the bytes from `start` up to `stop` (None: the end) in pieces of at most 1 MiB."""
        stop = self.size if stop is None else min(stop, self.size)
        while start < stop:
            piece = self._piece(start, min(stop, (start // BLOCK + 1) * BLOCK))
            yield piece
            start += len(piece)

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        """Return the bytes from `start` up to `stop` (None: the end)."""
        return b"".join(self.pieces(start, stop))

    @property
    def sha256(self) -> str:
        return _digest(self, "sha256")

    @property
    def git_sha1(self) -> str:
        """Return the name git gives this content."""
        return _digest(self, "sha1", b"blob %d\0" % self.size)

    def _piece(self, start: int, stop: int) -> memoryview:
        if start < len(self.head):
            return memoryview(self.head)[start : min(stop, len(self.head))]
        block, offset = divmod(start, BLOCK)
        at = _window(self.seed, block) + offset
        return memoryview(_pool())[at : at + stop - start]


def _window(seed: int, block: int) -> int:
    key = hashlib.blake2b(f"{seed}/{block}".encode(), digest_size=8).digest()
    return int.from_bytes(key) % (_POOL_SIZE - BLOCK)


def _digest(blob: Blob, name: str, prefix: bytes = b"") -> str:
    if blob.size == len(blob.head):
        return hashlib.new(name, prefix + blob.head).hexdigest()
    return _filler_digest(blob, name, prefix)


@lru_cache(maxsize=256)
def _filler_digest(blob: Blob, name: str, prefix: bytes) -> str:
    digest = hashlib.new(name, prefix)
    for piece in blob.pieces():
        digest.update(piece)
    return digest.hexdigest()
