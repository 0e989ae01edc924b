"""What a pull tells while it runs: facts in bytes and seconds, one terminal event and nothing after it.

A rate or ETA that is not known is None here and absent in JSON; a total that is not known is null.
"""

from enum import StrEnum
from typing import Any, ClassVar

import attrs


class DownloadStatus(StrEnum):
    """Where the download of one model stands."""

    QUEUED = "queued"
    RESOLVING = "resolving"
    DOWNLOADING = "downloading"
    PAUSED = "paused"
    VERIFYING = "verifying"
    REGISTERING = "registering"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@attrs.frozen
class DownloadEvent:
    """Something that happened among the downloads."""

    type: ClassVar[str] = ""
    terminal: ClassVar[bool] = False


@attrs.frozen
class GroupEvent(DownloadEvent):
    """Something that happened to the download called `id` (`org/repo:QUANT`)."""

    id: str


@attrs.frozen
class Started(GroupEvent):
    """What will be pulled is known.

    :ivar total: bytes, None if the size of a file is unknown
    :ivar present: bytes that are here already
    """

    type: ClassVar[str] = "started"

    files: int
    total: int | None
    present: int = 0
    quantization: str | None = None
    why: str | None = None


@attrs.frozen
class FileStarted(GroupEvent):
    """:ivar index: from 0"""

    type: ClassVar[str] = "file_started"

    path: str
    index: int
    files: int
    size: int | None


@attrs.frozen
class Progress(GroupEvent):
    """:ivar downloaded: bytes of the model that are in place; never goes down
    :ivar total: bytes, None if unknown
    :ivar rate: bytes per second
    :ivar eta: seconds
    :ivar path: the file that moved, with its own bytes in `file_downloaded` and `file_total`
    """

    type: ClassVar[str] = "progress"

    downloaded: int
    total: int | None
    rate: float | None = None
    eta: float | None = None
    path: str | None = None
    file_downloaded: int | None = None
    file_total: int | None = None


@attrs.frozen
class FileCompleted(GroupEvent):
    """:ivar cached: whether it was here before"""

    type: ClassVar[str] = "file_completed"

    path: str
    size: int | None
    cached: bool = False


@attrs.frozen
class StatusChanged(GroupEvent):
    type: ClassVar[str] = "status_changed"

    status: DownloadStatus


@attrs.frozen
class Notice(GroupEvent):
    """Something a user may want to know and need not act on."""

    type: ClassVar[str] = "notice"

    message: str


@attrs.frozen
class Completed(GroupEvent):
    """:ivar path: what a program loads: the model's file or first shard, else its folder"""

    type: ClassVar[str] = "completed"
    terminal: ClassVar[bool] = True

    path: str


@attrs.frozen
class Failed(GroupEvent):
    type: ClassVar[str] = "failed"
    terminal: ClassVar[bool] = True

    error: str
    kind: str
    recoverable: bool


@attrs.frozen
class Cancelled(GroupEvent):
    type: ClassVar[str] = "cancelled"
    terminal: ClassVar[bool] = True


class Ending(StrEnum):
    """How one attempt ended."""

    DOWNLOADED = "downloaded"
    ALREADY_PRESENT = "already_present"
    FAILED = "failed"
    CANCELLED = "cancelled"


@attrs.frozen
class RunItem:
    """One download in a run; `attempts` counts its endings by kind."""

    id: str
    attempts: dict[Ending, int]
    last: Ending
    at: float


@attrs.frozen
class QueueRunSummary:
    """One run; times are seconds since the epoch, UTC.

    :ivar completed_at: None while it lasts
    :ivar attempts: endings by kind
    :ivar unique: downloads by the kind of their last ending
    :ivar items: the newest 20, oldest first; `truncated` tells whether there were more
    """

    run_id: str
    started_at: float
    completed_at: float | None = None
    attempts: dict[Ending, int] = attrs.field(factory=dict)
    unique: dict[Ending, int] = attrs.field(factory=dict)
    items: tuple[RunItem, ...] = ()
    truncated: bool = False


@attrs.frozen
class QueuedDownload:
    """One row of the queue; times are seconds since the epoch, UTC.

    :ivar position: from 1; what runs comes first
    :ivar percent: 0 to 100, None if the total is not known
    :ivar shard_count: model files, sidecars not counted
    :ivar attempts: how often it was begun
    """

    id: str
    group_id: str
    model_id: str
    quantization: str | None
    status: DownloadStatus
    position: int
    downloaded: int
    total: int | None
    percent: float | None
    rate: float | None
    eta: float | None
    shard_count: int
    attempts: int
    queued_at: float
    started_at: float | None
    request_ids: tuple[str, ...]


@attrs.frozen
class FailedDownload:
    """One row of the failures; `downloaded` bytes are kept for the next try."""

    id: str
    group_id: str
    error: str
    kind: str
    recoverable: bool
    downloaded: int
    total: int | None
    attempts: int
    failed_at: float


@attrs.frozen
class QueueSnapshot(DownloadEvent):
    """The whole queue, each time it changes."""

    type: ClassVar[str] = "queue_snapshot"

    items: tuple[QueuedDownload, ...]
    max_size: int
    active_count: int
    pending_count: int
    recent_failures: tuple[FailedDownload, ...]
    last_run: QueueRunSummary | None = None

    def has(self, id: str) -> bool:
        """Return whether a download of that name, or of that group, runs, waits or has failed."""
        queued = any(id in (row.id, row.group_id) for row in self.items)
        return queued or any(id in (row.id, row.group_id) for row in self.recent_failures)


@attrs.frozen
class Missed(DownloadEvent):
    """A reader was so slow that `count` events were dropped before the next one."""

    type: ClassVar[str] = "missed"

    count: int


_MAY_BE_ABSENT = frozenset(
    {"rate", "eta", "path", "file_downloaded", "file_total", "quantization", "why", "percent"}
)


def to_json(event: DownloadEvent) -> dict[str, Any]:
    """Return the event as JSON values."""
    fields = attrs.asdict(
        event, filter=lambda field, value: value is not None or field.name not in _MAY_BE_ABSENT
    )
    return {"type": event.type, **fields}
