"""The queue on disk, changed while no process works on it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs

from hostel.runtime import console

from .._errors import PullError
from .._events import DownloadStatus
from .._queue.persistence import QueueStore
from .._queue.queue import NotInQueue, Queue
from .._queue.snapshot import Standing, snapshot_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .._events import QueueSnapshot
    from .._queue.download_request import DownloadRequest


@attrs.define
class QueueOwned(PullError):
    """A process that does not serve works on the queue."""

    where: str

    @property
    def message(self) -> str:
        return f"Another process of hostel owns {self.where}: stop it, or change the queue there."


@attrs.define
class _Draft:
    queue: Queue


@attrs.frozen
class OfflineQueue:
    """The queue of one data folder.

    :raises StorageFailed: from each verb, if the disk refuses
    :raises QueueOwned: from each verb that changes it, if another process owns it
    """

    folder: Path
    url: None = None

    @property
    def where(self) -> str:
        """Return how to name it to a user."""
        return f"the queue in {self.folder}"

    def snapshot(self) -> QueueSnapshot:
        """Return what runs, waits and failed."""
        queue, store = self._load(), QueueStore(self.folder)
        is_free = store.claim()
        store.release()
        standing = Standing(DownloadStatus.QUEUED if is_free else DownloadStatus.DOWNLOADING, None)
        return snapshot_of(queue, {item.group_id: standing for item in queue.active}, None)

    def failed(self, name: str) -> DownloadRequest:
        """Return the request of a download that failed.

        :raises NotInQueue: if it has not
        """
        row = self._load().find_failed(name)
        if row is None:
            raise NotInQueue(name)
        return row.item.request

    def reorder(self, name: str, position: int) -> int:
        """Move a waiting download and return its place."""
        with self._changing() as draft:
            draft.queue, place = draft.queue.move(name, position)
        return place

    def cancel(self, name: str, *, clear_cache: bool) -> None:
        """Take a download out, and drop what was fetched of it if that is asked for."""
        with self._changing() as draft:
            row = draft.queue.find_failed(name)
            item = row.item if row is not None else draft.queue.find(name)
            if item is None:
                raise NotInQueue(name)
            draft.queue = draft.queue.remove(name) if row is not None else draft.queue.finish(name)
        if clear_cache:
            console.run(lambda: _discard(item.request))

    def clear(self) -> None:
        """Forget all failures."""
        with self._changing() as draft:
            draft.queue = draft.queue.clear_failed()

    def _load(self) -> Queue:
        return QueueStore(self.folder).load() or Queue()

    @contextmanager
    def _changing(self) -> Iterator[_Draft]:
        store = QueueStore(self.folder)
        if not store.claim():
            raise QueueOwned(self.where)
        try:
            draft = _Draft(self._load())
            yield draft
            store.save(draft.queue)
        finally:
            store.release()


async def _discard(request: DownloadRequest) -> None:
    from hostel.runtime import Runtime

    from .._manager import DownloadManager

    async with Runtime() as runtime:
        await runtime.get(DownloadManager).discard(request)
