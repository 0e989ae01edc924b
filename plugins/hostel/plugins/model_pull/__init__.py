"""Pull models from the Hugging Face Hub, plain URLs and folders: verified, resumable, shared and queued.

Gives a runtime a `DownloadManager` (`runtime.get(DownloadManager)`), the task kind `model_pull`, and the
commands `hostel pull` and `hostel downloads`.
"""

from hostel.plugins.model_pull._choice import (
    GGLIB_PREFERENCE,
    PREFERENCE,
    Choice,
    QuantOption,
    choose,
    quant_options,
)
from hostel.plugins.model_pull._errors import (
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
from hostel.plugins.model_pull._events import (
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
from hostel.plugins.model_pull._feed import Subscription
from hostel.plugins.model_pull._folder import FolderSource
from hostel.plugins.model_pull._handle import CancelReceipt, DuplicateRequest, PullCancelled, PullHandle
from hostel.plugins.model_pull._hub import HubSource
from hostel.plugins.model_pull._manager import DownloadManager
from hostel.plugins.model_pull._once import pull_once
from hostel.plugins.model_pull._plan import PullOptions
from hostel.plugins.model_pull._plugin import ModelPull
from hostel.plugins.model_pull._pull import Pulled
from hostel.plugins.model_pull._queue import NotInQueue, QueueFull
from hostel.plugins.model_pull._reference import InvalidReference, Reference, parse_reference
from hostel.plugins.model_pull._remote import RemoteFile
from hostel.plugins.model_pull._request import DownloadId, DownloadRequest
from hostel.plugins.model_pull._runs import Ending, QueueRunSummary, RunItem
from hostel.plugins.model_pull._source import ModelSource
from hostel.plugins.model_pull._url import UrlSource

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
