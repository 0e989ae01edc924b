"""`hostel downloads`: the queues of runtimes that serve, and the one on disk where none of them owns it.

A runtime is asked over HTTP and does it at once. The queue on disk is changed here, unless a process that
does not serve owns it; then it can be looked at only.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from hostel.runtime import console
from hostel.runtime.paths import data_dir
from hostel.runtime.text import clock_text, rate_text, size_text

from .._errors import PullError
from .._events import DownloadStatus, to_json
from .._queue.queue import NotInQueue
from .offline import OfflineQueue
from .remote import remote_queues

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .._events import FailedDownload, QueuedDownload, QueueSnapshot
    from .remote import RemoteQueue

COLUMNS = ("place", "download", "state", "here", "of", "more")


def show(*, as_json: bool) -> None:
    """Print what runs, waits and failed."""
    with _one_sentence():
        found = [(queue, queue.snapshot()) for queue in _queues()]
    if as_json:
        for queue, snapshot in found:
            console.print_json({**to_json(snapshot), "runtime": queue.url})
        return
    rows = [row for _, snapshot in found for row in _rows(snapshot)]
    console.print_table(COLUMNS, rows, "no downloads")


def reorder(name: str, position: int) -> None:
    """Move a waiting download and print its place."""
    with _one_sentence():
        console.print_json(_holder(name).reorder(name, position))


def retry(name: str, *, rate_limit: int | None, as_json: bool) -> None:
    """Let the runtime that has a failed download pull it again; without one, pull it in the foreground."""
    from .detach import say_queued
    from .pull_command import pull_all

    with _one_sentence():
        queue = _holder(name)
        if not isinstance(queue, OfflineQueue):
            if rate_limit is not None:
                console.fail(f"--limit-rate does not reach {queue.where}, which has {name}.", console.USAGE)
            say_queued(queue, name, queue.retry(name), as_json=as_json)
            return
        request = queue.failed(name)
    pull_all([request], rate_limit=rate_limit, as_json=as_json)


def cancel(name: str, *, clear_cache: bool) -> None:
    """Take a download out, and drop what was fetched of it if that is asked for."""
    with _one_sentence():
        _holder(name).cancel(name, clear_cache=clear_cache)


def clear() -> None:
    """Forget all failures."""
    with _one_sentence():
        for queue in _queues():
            queue.clear()


def _queues() -> tuple[RemoteQueue | OfflineQueue, ...]:
    found = remote_queues(data_dir())
    for trouble in found.troubles:
        console.warn(trouble)
    return found.queues if found.owns_stored else (*found.queues, OfflineQueue(data_dir()))


def _holder(name: str) -> RemoteQueue | OfflineQueue:
    for queue in _queues():
        if queue.snapshot().has(name):
            return queue
    raise NotInQueue(name)


@contextmanager
def _one_sentence() -> Iterator[None]:
    try:
        yield
    except PullError as error:
        console.fail(error)


def _rows(snapshot: QueueSnapshot) -> Sequence[tuple[str, ...]]:
    return [_row(row) for row in snapshot.items] + [_failure(row) for row in snapshot.recent_failures]


def _row(row: QueuedDownload) -> tuple[str, ...]:
    total = size_text(row.total) if row.total is not None else "?"
    pace = [rate_text(row.rate)] if row.rate is not None else []
    pace += [f"{clock_text(row.eta)} left"] if row.eta is not None else []
    return str(row.position), row.id, row.status, size_text(row.downloaded), total, ", ".join(pace)


def _failure(row: FailedDownload) -> tuple[str, ...]:
    total = size_text(row.total) if row.total is not None else "?"
    return "-", row.id, DownloadStatus.FAILED, size_text(row.downloaded), total, row.error
