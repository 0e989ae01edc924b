"""The queue of downloads as a value: who runs, who waits, what failed.

Strictly first in, first out. One item is one model at one quantization, however many files it has.
Positions count from 1 and the running ones come first, so what waits cannot be moved before what runs.
Shrinking the queue drops nothing. A download that failed is one row; asking for it again takes the row
away and counts another attempt. Nothing here knows a clock, a loop or a disk.
"""

from typing import ClassVar

import attrs

from .._errors import PullError
from .download_request import DownloadRequest

MAX_SIZE = 10
LARGEST_SIZE = 50
SLOTS = 2
MOST_FAILURES = 100


@attrs.define
class QueueFull(PullError):
    """`max_size` downloads are in the queue."""

    recoverable: ClassVar[bool] = True

    max_size: int

    @property
    def message(self) -> str:
        return f"The queue holds its {self.max_size} downloads: wait for one to end or raise its size."


@attrs.define
class NotInQueue(PullError, LookupError):
    """No download of that name is where the verb looks for it."""

    id: str

    @property
    def message(self) -> str:
        return f"No download {self.id!r} is waiting or has failed: `hostel downloads` lists what there is."


@attrs.frozen
class QueueItem:
    """One download in the queue; times are seconds since the epoch, UTC.

    :ivar id: its name, unique in the queue
    :ivar group_id: its identity; a new one each time it is asked for anew
    :ivar shard_count: model files, sidecars not counted
    :ivar total: bytes, None if unknown
    :ivar downloaded: bytes in place when that was last noted
    :ivar commit: what its revision meant when it was asked for, None if unknown
    :ivar attempts: how often it was begun
    :ivar requests: session and request id of everyone who waits for it
    """

    id: str
    group_id: str
    request: DownloadRequest
    queued_at: float
    shard_count: int = 1
    total: int | None = None
    downloaded: int = 0
    commit: str | None = None
    attempts: int = 0
    started_at: float | None = None
    requests: tuple[tuple[str, str], ...] = ()


@attrs.frozen
class FailedItem:
    """A download that failed: why, and what may be expected of another try."""

    item: QueueItem
    error: str
    kind: str
    recoverable: bool
    failed_at: float


