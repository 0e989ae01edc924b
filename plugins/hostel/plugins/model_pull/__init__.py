"""Pull models from the Hugging Face Hub, plain URLs and folders: verified, resumable, shared and queued.

Gives a runtime a `DownloadManager` (`runtime.get(DownloadManager)`), the task kind `model_pull`, and the
commands `hostel pull` and `hostel downloads`. Imports point down this list:

    _plugin    what a runtime gets: manager, task kind, sources, commands, paths of its API
    hookspecs  what other plugins may add: sources, advice, listeners
    _panels    what the inspector's page shows of it
    _http_api  `/api/downloads` and `/api/models` of a runtime that serves
    _cli       the commands
    _manager   the verbs of downloads
    _once      one model without queue: the shortest way through all below
    _queue     requests, groups, the queue, one pull
    _engine    one remote file becomes one verified local file
    _cache     blobs, snapshots, disk space, checksums
    _select    which files of a repository
    _sources   the hub, URLs, folders
    _web       origins, redirects, proxies
    _events    what a pull tells
    _errors    what can go wrong
    _numbers   rates and times as people read them
    _settings  the environment
    testing    a local hub over real HTTP, for tests
"""

from typing import TYPE_CHECKING

from hostel.runtime.lazy import lazily

if TYPE_CHECKING:
    from ._errors import (
        AccessDenied,
        BadResponse,
        ContentChanged,
        Gated,
        IntegrityFailed,
        InvalidFormat,
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
        Ending,
        Failed,
        FailedDownload,
        FileCompleted,
        FileStarted,
        GroupEvent,
        Missed,
        Notice,
        Progress,
        QueuedDownload,
        QueueRunSummary,
        QueueSnapshot,
        RunItem,
        Started,
        StatusChanged,
        to_json,
    )
    from ._manager import DownloadManager
    from ._once import pull_once
    from ._plugin import ModelPull
    from ._queue.download_request import DownloadId, DownloadRequest
    from ._queue.event_bus import Subscription
    from ._queue.handle import CancelReceipt, DuplicateRequest, PullCancelled, PullHandle
    from ._queue.plan import PullOptions
    from ._queue.pull import Pulled
    from ._queue.queue import NotInQueue, QueueFull
    from ._select.formats import Format
    from ._select.quantization import (
        GGLIB_PREFERENCE,
        PREFERENCE,
        Choice,
        QuantOption,
        choose,
        quant_options,
    )
    from ._sources.base import ModelSource
    from ._sources.folder import FolderSource
    from ._sources.hub import HubSource
    from ._sources.reference import InvalidReference, Reference, parse_reference
    from ._sources.remote_file import RemoteFile
    from ._sources.url import UrlSource

__getattr__ = lazily(
    __name__,
    {
        "_select.formats": ("Format",),
        "_select.quantization": (
            "GGLIB_PREFERENCE",
            "PREFERENCE",
            "Choice",
            "QuantOption",
            "choose",
            "quant_options",
        ),
        "_errors": (
            "AccessDenied",
            "BadResponse",
            "ContentChanged",
            "Gated",
            "IntegrityFailed",
            "InvalidFormat",
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
            "Ending",
            "Failed",
            "FailedDownload",
            "FileCompleted",
            "FileStarted",
            "GroupEvent",
            "Missed",
            "Notice",
            "Progress",
            "QueueRunSummary",
            "QueuedDownload",
            "QueueSnapshot",
            "RunItem",
            "Started",
            "StatusChanged",
            "to_json",
        ),
        "_queue.event_bus": ("Subscription",),
        "_sources.folder": ("FolderSource",),
        "_queue.handle": ("CancelReceipt", "DuplicateRequest", "PullCancelled", "PullHandle"),
        "_sources.hub": ("HubSource",),
        "_manager": ("DownloadManager",),
        "_once": ("pull_once",),
        "_queue.plan": ("PullOptions",),
        "_plugin": ("ModelPull",),
        "_queue.pull": ("Pulled",),
        "_queue.queue": ("NotInQueue", "QueueFull"),
        "_sources.reference": ("InvalidReference", "Reference", "parse_reference"),
        "_sources.remote_file": ("RemoteFile",),
        "_queue.download_request": ("DownloadId", "DownloadRequest"),
        "_sources.base": ("ModelSource",),
        "_sources.url": ("UrlSource",),
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
    "Format",
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
    "InvalidFormat",
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
