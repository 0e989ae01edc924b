"""How output gets into files: added on the loop, written in a worker thread, all outputs by one service.

What is added gathers for a moment, so a chatty task costs a few writes a second. Whoever waits (for the
files, or for room) is urgent and ends the moment. A disk that refuses stops the one spool with one warning:
its task goes on in memory, and what is lost shows as a gap. No file stays open between two writes, so ten
thousand tasks need no descriptors."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from ..spool import SpoolWriter, read_spool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_UNWRITTEN = 1024 * 1024
"""Bytes of one output that may wait for the disk before its writers wait as well."""
MOMENT = 0.05
"""Seconds that output gathers before it is written."""

log = logging.getLogger("hostel.sessions")

Parts = list[tuple[str, bytearray]]
"""Output in a row, cut where the stream changes."""


class Spool:
    """One output's way into the files in `folder`; `total` is where the next byte goes."""

    def __init__(self, spooling: Spooling, folder: Path, cap: int, total: int) -> None:
        self.folder = folder
        self.total = self.written = total
        self.stopped = False
        """True once nothing is written any more."""
        self._spooling = spooling
        self._cap = cap
        self._parts: Parts = []
        self._writer: SpoolWriter | None = None
        self.owner: Callable[[], object] = lambda: None
        """Returns whose spool it is."""
        self._pinned: object = None
        """Its owner, as long as something is queued: who is there is not opened anew."""

    @property
    def unwritten(self) -> int:
        return 0 if self.stopped else self.total - self.written

    def put(self, data: bytes, stream: str) -> None:
        """Queue `data` for the files."""
        if self.stopped:
            return
        self.total += len(data)
        parts = self._parts
        if parts and parts[-1][0] == stream:
            parts[-1][1].extend(data)
        else:
            parts.append((stream, bytearray(data)))
            if len(parts) == 1:
                self._pinned = self.owner()
                self._spooling.want(self)

    def take(self) -> Parts:
        """Return what is queued; nothing is, after that."""
        parts, self._parts = self._parts, []
        return parts

    def write(self, parts: Parts) -> None:
        """Write to the files; call it in a worker thread."""
        if self._writer is None:
            if self.written:
                go_on_at(self.folder, self.written)
            self._writer = SpoolWriter(self.folder, self._cap)
        with closing(self._writer):
            for stream, data in parts:
                self._writer.append(data, stream)

    def settle(self, total: int) -> None:
        """Note that what was queued up to `total` is written."""
        self.written = total
        if not self._parts:
            self._pinned = None

    def stop(self) -> None:
        """Write nothing any more; what is queued is lost."""
        self.stopped = True
        self._parts = []


class Spooling:
    """The service that writes what is queued in spools."""

    def __init__(self) -> None:
        self._wanted: list[Spool] = []
        self._wake = anyio.Event()
        self._urgent = anyio.Event()
        self._round = anyio.Event()
        """Set when those who wait should look again."""
        self._disk = anyio.Lock()
        self._over = False

    def want(self, spool: Spool) -> None:
        """Write what is queued in `spool` soon."""
        if self._over:
            spool.stop()
            return
        self._wanted.append(spool)
        self._wake.set()

    async def run(self) -> None:
        """Write until closed."""
        while not self._over:
            await self._wake.wait()
            if not self._urgent.is_set():
                with anyio.move_on_after(MOMENT):
                    await self._urgent.wait()
            await self._write_wanted()

    async def written(self, spool: Spool, but: int = 0, *, urgently: bool = True) -> None:
        """Wait until no more than `but` of the bytes queued so far are unwritten, or it has stopped."""
        until = spool.total - but
        while spool.written < until and not spool.stopped and not self._over:
            if urgently:
                self._urgent.set()
            await self._round.wait()

    async def at_rest(self, work: Callable[[], None]) -> None:
        """Do `work` in a worker thread while nothing is written."""
        async with self._disk:
            await anyio.to_thread.run_sync(work)
        self._tell()

    async def close(self) -> None:
        """Write what is queued, then nothing any more."""
        while self._wanted:
            await self._write_wanted()
        async with self._disk:  # held as long as something is being written
            self._over = True
        self._wake.set()
        self._urgent.set()
        self._round.set()

    async def _write_wanted(self) -> None:
        # shielded: what was taken from the queues must not be lost between here and the thread
        with anyio.CancelScope(shield=True):
            async with self._disk:
                batch = [(spool, spool.total, spool.take()) for spool in self._wanted]
                self._wanted = []
                # with nothing to write, somebody may wait for the very event that is there
                if batch and not self._over:
                    self._wake, self._urgent = anyio.Event(), anyio.Event()
                failures = await anyio.to_thread.run_sync(_write, batch) if batch else {}
            for spool, total, _ in batch:
                if (error := failures.get(spool)) is not None:
                    log.warning("output is no longer kept in %s: %s", spool.folder, error)
                    spool.stop()
                spool.settle(total)
        self._tell()

    def _tell(self) -> None:
        passed, self._round = self._round, anyio.Event()
        passed.set()


def go_on_at(folder: Path, total: int) -> None:
    """Let the next byte of the spool in `folder` be number `total`; what it has not up to there is gone."""
    if read_spool(folder, 0, 0).total < total:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / f"{total:016d}.out").touch(0o600)


def _write(batch: list[tuple[Spool, int, Parts]]) -> dict[Spool, OSError]:
    failures = dict[Spool, OSError]()
    for spool, _, parts in batch:
        try:
            spool.write(parts)
        except OSError as error:
            failures[spool] = error
    return failures
