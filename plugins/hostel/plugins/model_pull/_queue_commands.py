"""`hostel downloads`: the queue of this user's data folder, looked at and changed.

It can be looked at while another process owns it, and changed when none does.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import attrs

from hostel.plugins.model_pull._errors import PullError, size_text
from hostel.plugins.model_pull._events import DownloadStatus, to_json
from hostel.plugins.model_pull._queue import NotInQueue, Queue
from hostel.plugins.model_pull._snapshot import Standing, snapshot_of
from hostel.plugins.model_pull._store import QueueStore
from hostel.runtime import console
from hostel.runtime._paths import data_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostel.plugins.model_pull._events import FailedDownload, QueuedDownload
    from hostel.plugins.model_pull._request import DownloadRequest


def show(*, as_json: bool) -> None:
    """Print what runs, waits and failed."""
    store = QueueStore(data_dir())
    try:
        queue = store.load() or Queue()
        owned = not store.claim()
    except PullError as error:
        console.fail(error)
    store.release()
    running = Standing(DownloadStatus.DOWNLOADING if owned else DownloadStatus.QUEUED, None)
    snapshot = snapshot_of(queue, {item.group_id: running for item in queue.active}, None)
    if as_json:
        console.print_json(to_json(snapshot))
        return
    rows = [_row(row) for row in snapshot.items] + [_failure(row) for row in snapshot.recent_failures]
    console.print_table(("place", "download", "state", "here", "of", "why"), rows, "no downloads")


def reorder(name: str, position: int) -> None:
    """Move a waiting download and print its place."""
    with _changing() as desk:
        desk.queue, place = desk.queue.move(name, position)
    console.print_json(place)


def retry(name: str, *, rate_limit: int | None, as_json: bool) -> None:
    """Pull a download that failed, in the foreground."""
    from hostel.plugins.model_pull._pull_command import pull_all

    try:
        queue = QueueStore(data_dir()).load() or Queue()
    except PullError as error:
        console.fail(error)
    row = queue.find_failed(name)
    if row is None:
        console.fail(NotInQueue(name))
    pull_all([row.item.request], rate_limit=rate_limit, as_json=as_json)


def cancel(name: str, *, clear_cache: bool) -> None:
    """Take a download out, and drop what was fetched of it if that is wished."""
    with _changing() as desk:
        row = desk.queue.find_failed(name)
        item = row.item if row is not None else desk.queue.find(name)
        if item is None:
            raise NotInQueue(name)
        desk.queue = desk.queue.remove(name) if row is not None else desk.queue.finish(name)
    if clear_cache:
        console.run(lambda: _discard(item.request))


async def _discard(request: DownloadRequest) -> None:
    from hostel.plugins.model_pull._manager import DownloadManager
    from hostel.runtime import Runtime

    async with Runtime() as runtime:
        await runtime.get(DownloadManager).discard(request)


def clear() -> None:
    """Forget all failures."""
    with _changing() as desk:
        desk.queue = desk.queue.clear_failed()


@attrs.define
class _Desk:
    queue: Queue


@contextmanager
def _changing() -> Iterator[_Desk]:
    store = QueueStore(data_dir())
    try:
        if not store.claim():
            _owned()
        try:
            desk = _Desk(store.load() or Queue())
            yield desk
            store.save(desk.queue)
        finally:
            store.release()
    except PullError as error:
        console.fail(error)


def _owned() -> NoReturn:
    console.fail("Another process of hostel owns the queue: stop it, or change the queue there.")


def _row(row: QueuedDownload) -> tuple[str, ...]:
    total = size_text(row.total) if row.total is not None else "?"
    return str(row.position), row.id, row.status, size_text(row.downloaded), total, ""


def _failure(row: FailedDownload) -> tuple[str, ...]:
    total = size_text(row.total) if row.total is not None else "?"
    return "-", row.id, "failed", size_text(row.downloaded), total, row.error
