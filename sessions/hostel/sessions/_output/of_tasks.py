"""The outputs of a host's tasks: written by bodies and owners, read and followed by anybody, gone with them.

A task gets its output with the first byte; the number of its registration names it, which no transfer and no
second task of the same id can take from it. What is in files outlives the task's end and its host, and goes
when the task is forgotten: a journal forgets by itself, so a sweep asks it now and then what it still
knows.

With files, what a task wrote is in them a moment later, and before its end is told or a reader shown any of
it. So `kill -9` takes back at most what was written in its last moment and nobody has seen, and no offset
ever means two things."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import attrs

from .._errors import IllegalTransition
from .outputs import Outputs
from .value import LIMIT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path
    from typing import Self

    from .._tasks.entry import Entry
    from .task_output import TaskOutput
    from .value import Output

    Start = Callable[[Callable[[], Awaitable[object]]], None]
    Now = Callable[[], float]
    Known = Callable[[Sequence[int]], Awaitable[set[int]]]

log = logging.getLogger("hostel.sessions")

SWEEP_AFTER = 100
"""How many tasks with output may end before what is forgotten is looked for."""


class TaskOutputs:
    """The outputs of one open host, in `folder` (None: in memory). `start` starts a service of the host,
    `known` tells which tasks its journal still knows, `now` what time it is.
    """

    def __init__(self, folder: Path | None, start: Start, known: Known | None, now: Now) -> None:
        self._outputs = Outputs(folder)
        self._start = start
        self._now = now
        self._known = known if folder is not None else None
        self._runs = False
        self._ended = 0
        self.sweep()

    def of(self, entry: Entry) -> TaskOutput:
        """Return the output of a task, made now if it has none."""
        if entry.output is None:
            entry.output = self._outputs.open(entry.number, entry.record.output_bytes)
            if entry.output.spool is not None and not self._runs:
                self._runs = True
                self._start(self._outputs.run)
        return entry.output

    async def write(self, entry: Entry, text: str, stream: str) -> None:
        """Add to the output of a live task, and let others run.

        :raises IllegalTransition: if it has ended.
        :raises TypeError: if `text` is no text.
        :raises ValueError: if `stream` is not 1 to 32 characters of `[a-z0-9_-]`.
        """
        if not entry.live:
            raise IllegalTransition(entry.record.id, entry.record.state, entry.record.state)
        output = self.of(entry)
        output.add(text, stream)
        self._note(entry, output.total)
        await output.room()
        await anyio.lowlevel.checkpoint()

    async def read(self, entry: Entry, after: int, limit: int) -> Output:
        """Return a part of what a task has written."""
        ended, total = entry.is_done and not entry.live, entry.record.output_bytes
        return await self._outputs.read(entry.output or entry.number, after, limit, ended, total)

    async def next(self, entry: Entry, after: int) -> Output:
        """Return the next part of what a task writes, once there is one or it has ended."""
        if entry.live:
            return await self._outputs.next(self.of(entry), after)
        # an end that is not durable yet is nobody's to tell
        await entry.done()
        return await self.read(entry, after, LIMIT)

    async def last(self, entry: Entry, size: int) -> str:
        """Return the last `size` bytes of what a task has written."""
        if entry.output is None and not entry.record.output_bytes:
            return ""
        parts, after = list[str](), -size
        while True:
            part = await self.read(entry, after, size)
            parts.append(part.text)
            if part.ended or part.next <= after or not part.text:
                return "".join(parts)
            after = part.next

    async def spool(self, entry: Entry) -> Path:
        """Return the folder in which another process writes the output of a task."""
        return await self._outputs.spool_folder(self.of(entry))

    def spooled(self, entry: Entry, total: int) -> None:
        """Note how far that process is."""
        if entry.live:
            output = self.of(entry)
            output.note_total(total)
            self._note(entry, output.total)

    def _note(self, entry: Entry, total: int) -> None:
        if total != entry.record.output_bytes:
            entry.record = attrs.evolve(entry.record, output_bytes=total, updated_at=self._now())

    async def settle(self, entry: Entry) -> None:
        """Wait until what a task has written is in its files, so that its end tells of nothing that a crash
        could take back.
        """
        output = entry.output
        if output is not None and output.spool is not None and output.spool.unwritten:
            with anyio.CancelScope(shield=True):
                await self._outputs.flush(output)

    def end(self, entry: Entry) -> None:
        """Let nothing follow in the output of a task."""
        output = entry.output
        if output is None:
            return
        output.end()
        if output.spool is not None and output.spool.unwritten:
            self._start(partial(self._outputs.flush, output))  # holds it until it is in its files
        self._ended += 1
        if self._ended >= SWEEP_AFTER:
            self.sweep()

    def forget(self, entry: Entry) -> None:
        """Remove the output of a task that is forgotten."""
        if entry.output is not None and self._outputs.in_files(entry.output):
            self._start(partial(self._outputs.remove, [entry.number]))

    def sweep(self) -> None:
        """Remove the outputs of tasks that the journal has forgotten."""
        self._ended = 0
        if self._known is not None:
            self._start(self._sweep)

    async def _sweep(self) -> None:
        numbers = await self._outputs.numbers()
        if not numbers or self._known is None:
            return
        try:
            known = await self._known(numbers)
        except Exception:  # a service must not raise, and a journal may be a stranger's
            log.exception("the journal does not say whose output to keep; all of it stays")
            return
        await self._outputs.remove(set(numbers) - known)

    async def close(self) -> None:
        """Write what is left."""
        await self._outputs.close()


class Following:
    """Iterates over the parts of an output until it has ended, waiting for more in between."""

    def __init__(self, outputs: TaskOutputs, find: Callable[[], Awaitable[Entry]], after: int) -> None:
        self._outputs = outputs
        self._find = find
        self._entry: Entry | None = None
        self._after = after
        self._over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Output:
        if self._over:
            raise StopAsyncIteration
        self._entry = self._entry or await self._find()
        part = await self._outputs.next(self._entry, self._after)
        self._over, self._after = part.ended, part.next
        if self._over and not part.text and not part.dropped:
            raise StopAsyncIteration
        return part
