"""Room on the disk for a whole model before its first byte is fetched.

What a pull still needs is asked of the disk each time: size minus what its blob or partial takes up
already. A running pull's reservation thus shrinks as it writes, and two pulls never count the same free
bytes. Files of unknown size count nothing. A cushion of max(1 GiB, 1 % of the disk) stays free.

If the disk fills up all the same while a pull runs, the pull pauses and keeps its bytes. It goes on when
there is enough space for what is missing, and gives up when nobody seems to make any.
"""

import shutil
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from .._errors import NoSpace
from .layout import part_path

CUSHION = 2**30
SPACE_SECONDS = 300.0
CHECK_SECONDS = 0.5
T = TypeVar("T")


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
        # a blob that two pulls share is fetched once, and counts once
        others = {path: size for held in self._held for path, size in held.items() if path not in wanted}
        reserved = sum(still_needed(*item) for item in others.items() if _same_disk(item[0], place))
        usage = shutil.disk_usage(place)
        cushion = max(CUSHION, usage.total // 100) if self._cushion is None else self._cushion
        if needed + reserved + cushion > usage.free:
            raise NoSpace(place, needed=needed, free=usage.free, reserved=reserved, cushion=cushion)


async def with_disk_space(
    fetch: Callable[[], Awaitable[T]], *, seconds: float, on_short: Callable[[NoSpace], None]
) -> T:
    """Fetch a file; each time that the disk is full, wait for room and go on.

    :param seconds: seconds without a byte written before giving up; 0 does not wait
    :param on_short: told of each pause
    :raises NoSpace: if there is still no room then
    """
    needed, since = None, 0.0
    while True:
        try:
            return await fetch()
        except NoSpace as error:
            full, now = error, time.monotonic()
        # bytes were written since: it is getting somewhere, and the wait begins again
        if needed is None or full.needed < needed:
            needed, since = full.needed, now
        left = since + seconds - now
        if left <= 0:
            raise full
        on_short(full)
        await _wait_for_space(full, left)


def still_needed(blob: Path, size: int) -> int:
    """Return the bytes a blob will yet take from the disk: nothing if it is here, less if it is begun."""
    try:
        blob.stat()
    except OSError:
        return max(0, size - _allocated(part_path(blob)))
    return 0


def existing_ancestor(path: Path) -> Path:
    """Return the path or the nearest folder above it that exists."""
    return next(parent for parent in (path, *path.absolute().parents) if parent.exists())


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


async def _wait_for_space(full: NoSpace, seconds: float) -> None:
    place = existing_ancestor(Path(full.path).parent)
    with anyio.move_on_after(seconds):
        while True:
            await anyio.sleep(CHECK_SECONDS)
            if await anyio.to_thread.run_sync(free_bytes, place) >= full.needed:
                return


def _allocated(partial: Path) -> int:
    try:
        found = partial.stat()
    except OSError:
        return 0
    # a partial is sparse: its length says what it will be, its blocks what it takes
    blocks = getattr(found, "st_blocks", None)
    return found.st_size if blocks is None else int(blocks) * 512


def _same_disk(path: Path, place: Path) -> bool:
    return existing_ancestor(path).stat().st_dev == place.stat().st_dev
