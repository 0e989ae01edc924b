"""The queue on disk, so that a new process goes on where the last one ended.

One JSON file, readable by its owner only, replaced in one step; secrets of URLs are left out. A
file that cannot be read is set aside and the queue begins empty; one of a newer hostel is refused. A
lock beside it says who owns the queue: a second process reads it and keeps its own in memory.
"""

import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import attrs
from filelock import FileLock, Timeout

from .._errors import StorageFailed
from .download_request import DownloadRequest
from .queue import FailedItem, Queue, QueueItem

log = logging.getLogger("hostel.model_pull")

VERSION = 1
NAME = "downloads.json"


class QueueStore:
    """Keeps the queue of one data folder.

    All verbs block: call them in a thread.
    """

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / NAME
        self._lock = FileLock(self.path.with_suffix(".lock"), is_singleton=False, thread_local=False)

    def claim(self) -> bool:
        """Own the queue until `release`; False if another process does.

        :raises StorageFailed: if the folder cannot be written
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        except OSError as error:
            raise StorageFailed(self.path, (error.strerror or str(error)).lower()) from error
        return True

    def release(self) -> None:
        """Let another process own the queue."""
        self._lock.release()

    def load(self) -> Queue | None:
        """Return the queue as it was saved last, None if there is none.

        :raises StorageFailed: if a newer hostel wrote it, or what is in its place cannot be set aside
        """
        try:
            saved = json.loads(self.path.read_text(encoding="utf-8"))
            version = saved["version"]
            if version > VERSION:
                raise StorageFailed(self.path, f"a newer hostel wrote it (version {version})")
            return queue_from_json(saved)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, LookupError):
            # somebody may yet mend it by hand
            aside = self.path.with_suffix(".unreadable")
            self._set_aside(aside)
            log.warning("the queue of downloads could not be read and begins empty; it is kept as %s", aside)
            return None

    def _set_aside(self, aside: Path) -> None:
        try:
            self.path.replace(aside)
        except OSError as error:
            raise StorageFailed(self.path, (error.strerror or str(error)).lower()) from error

    def save(self, queue: Queue) -> None:
        """Replace what is on disk.

        :raises StorageFailed: if the disk refuses
        """
        draft = self.path.with_suffix(".tmp")
        try:
            # made anew each time, so that nobody else could open it before its mode was set
            draft.unlink(missing_ok=True)
            draft.touch(mode=0o600)
            with draft.open("w", encoding="utf-8") as file:
                json.dump(queue_to_json(queue), file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
        except OSError as error:
            raise StorageFailed(self.path, (error.strerror or str(error)).lower()) from error


class Saver:
    """Saves what `queue()` returns, each time it is told that there is something new.

    A disk that refuses is noted in the log once, and tried again at the next change.
    """

    def __init__(self, store: QueueStore, queue: Callable[[], Queue]) -> None:
        self._store, self._queue = store, queue
        self._changed, self._saved = anyio.Event(), anyio.Event()
        self._writing = anyio.Lock()
        self._asked = self._done = 0
        self._failing = False

    @property
    def folder(self) -> Path:
        """Return where the queue is kept."""
        return self._store.path.parent

    async def claim(self) -> bool:
        """Own the queue on disk until `aclose`; False if another process does."""
        if await anyio.to_thread.run_sync(self._store.claim):
            return True
        log.info("another process owns the queue in %s: this one is kept in memory only", self._store.path)
        return False

    async def load(self) -> Queue | None:
        """Return the queue that a former process left, None if there is none."""
        return await anyio.to_thread.run_sync(self._store.load)

    def touch(self) -> None:
        """Note that the queue has changed."""
        self._asked += 1
        self._changed.set()

    async def caught_up(self) -> None:
        """Wait until what was changed before this call has been written, or could not be."""
        asked = self._asked
        while self._done < asked:
            await self._saved.wait()

    async def run(self) -> None:
        """Save until cancelled."""
        while True:
            await self._changed.wait()
            self._changed = anyio.Event()
            await self.flush()

    async def flush(self) -> None:
        """Save now."""
        async with self._writing:
            # noted before the queue is read: what is changed while it is written is saved next time
            asked = self._asked
            try:
                await anyio.to_thread.run_sync(self._store.save, self._queue())
                self._failing = False
            except StorageFailed as error:
                if not self._failing:
                    log.warning("the queue of downloads is not kept: %s", error)
                self._failing = True
            self._done = asked
        self._saved.set()
        self._saved = anyio.Event()

    async def aclose(self) -> None:
        """Save and let another process own the queue."""
        await self.flush()
        await anyio.to_thread.run_sync(self._store.release)


def queue_to_json(queue: Queue) -> dict[str, Any]:
    """Return the queue as JSON values."""
    return {
        "version": VERSION,
        "max_size": queue.max_size,
        "active": [_item_to_json(item) for item in queue.active],
        "pending": [_item_to_json(item) for item in queue.pending],
        "failed": [
            {**attrs.asdict(row, recurse=False), "item": _item_to_json(row.item)} for row in queue.failed
        ],
    }


def queue_from_json(saved: Mapping[str, Any]) -> Queue:
    """Read what `queue_to_json` wrote.

    :raises ValueError, TypeError, LookupError: if it is something else
    """
    return Queue(
        active=tuple(map(_item_from_json, saved["active"])),
        pending=tuple(map(_item_from_json, saved["pending"])),
        failed=tuple(FailedItem(**{**row, "item": _item_from_json(row["item"])}) for row in saved["failed"]),
        max_size=saved["max_size"],
    )


def _item_to_json(item: QueueItem) -> dict[str, Any]:
    request = {**item.request.to_params(), "session_id": item.request.session_id}
    return {**attrs.asdict(item, recurse=False), "request": request}


def _item_from_json(saved: Mapping[str, Any]) -> QueueItem:
    requests = tuple((session, request) for session, request in saved["requests"])
    return QueueItem(**{**saved, "request": DownloadRequest(**saved["request"]), "requests": requests})
