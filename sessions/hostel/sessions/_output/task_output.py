"""One task's output: what it adds, how far it is, and who waits for more.

Adding is synchronous: the bytes go to memory and into the queue for the files, whoever follows is woken, and
nothing can fail. In foreign mode another process writes the files; the host hears how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import ref

import anyio

from ..spool import check_stream
from .memory import HEAD, TAIL, Memory
from .spooling import MAX_UNWRITTEN

if TYPE_CHECKING:
    from .spooling import Spool, Spooling


def size_of(output: TaskOutput | None) -> int:
    """Return about how many bytes an output takes in memory."""
    return 0 if output is None else min(output.total, HEAD + TAIL)


class TaskOutput:
    """The output of the task known as `number`; add to it on the loop only."""

    def __init__(
        self,
        number: int,
        spooling: Spooling,
        spool: Spool | None = None,
        *,
        head: int = HEAD,
        tail: int = TAIL,
    ) -> None:
        self.number = number
        self.spool = spool
        """Its way into files, None if there are none or another process writes them."""
        self.total = spool.total if spool else 0
        """Bytes written, in all."""
        self.foreign = False
        """True if another process writes the files."""
        self.ended = False
        if spool is not None:
            spool.owner = ref(self)
        self.memory = Memory(self.total, head, tail)
        self._spooling = spooling
        self._streams = {"stdout"}
        """Names that were checked."""
        self._grown: anyio.Event | None = None

    def add(self, text: str, stream: str = "stdout") -> None:
        """Add `text` at the end.

        Raises TypeError if one is no text, ValueError if `stream` is not 1 to 32 characters of `[a-z0-9_-]`
        or another process writes this output."""
        if not isinstance(text, str) or not isinstance(stream, str):
            raise TypeError(f"output is a text in a stream, not {text!r:.50} in {stream!r:.50}")
        if stream not in self._streams:
            self._admit(stream)
        data = text.encode("utf-8", "replace")
        if not data:
            return
        if self.foreign:
            raise ValueError("another process writes the output of this task")
        self.memory.add(data, stream)
        self.total += len(data)
        if self.spool is not None:
            self.spool.put(data, stream)
        if self._grown is not None:
            self._wake()

    async def room(self) -> None:
        """Wait while more than 1 MiB of this output is unwritten."""
        if self.spool is not None and self.spool.unwritten > MAX_UNWRITTEN:
            await self._spooling.written(self.spool, but=MAX_UNWRITTEN)

    def note_total(self, total: int) -> None:
        """Note how many bytes the other process has written; less than before means nothing."""
        if total > self.total:
            self.total = total
            self._wake()

    def end(self) -> None:
        """Note that nothing is added any more; whoever follows hears of the end."""
        self.ended = True
        self._wake()

    async def grown(self, beyond: int) -> None:
        """Wait until there are more than `beyond` bytes in all, or the output has ended."""
        while self.total <= beyond and not self.ended:
            grown = self._grown = self._grown or anyio.Event()
            await grown.wait()

    def _admit(self, stream: str) -> None:
        check_stream(stream)
        if len(self._streams) < 100:
            self._streams.add(stream)

    def _wake(self) -> None:
        if self._grown is not None:
            self._grown.set()
            self._grown = None
