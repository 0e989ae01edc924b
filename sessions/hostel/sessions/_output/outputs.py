"""All outputs of a host: where each is kept, and how it is read.

A read takes memory where it has the range and files where it has not. Neither need have all of it: memory
keeps a head and a tail, files may be cut by their cap or by a full disk. So a read takes the part that
begins first, and goes on with the other where the one ends. What neither has is told as dropped."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import anyio
import anyio.to_thread

from ..spool import CAP, DEFAULT_STREAM, Piece, read_spool
from .joining import from_start, is_whole, joined
from .memory import HEAD, TAIL
from .spooling import Spool, Spooling, go_on_at
from .task_output import TaskOutput
from .value import LIMIT, Output, bounded, output_of

if TYPE_CHECKING:
    from collections.abc import Iterable

NOTHING = Piece(b"", 0, 0, DEFAULT_STREAM)


class Outputs:
    """The outputs of one host, in `folder` (None: in memory only), each file set of `cap` bytes at most."""

    def __init__(self, folder: Path | None, cap: int = CAP, *, head: int = HEAD, tail: int = TAIL) -> None:
        self._folder = folder
        self._cap = cap
        self._head, self._tail = head, tail
        self._spooling = Spooling()
        self._open: WeakValueDictionary[int, TaskOutput] = WeakValueDictionary()
        self._found = set(_numbers(folder))
        self._temporary: Path | None = None
        self._making = Lock()

    def open(self, number: int, told: int = 0) -> TaskOutput:
        """Return the output of the task known as `number`; it goes on after what is there, and after the
        `told` bytes that somebody was told of.

        The disk is looked at only if there was something under that number when the host started."""
        output = self._open.get(number)
        if output is None:
            spool = None
            if self._folder is not None:
                place = self._folder / str(number)
                total = _read(place, 0, 0).total if number in self._found else 0
                spool = Spool(self._spooling, place, self._cap, max(total, told))
                self._found.add(number)
            output = TaskOutput(number, self._spooling, spool, head=self._head, tail=self._tail)
            self._open[number] = output
        return output

    async def run(self) -> None:
        """Write to files what is added, until closed."""
        await self._spooling.run()

    async def flush(self, output: TaskOutput) -> None:
        """Wait until what was added is in the files; returns at once if there are none."""
        if output.spool is not None:
            await self._spooling.written(output.spool)

    async def close(self) -> None:
        """Write what is left, let `run` end, and remove what is temporary."""
        with anyio.CancelScope(shield=True):
            await self._spooling.close()
            if self._temporary is not None:
                await anyio.to_thread.run_sync(_remove, [self._temporary])

    async def spool_folder(self, output: TaskOutput) -> Path:
        """Return the folder where another process writes this output from now on.

        Its `SpoolWriter` goes on after what was added. Raises OSError if the disk does not take it."""
        output.foreign = True  # from here on nothing is added, so the total stays what is told to the disk
        try:
            await self.flush(output)
            place = await anyio.to_thread.run_sync(self._make_place, output.number, output.total)
        except BaseException:
            output.foreign = False
            raise
        output.spool = None
        return place

    async def read(
        self,
        output: TaskOutput | int,
        after: int = 0,
        limit: int = LIMIT,
        ended: bool = False,
        told: int = 0,
    ) -> Output:
        """Read from offset `after` on, at most `limit` bytes (4 to 1 MiB); below 0, it counts from the end.

        `ended` says that nothing is added any more. A task that nobody has open is read from its files; what
        they have not of the `told` bytes is dropped."""
        limit = bounded(limit)
        found = self._open.get(output) if isinstance(output, int) else output
        if found is not None:
            ended = ended or found.ended
            after, piece = await self._piece(found, after, limit)
        else:
            assert isinstance(output, int)
            piece = await anyio.to_thread.run_sync(_read_all, self._place(output), after, limit, told)
            after = from_start(after, piece.total)
        return output_of(piece, after, limit, ended)

    async def next(self, output: TaskOutput, after: int, limit: int = LIMIT) -> Output:
        """Wait until there is something to read from `after` on, or nothing will be; return it."""
        while True:
            total = output.total
            if output.spool is not None and not output.ended:
                await self._spooling.written(output.spool, urgently=False)
            found = await self.read(output, after, limit)
            if found.text or found.dropped or found.ended:
                return found
            await output.grown(total)

    async def remove(self, numbers: Iterable[int]) -> None:
        """Remove what is on disk of these tasks; what they add later stays in memory."""
        numbers = list(numbers)
        for number in numbers:
            output = self._open.get(number)
            if output is not None and output.spool is not None:
                output.spool.stop()
        places = [place for number in numbers if (place := self._place(number)) is not None]
        await self._spooling.at_rest(lambda: _remove(places))
        self._found -= set(numbers)

    def in_files(self, output: TaskOutput) -> bool:
        """Tell whether some of an output may be on disk."""
        return output.foreign or output.spool is not None

    async def numbers(self) -> list[int]:
        """Return the numbers of the tasks that have something on disk, sorted."""
        return await anyio.to_thread.run_sync(lambda: sorted(_numbers(self._folder)))

    async def _piece(self, output: TaskOutput, after: int, limit: int) -> tuple[int, Piece]:
        """Return what `after` means from the beginning, and the piece that is read from there."""
        place = self._place(output.number)
        if not output.foreign:
            after = from_start(after, output.total)
            kept = output.memory.read(after, limit)
            if place is None:
                return after, kept
            if is_whole(kept, after, limit, output.memory):
                if output.spool is not None and kept.start + len(kept.data) > output.spool.written:
                    await self.flush(output)
                return after, kept
        await self.flush(output)
        filed = await anyio.to_thread.run_sync(_read, place, after, limit)
        after = from_start(after, filed.total)
        if output.foreign:
            output.note_total(filed.total)
        return after, joined(filed, output.memory, after, limit, output.total)

    def _place(self, number: int) -> Path | None:
        folder = self._folder or self._temporary
        return folder / str(number) if folder is not None else None

    def _make_place(self, number: int, total: int) -> Path:
        """Make the folder where the next byte is number `total`; earlier ones may be in memory only."""
        with self._making:  # two tasks may want it at once, each in its thread
            if self._folder is None and self._temporary is None:
                self._temporary = Path(tempfile.mkdtemp(prefix="hostel-output-"))
        place = self._place(number)
        assert place is not None
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        go_on_at(place, total)
        return place


def _read(place: Path | None, after: int, limit: int) -> Piece:
    """Read from files; what cannot be read is not there."""
    try:
        return read_spool(place, after, limit) if place is not None else NOTHING
    except OSError:
        return NOTHING


def _read_all(place: Path | None, after: int, limit: int, told: int) -> Piece:
    """Read from files that should have `told` bytes at least."""
    piece = _read(place, after, limit)
    if piece.total >= told:
        return piece
    if after < 0:
        piece = _read(place, from_start(after, told), limit)
    return piece._replace(total=told, start=piece.start if piece.data else max(piece.start, told))


def _numbers(folder: Path | None) -> list[int]:
    """Return the numbers of what is on disk; what cannot be looked at is not there."""
    try:
        return [int(path.name) for path in folder.iterdir() if path.name.isdecimal()] if folder else []
    except OSError:
        return []


def _remove(places: list[Path]) -> None:
    for place in places:
        shutil.rmtree(place, ignore_errors=True)
