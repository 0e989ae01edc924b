"""Room on the disk for a whole model before its first byte is fetched.

What a pull still needs is asked of the disk each time: size minus what its blob or partial takes up
already. A running pull's reservation thus shrinks as it writes, and two pulls never count the same free
bytes. Files of unknown size count nothing. A cushion of max(1 GiB, 1 % of the disk) stays free.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .._errors import NoSpace

CUSHION = 2**30
PARTIAL_SUFFIX = ".hostel.part"


class DiskReservations:
    """The room that the running pulls of a process count on.

    :param cushion: bytes that stay free; None is max(1 GiB, 1 % of the disk)
    """

    def __init__(self, *, cushion: int | None = None) -> None:
        self._cushion = cushion
        self._held: list[Mapping[Path, int]] = []

    @contextmanager
    def reserve(self, blobs: Iterable[tuple[Path, int | None]]) -> Iterator[None]:
        """Hold room for the blobs while the context lasts.

        :param blobs: final path and size in bytes, None if unknown
        :raises NoSpace: if they do not fit beside what others have reserved; the numbers are in it
        """
        wanted = {path: size for path, size in blobs if size is not None}
        self._check(wanted)
        self._held.append(wanted)
        try:
            yield
        finally:
            self._held.remove(wanted)

    def _check(self, wanted: Mapping[Path, int]) -> None:
        needed = sum(still_needed(path, size) for path, size in wanted.items())
        if not needed:
            return
        place = existing_ancestor(next(iter(wanted)).parent)
        others = {path: size for held in self._held for path, size in held.items() if path not in wanted}
        reserved = sum(still_needed(*item) for item in others.items() if _same_disk(item[0], place))
        usage = shutil.disk_usage(place)
        cushion = max(CUSHION, usage.total // 100) if self._cushion is None else self._cushion
        if needed + reserved + cushion > usage.free:
            raise NoSpace(place, needed=needed, free=usage.free, reserved=reserved, cushion=cushion)


def still_needed(blob: Path, size: int) -> int:
    """Return the bytes a blob will yet take from the disk: nothing if it is here, less if it is begun."""
    try:
        blob.stat()
    except OSError:
        return max(0, size - _allocated(partial_path(blob)))
    return 0


def partial_path(blob: Path) -> Path:
    """Return where the bytes of a blob are until all are here."""
    return blob.with_name(blob.name + PARTIAL_SUFFIX)


def existing_ancestor(path: Path) -> Path:
    """Return the path or the nearest folder above it that exists."""
    return next(parent for parent in (path, *path.absolute().parents) if parent.exists())


def _allocated(partial: Path) -> int:
    try:
        found = partial.stat()
    except OSError:
        return 0
    blocks = getattr(found, "st_blocks", None)
    return found.st_size if blocks is None else int(blocks) * 512


def _same_disk(path: Path, place: Path) -> bool:
    return existing_ancestor(path).stat().st_dev == place.stat().st_dev
