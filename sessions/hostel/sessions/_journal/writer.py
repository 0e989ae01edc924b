"""How a host's events get into its journal.

The host numbers its events, hands them over in order and acknowledges a registration or
an end to its caller only when the journal has it on disk. While one batch is being written the next one
gathers, so a hundred callers share one commit: that is the whole of group commit. When a batch cannot be
written (a full disk), the callers waiting for it are told, the batch is kept, and it goes first when
writing works again: order is never broken and nothing acknowledged is lost. Progress that newer progress
of the same task has overtaken before it was written is not written at all."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio
import attrs

from .._errors import JournalError
from .._events import EventType
from .protocol import Append, Forget

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._events import TaskEvent
    from .._tasks.entry import Entry
    from .protocol import Journal

RETRY_SECONDS = 1.0

log = logging.getLogger("hostel.sessions")


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
        # shielded: a caller who is cancelled now must still learn whether its change is on the disk
        with anyio.CancelScope(shield=True):
            await self.over.wait()
        if self.error is not None:
            raise self.error

    def prepend(self, earlier: Receipt) -> None:
        """Take in changes that could not be written before."""
        self.changes[:0] = earlier.changes
        self.shown[:0] = earlier.shown

    def coalesce(self) -> None:
        """Drop progress that is overtaken, so that a flood of it cannot grow what waits for a full disk."""
        self.changes = coalesced(self.changes)
        kept = {change.event.seq for change in self.changes if isinstance(change, Append)}
        self.shown = [(event, entry) for event, entry in self.shown if event.seq in kept]


class JournalWriter:
    """The way of a host's events into its journal: gathers, writes, then shows what is durable."""

    def __init__(self, journal: Journal, show: Callable[[TaskEvent, Entry], None]) -> None:
        self._journal = journal
        self._show = show
        self._next = Receipt()
        self._written: Receipt | None = None
        """What is being written."""
        self._failed: Receipt | None = None
        self._wake = anyio.Event()
        self._closing = False
        self._over = False

    def put(self, change: Append | Forget, entry: Entry | None = None) -> None:
        """Queue `change`; show its event once it is durable, or at once if nothing is written any more."""
        shown = (change.event, entry) if isinstance(change, Append) and entry is not None else None
        if self._over:
            if shown is not None:
                self._show(*shown)
            return
        self._next.changes.append(change)
        if shown is not None:
            self._next.shown.append(shown)
        self._wake.set()

    def receipt(self) -> Receipt | None:
        """Return the receipt for all that was queued so far, or None if all of it is durable."""
        if self._next.changes:
            return self._next
        # with nothing queued, the batch that is being written is the last that may hold the caller's change
        if self._failed is None:
            return self._written
        self._wake.set()
        return self._next

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
                # a full disk may have room again; whoever brings a change wakes the next try early
                with anyio.move_on_after(RETRY_SECONDS):
                    self._wake = anyio.Event()
                    await self._wake.wait()

    def close(self) -> None:
        """Let `run` end after a last try at what is queued."""
        self._closing = True
        self._wake.set()

    def give_up(self) -> JournalError | None:
        """Let whoever waits for something unwritten go on; return why it was not written, if anything was
        not.
        """
        self._over = True
        why: JournalError | None = None
        for receipt in (self._failed, self._written, self._next):
            if receipt is not None and receipt.changes:
                why = receipt.error = (
                    receipt.error or why or JournalError("", "was too slow, its host has closed")
                )
                for _, entry in receipt.shown:
                    entry.mark_done()
                receipt.over.set()
        return why

    async def _write_one(self) -> None:
        # the swap is the group commit: what comes during the write gathers in the next receipt
        batch, self._next = self._next, Receipt()
        if self._failed is not None:
            # what failed goes first, so that order is never broken
            batch.prepend(self._failed)
        self._written, self._failed = batch, None
        try:
            await self._journal.write(coalesced(batch.changes))
        except JournalError as error:
            self._keep(batch, error)
        except Exception as error:  # whoever waits must learn of it, whatever a journal raises
            log.exception("a journal raised what it should not")
            self._keep(batch, JournalError("", f"{type(error).__name__}: {error}"))
        else:
            for event, entry in batch.shown:
                self._show(event, entry)
        self._written = None
        batch.over.set()

    def _keep(self, batch: Receipt, error: JournalError) -> None:
        batch.error = error
        batch.coalesce()
        self._failed = batch


def coalesced(changes: Sequence[Append | Forget]) -> list[Append | Forget]:
    """Return `changes` without the progress that is followed by progress of the same task."""
    kept: dict[int | None, Append | Forget] = {}
    for change in changes:
        if isinstance(change, Forget):
            kept[-change.seq] = change
            continue
        overtaken = kept.get(change.expected) if change.event.type is EventType.PROGRESS else None
        if isinstance(overtaken, Append) and _is_overtaken(overtaken.event):
            del kept[change.expected]
            change = attrs.evolve(change, expected=overtaken.expected)
        kept[change.event.seq] = change
    return list(kept.values())


def _is_overtaken(event: TaskEvent) -> bool:
    return event.type is EventType.PROGRESS and not event.notify
