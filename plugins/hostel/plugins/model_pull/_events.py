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
    VERIFYING = "verifying"
    REGISTERING = "registering"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@attrs.frozen
class DownloadEvent:
    """Something that happened to the download called `id` (`org/repo:QUANT`)."""

    type: ClassVar[str] = ""
    terminal: ClassVar[bool] = False

    id: str


@attrs.frozen
class Started(DownloadEvent):
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
class FileStarted(DownloadEvent):
    """:ivar index: from 0"""

    type: ClassVar[str] = "file_started"

    path: str
    index: int
    files: int
    size: int | None


@attrs.frozen
class Progress(DownloadEvent):
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
class FileCompleted(DownloadEvent):
    """:ivar cached: whether it was here before"""

    type: ClassVar[str] = "file_completed"

    path: str
    size: int | None
    cached: bool = False


@attrs.frozen
class StatusChanged(DownloadEvent):
    type: ClassVar[str] = "status_changed"

    status: DownloadStatus


@attrs.frozen
class Notice(DownloadEvent):
    """Something a user may want to know and need not act on."""

    type: ClassVar[str] = "notice"

    message: str


@attrs.frozen
class Completed(DownloadEvent):
    """:ivar path: what a program loads: the model's file or first shard, else its folder"""

    type: ClassVar[str] = "completed"
    terminal: ClassVar[bool] = True

    path: str


@attrs.frozen
class Failed(DownloadEvent):
    type: ClassVar[str] = "failed"
    terminal: ClassVar[bool] = True

    error: str
    kind: str
    recoverable: bool


@attrs.frozen
class Cancelled(DownloadEvent):
    type: ClassVar[str] = "cancelled"
    terminal: ClassVar[bool] = True


_MAY_BE_ABSENT = frozenset({"rate", "eta", "path", "file_downloaded", "file_total", "quantization", "why"})


def to_json(event: DownloadEvent) -> dict[str, Any]:
    """Return the event as JSON values."""
    fields = attrs.asdict(
        event, filter=lambda field, value: value is not None or field.name not in _MAY_BE_ABSENT
    )
    return {"type": event.type, **fields}
