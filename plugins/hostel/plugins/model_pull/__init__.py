"""Pull models from the Hugging Face Hub, plain URLs and folders: verified, resumable, shared and queued.

Gives a runtime a `DownloadManager` (`runtime.get(DownloadManager)`), the task kind `model_pull`, and the
commands `hostel pull` and `hostel downloads`.
"""

from typing import TYPE_CHECKING

from hostel.runtime.lazy import lazily

if TYPE_CHECKING:
    from ._choice import (
        GGLIB_PREFERENCE,
        PREFERENCE,
        Choice,
        QuantOption,
        choose,
        quant_options,
    )
    from ._errors import (
        AccessDenied,
        BadResponse,
        ContentChanged,
        Gated,
        IntegrityFailed,
        InvalidQuantization,
        NoSpace,
        NotFound,
        PullError,
        RepoNotFound,
        RevisionNotFound,
        SecretWithheld,
        StorageFailed,
        TransferFailed,
        Unreachable,
        UnsafePath,
    )
    from ._events import (
        Cancelled,
        Completed,
        DownloadEvent,
        DownloadStatus,
        Failed,
        FailedDownload,
        FileCompleted,
        FileStarted,
        GroupEvent,
        Missed,
        Notice,
        Progress,
        QueuedDownload,
        QueueSnapshot,
        Started,
        StatusChanged,
        to_json,
    )
    from ._feed import Subscription
    from ._folder import FolderSource
    from ._handle import CancelReceipt, DuplicateRequest, PullCancelled, PullHandle
    from ._hub import HubSource
    from ._manager import DownloadManager
    from ._once import pull_once
    from ._plan import PullOptions
    from ._plugin import ModelPull
    from ._pull import Pulled
    from ._queue import NotInQueue, QueueFull
    from ._reference import InvalidReference, Reference, parse_reference
    from ._remote import RemoteFile
    from ._request import DownloadId, DownloadRequest
    from ._runs import Ending, QueueRunSummary, RunItem
    from ._source import ModelSource
    from ._url import UrlSource

__getattr__ = lazily(
    __name__,
    {
        "_choice": ("GGLIB_PREFERENCE", "PREFERENCE", "Choice", "QuantOption", "choose", "quant_options"),
        "_errors": (
            "AccessDenied",
            "BadResponse",
            "ContentChanged",
            "Gated",
            "IntegrityFailed",
            "InvalidQuantization",
            "NoSpace",
            "NotFound",
            "PullError",
            "RepoNotFound",
            "RevisionNotFound",
            "SecretWithheld",
            "StorageFailed",
            "TransferFailed",
            "Unreachable",
            "UnsafePath",
        ),
        "_events": (
            "Cancelled",
            "Completed",
            "DownloadEvent",
            "DownloadStatus",
            "Failed",
            "FailedDownload",
            "FileCompleted",
            "FileStarted",
            "GroupEvent",
            "Missed",
            "Notice",
            "Progress",
            "QueuedDownload",
            "QueueSnapshot",
            "Started",
            "StatusChanged",
            "to_json",
        ),
        "_feed": ("Subscription",),
        "_folder": ("FolderSource",),
        "_handle": ("CancelReceipt", "DuplicateRequest", "PullCancelled", "PullHandle"),
        "_hub": ("HubSource",),
        "_manager": ("DownloadManager",),
        "_once": ("pull_once",),
        "_plan": ("PullOptions",),
        "_plugin": ("ModelPull",),
        "_pull": ("Pulled",),
        "_queue": ("NotInQueue", "QueueFull"),
        "_reference": ("InvalidReference", "Reference", "parse_reference"),
        "_remote": ("RemoteFile",),
        "_request": ("DownloadId", "DownloadRequest"),
        "_runs": ("Ending", "QueueRunSummary", "RunItem"),
        "_source": ("ModelSource",),
        "_url": ("UrlSource",),
    },
)

__all__ = [
    # pulling
    "DownloadManager",
    "DownloadId",
    "DownloadRequest",
    "PullHandle",
    "CancelReceipt",
    "pull_once",
    "PullOptions",
    "Pulled",
    "Subscription",
    "ModelPull",
    # choosing
    "Choice",
    "GGLIB_PREFERENCE",
    "PREFERENCE",
    "QuantOption",
    "choose",
    "quant_options",
    # sources
    "FolderSource",
    "HubSource",
    "ModelSource",
    "Reference",
    "RemoteFile",
    "UrlSource",
    "parse_reference",
    # events
    "Cancelled",
    "Completed",
    "DownloadEvent",
    "DownloadStatus",
    "Failed",
    "FailedDownload",
    "FileCompleted",
    "FileStarted",
    "GroupEvent",
    "Missed",
    "Notice",
    "Progress",
    "QueueSnapshot",
    "QueuedDownload",
    "Started",
    "StatusChanged",
    "to_json",
    # runs of the queue
    "Ending",
    "QueueRunSummary",
    "RunItem",
    # errors
    "AccessDenied",
    "BadResponse",
    "ContentChanged",
    "DuplicateRequest",
    "Gated",
    "IntegrityFailed",
    "InvalidQuantization",
    "InvalidReference",
    "NoSpace",
    "NotFound",
    "NotInQueue",
    "PullCancelled",
    "PullError",
    "QueueFull",
    "RepoNotFound",
    "RevisionNotFound",
    "SecretWithheld",
    "StorageFailed",
    "TransferFailed",
    "Unreachable",
    "UnsafePath",
]
