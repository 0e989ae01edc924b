"""What a journal is, and how a host's events get into one.

A journal keeps events. The host numbers them, hands them over in order and acknowledges a registration or
an end to its caller only when the journal has it on disk. While one batch is being written the next one
gathers, so a hundred callers share one commit: that is the whole of group commit. When a batch cannot be
written (a full disk), the callers waiting for it are told, the batch is kept, and it goes first when
writing works again: order is never broken and nothing acknowledged is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import anyio
import attrs

from ._errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._entry import Entry
    from ._events import TaskEvent
    from ._records import JsonValue, TaskRecord

RETRY_SECONDS = 1.0


@attrs.frozen
class Append:
    """Keep `event`. `expected` is the `seq` of the record it follows (None: a first registration)."""

    event: TaskEvent
    expected: int | None
    params: JsonValue = None


@attrs.frozen
class Forget:
    """Forget a task and its events; `seq` is its record's."""

    session_id: str
    task_id: str
    seq: int


@attrs.frozen
class Kept:
    """One task as a journal knows it at its opening; `params` are those of its kind."""

    record: TaskRecord
    params: JsonValue


class Journal(Protocol):
    """Durable storage of one host's events. All methods may be called from any loop."""

    async def open(self) -> tuple[list[Kept], int]:
        """Take the journal for this host alone; return its tasks, oldest first, and the last sequence number.

        :raises JournalInUse: if another host has it.
        :raises JournalTooNew, JournalCorrupt: if it cannot be read.
        """
        ...

    async def write(self, changes: Sequence[Append | Forget]) -> None:
        """Make `changes` durable, all or none, in order.

        :raises JournalError: if that is not possible now.
        """
        ...

    async def read(self, after: int, through: int, limit: int) -> list[TaskEvent]:
        """Return at most `limit` events after number `after` up to `through`, `missed` where some are
        gone.
        """
        ...

    async def aclose(self) -> None:
        """Give the journal back."""
        ...


@attrs.define(eq=False)
class Receipt:
    """Changes that are written together, and when they are."""

    changes: list[Append | Forget] = attrs.Factory(list)
    shown: list[tuple[TaskEvent, Entry]] = attrs.Factory(list)
    over: anyio.Event = attrs.Factory(anyio.Event)
    error: JournalError | None = None

    async def durable(self) -> None:
        """Wait until the changes are durable.

        :raises JournalError: if they could not be written; they stay queued.
        """
        with anyio.CancelScope(shield=True):
            await self.over.wait()
        if self.error is not None:
            raise self.error


class JournalFeed:
    """The way of a host's events into its journal: gathers, writes, then shows what is durable."""

    def __init__(self, journal: Journal, show: Callable[[TaskEvent, Entry], None]) -> None:
        self._journal = journal
        self._show = show
        self._next = Receipt()
        self._failed: Receipt | None = None
        self._wake = anyio.Event()
        self._closing = False

    def put(self, change: Append | Forget, entry: Entry | None = None) -> None:
        """Queue `change`; show its event once it is durable."""
        self._next.changes.append(change)
        if isinstance(change, Append) and entry is not None:
            self._next.shown.append((change.event, entry))
        self._wake.set()

    def receipt(self) -> Receipt | None:
        """Return the receipt for what was just queued, or None if nothing waits to be written."""
        return self._next if self._next.changes else None

    async def run(self) -> None:
        """Write until closed and empty."""
        while True:
            if not self._next.changes and self._failed is None:
                if self._closing:
                    return
                self._wake = anyio.Event()
                await self._wake.wait()
                continue
            await self._write_one()
            if self._failed is not None:
                if self._closing:
                    return
                with anyio.move_on_after(RETRY_SECONDS):
                    self._wake = anyio.Event()
                    await self._wake.wait()

    def close(self) -> None:
        """Let `run` end after a last try at what is queued."""
        self._closing = True
        self._wake.set()

    def give_up(self) -> JournalError | None:
        """Let whoever waits for an unwritten end go on; return why it was not written, if anything was
        not.
        """
        if self._failed is None:
            return None
        for _, entry in self._failed.shown:
            entry.settle()
        return self._failed.error

    async def _write_one(self) -> None:
        batch, self._next = self._next, Receipt()
        if self._failed is not None:
            batch.changes[:0] = self._failed.changes
            batch.shown[:0] = self._failed.shown
        try:
            await self._journal.write(batch.changes)
        except JournalError as error:
            batch.error = error
            self._failed = batch
        else:
            self._failed = None
            for event, entry in batch.shown:
                self._show(event, entry)
        batch.over.set()
