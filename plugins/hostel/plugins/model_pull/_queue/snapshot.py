"""The queue as its users see it, and what one run of it did, while it was never empty."""

from collections.abc import Mapping
from typing import Any

import attrs

from .._events import (
    DownloadStatus,
    Ending,
    FailedDownload,
    Progress,
    QueuedDownload,
    QueueRunSummary,
    QueueSnapshot,
    RunItem,
)
from .download_request import DownloadId
from .queue import FailedItem, Queue, QueueItem

NEWEST = 20
_ABSENT = {"quantization": None, "percent": None, "rate": None, "eta": None}


@attrs.frozen
class Standing:
    """How far one download is."""

    status: DownloadStatus
    progress: Progress | None


@attrs.frozen
class Run:
    """A run under way; a value."""

    run_id: str
    started_at: float
    _items: tuple[RunItem, ...] = ()

    def ended(self, id: str, how: Ending, at: float) -> "Run":
        """Return the run after one attempt has ended."""
        before = next((item for item in self._items if item.id == id), None)
        counts = dict(before.attempts) if before else {}
        counts[how] = counts.get(how, 0) + 1
        others = tuple(item for item in self._items if item.id != id)
        return attrs.evolve(self, items=(*others, RunItem(id, counts, how, at)))

    def summary(self, at: float | None = None) -> QueueRunSummary:
        """Return what happened; `at` is when the queue became empty, None if it has not."""
        return QueueRunSummary(
            self.run_id,
            self.started_at,
            at,
            attempts=_nonzero(
                {how: sum(item.attempts.get(how, 0) for item in self._items) for how in Ending}
            ),
            unique=_nonzero({how: sum(item.last is how for item in self._items) for how in Ending}),
            items=self._items[-NEWEST:],
            truncated=len(self._items) > NEWEST,
        )


def snapshot_of(
    queue: Queue, standings: Mapping[str, Standing], last_run: QueueRunSummary | None
) -> QueueSnapshot:
    """Return what runs, waits and failed.

    :param standings: by group id; what is absent waits
    """
    waiting = Standing(DownloadStatus.QUEUED, None)
    rows = [
        _row(item, place, standings.get(item.group_id, waiting)) for place, item in enumerate(queue.items, 1)
    ]
    return QueueSnapshot(
        items=tuple(rows),
        max_size=queue.max_size,
        active_count=len(queue.active),
        pending_count=len(queue.pending),
        recent_failures=tuple(map(_failure, queue.failed)),
        last_run=last_run,
    )


def snapshot_from_json(saved: Mapping[str, Any]) -> QueueSnapshot:
    """Read what `to_json` wrote; fields that are not known are left out.

    :raises TypeError, ValueError, LookupError: if it is something else
    """
    last = saved["last_run"]
    return QueueSnapshot(
        items=tuple(map(_read_row, saved["items"])),
        max_size=saved["max_size"],
        active_count=saved["active_count"],
        pending_count=saved["pending_count"],
        recent_failures=tuple(
            FailedDownload(**_known(FailedDownload, row)) for row in saved["recent_failures"]
        ),
        last_run=None if last is None else _run(last),
    )


def _row(item: QueueItem, place: int, standing: Standing) -> QueuedDownload:
    progress = standing.progress
    name = DownloadId.parse(item.id)
    downloaded = progress.downloaded if progress else item.downloaded
    total = progress.total if progress else item.total
    return QueuedDownload(
        id=item.id,
        group_id=item.group_id,
        model_id=name.model_id,
        quantization=name.quantization,
        status=standing.status,
        position=place,
        downloaded=downloaded,
        total=total,
        percent=min(100.0, 100 * downloaded / total) if total else None,
        rate=progress.rate if progress else None,
        eta=progress.eta if progress else None,
        shard_count=item.shard_count,
        attempts=item.attempts,
        queued_at=item.queued_at,
        started_at=item.started_at,
        request_ids=tuple(request for _, request in item.requests),
    )


def _failure(row: FailedItem) -> FailedDownload:
    return FailedDownload(
        id=row.item.id,
        group_id=row.item.group_id,
        error=row.error,
        kind=row.kind,
        recoverable=row.recoverable,
        downloaded=row.item.downloaded,
        total=row.item.total,
        attempts=row.item.attempts,
        failed_at=row.failed_at,
    )


def _read_row(saved: Mapping[str, Any]) -> QueuedDownload:
    known = _known(QueuedDownload, {**_ABSENT, **saved})
    status, requests = DownloadStatus(saved["status"]), tuple(saved["request_ids"])
    return QueuedDownload(**{**known, "status": status, "request_ids": requests})


def _run(saved: Mapping[str, Any]) -> QueueRunSummary:
    items = tuple(
        RunItem(item["id"], _counts(item["attempts"]), Ending(item["last"]), item["at"])
        for item in saved["items"]
    )
    counts = {name: _counts(saved[name]) for name in ("attempts", "unique")}
    return QueueRunSummary(**{**_known(QueueRunSummary, saved), **counts, "items": items})


def _counts(saved: Mapping[str, int]) -> dict[Ending, int]:
    return {Ending(how): count for how, count in saved.items()}


def _known(kind: type[attrs.AttrsInstance], saved: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: saved[field.name] for field in attrs.fields(kind) if field.name in saved}


def _nonzero(counts: dict[Ending, int]) -> dict[Ending, int]:
    return {how: count for how, count in counts.items() if count}
