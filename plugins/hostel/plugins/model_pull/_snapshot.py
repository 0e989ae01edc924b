"""The queue as its users see it."""

from collections.abc import Mapping

import attrs

from hostel.plugins.model_pull._events import (
    DownloadStatus,
    FailedDownload,
    Progress,
    QueuedDownload,
    QueueSnapshot,
)
from hostel.plugins.model_pull._queue import FailedItem, Queue, QueueItem
from hostel.plugins.model_pull._request import DownloadId
from hostel.plugins.model_pull._runs import QueueRunSummary


@attrs.frozen
class Standing:
    """How far one download is."""

    status: DownloadStatus
    progress: Progress | None


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