@attrs.frozen
class Queue:
    """Every verb returns the queue after it."""

    active: tuple[QueueItem, ...] = ()
    pending: tuple[QueueItem, ...] = ()
    failed: tuple[FailedItem, ...] = ()
    max_size: int = attrs.field(
        default=MAX_SIZE, validator=[attrs.validators.ge(1), attrs.validators.le(LARGEST_SIZE)]
    )
    slots: int = attrs.field(default=SLOTS, validator=attrs.validators.ge(1))

    @property
    def items(self) -> tuple[QueueItem, ...]:
        """Return what runs and what waits, in the order of their positions."""
        return self.active + self.pending

    def find(self, id: str) -> QueueItem | None:
        """Return the running or waiting download of that name, None if there is none."""
        return next((item for item in self.items if id in (item.id, item.group_id)), None)

    def find_failed(self, id: str) -> FailedItem | None:
        """Return the failed download of that name, None if there is none."""
        return next((row for row in self.failed if id in (row.item.id, row.item.group_id)), None)

    def position(self, id: str) -> int:
        """Return the place of a download, from 1.

        :raises NotInQueue: if it neither runs nor waits
        """
        for place, item in enumerate(self.items, 1):
            if id in (item.id, item.group_id):
                return place
        raise NotInQueue(id)

    def add(self, item: QueueItem) -> "Queue":
        """Put a download at the end; one that is there already stays where it is.

        :raises QueueFull: if there is no room
        """
        if self.find(item.id) is not None:
            return self
        if len(self.items) >= self.max_size:
            raise QueueFull(self.max_size)
        before = self.find_failed(item.id)
        attempts = before.item.attempts if before else item.attempts
        failed = tuple(row for row in self.failed if row is not before)
        return attrs.evolve(
            self, pending=(*self.pending, attrs.evolve(item, attempts=attempts)), failed=failed
        )

    def next(self) -> QueueItem | None:
        """Return the download that may begin, None if none waits or no slot is free."""
        return self.pending[0] if self.pending and len(self.active) < self.slots else None

    def start(self, id: str, at: float) -> "Queue":
        """Let a waiting download run.

        :raises NotInQueue: if it does not wait
        """
        item = self._pending(id)
        begun = attrs.evolve(item, started_at=at, attempts=item.attempts + 1)
        return attrs.evolve(self, active=(*self.active, begun), pending=_without(self.pending, item))

    def finish(self, id: str) -> "Queue":
        """Take a download out that completed or was cancelled; nothing changes if it is not there."""
        item = self.find(id)
        if item is None:
            return self
        return attrs.evolve(self, active=_without(self.active, item), pending=_without(self.pending, item))

    def fail(self, id: str, *, error: str, kind: str, recoverable: bool, at: float) -> "Queue":
        """Move a download to the failures; nothing changes if it is not there."""
        item = self.find(id)
        if item is None:
            return self
        return self.finish(id).failing(item, error=error, kind=kind, recoverable=recoverable, at=at)

    def failing(self, item: QueueItem, *, error: str, kind: str, recoverable: bool, at: float) -> "Queue":
        """Note the failure of a download, in place of an older one of the same name."""
        row = FailedItem(attrs.evolve(item, requests=()), error, kind, recoverable, at)
        others = tuple(old for old in self.failed if old.item.id != item.id)
        return attrs.evolve(self, failed=(*others, row)[-MOST_FAILURES:])

    def replace(self, item: QueueItem) -> "Queue":
        """Change what is known of a download; nothing changes if it is not there."""
        return attrs.evolve(self, active=_replaced(self.active, item), pending=_replaced(self.pending, item))

    def remove(self, id: str) -> "Queue":
        """Take out a download that waits or has failed.

        :raises NotInQueue: if it does neither
        """
        row = self.find_failed(id)
        if row is not None:
            return attrs.evolve(self, failed=tuple(other for other in self.failed if other is not row))
        return attrs.evolve(self, pending=_without(self.pending, self._pending(id)))

    def move(self, id: str, position: int) -> tuple["Queue", int]:
        """Move a waiting download and return the place it got: the nearest one that it may have.

        A running one stays where it is.

        :raises NotInQueue: if it neither runs nor waits
        """
        if any(id in (item.id, item.group_id) for item in self.active):
            return self, self.position(id)
        item = self._pending(id)
        others = _without(self.pending, item)
        index = min(max(position - 1 - len(self.active), 0), len(others))
        moved = attrs.evolve(self, pending=(*others[:index], item, *others[index:]))
        return moved, moved.position(id)

    def retry(self, id: str, *, group_id: str, at: float) -> tuple["Queue", int]:
        """Put a failed download at the end and return its place.

        :raises NotInQueue: if it has not failed
        :raises QueueFull: if there is no room; the failure stays
        """
        row = self.find_failed(id)
        if row is None:
            raise NotInQueue(id)
        again = attrs.evolve(row.item, group_id=group_id, queued_at=at, started_at=None)
        queue = self.add(again)
        return queue, queue.position(group_id)

    def clear_failed(self) -> "Queue":
        """Forget all failures."""
        return attrs.evolve(self, failed=())

    def resize(self, max_size: int) -> "Queue":
        """Allow that many downloads, 1 to 50; none is dropped.

        :raises ValueError: if it is out of range
        """
        return attrs.evolve(self, max_size=max_size)

    def restored(self) -> "Queue":
        """Return the queue of a new process: what ran waits again, before the others."""
        waiting = tuple(attrs.evolve(item, started_at=None) for item in self.items)
        return attrs.evolve(self, active=(), pending=waiting)

    def _pending(self, id: str) -> QueueItem:
        for item in self.pending:
            if id in (item.id, item.group_id):
                return item
        raise NotInQueue(id)


def _without(items: tuple[QueueItem, ...], gone: QueueItem) -> tuple[QueueItem, ...]:
    return tuple(item for item in items if item is not gone)


def _replaced(items: tuple[QueueItem, ...], changed: QueueItem) -> tuple[QueueItem, ...]:
    return tuple(changed if item.group_id == changed.group_id else item for item in items)
