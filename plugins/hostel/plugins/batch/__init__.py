"""Batches of model requests: submitted as files, worked through by a daemon, answered line by line."""

from typing import TYPE_CHECKING

from hostel.runtime.lazy import lazily

if TYPE_CHECKING:
    from ._daemon import Daemon, Escalation
    from ._errors import (
        AlreadyWorking,
        BatchError,
        BatchExpired,
        InvalidInput,
        NotFound,
        SchemaTooNew,
        StateConflict,
        StorageRefused,
        StorageUnavailable,
    )
    from ._house import Batches
    from ._ids import BatchId, DaemonId, FileId, RequestId, TemplateId
    from ._records import (
        Batch,
        BatchInput,
        BatchResultItem,
        BatchStatus,
        Capacity,
        File,
        FileFilter,
        FileMetadata,
        OnDeadline,
        Problem,
        Purpose,
        Request,
        RequestData,
        RequestTemplateInput,
    )
    from ._retry import RetryPolicy
    from ._sender import HttpSender, Reply, Sender, Timeouts
    from ._states import Failure, FailureKind, RequestState
    from ._storage import Storage
    from .sql import SqlStorage

__getattr__ = lazily(
    __name__,
    {
        "_daemon": ("Daemon", "Escalation"),
        "_errors": (
            "AlreadyWorking",
            "BatchError",
            "BatchExpired",
            "InvalidInput",
            "NotFound",
            "SchemaTooNew",
            "StateConflict",
            "StorageRefused",
            "StorageUnavailable",
        ),
        "_house": ("Batches",),
        "_ids": ("BatchId", "DaemonId", "FileId", "RequestId", "TemplateId"),
        "_records": (
            "Batch",
            "BatchInput",
            "BatchResultItem",
            "BatchStatus",
            "Capacity",
            "File",
            "FileFilter",
            "FileMetadata",
            "OnDeadline",
            "Problem",
            "Purpose",
            "Request",
            "RequestData",
            "RequestTemplateInput",
        ),
        "_retry": ("RetryPolicy",),
        "_sender": ("HttpSender", "Reply", "Sender", "Timeouts"),
        "_states": ("Failure", "FailureKind", "RequestState"),
        "_storage": ("Storage",),
        "sql": ("SqlStorage",),
    },
)

__all__ = [
    "AlreadyWorking",
    "Batches",
    "Daemon",
    "Escalation",
    "HttpSender",
    "Reply",
    "RetryPolicy",
    "Sender",
    "Timeouts",
    "Batch",
    "BatchError",
    "BatchExpired",
    "BatchId",
    "BatchInput",
    "BatchResultItem",
    "BatchStatus",
    "Capacity",
    "DaemonId",
    "Failure",
    "FailureKind",
    "File",
    "FileFilter",
    "FileId",
    "FileMetadata",
    "InvalidInput",
    "NotFound",
    "OnDeadline",
    "Problem",
    "Purpose",
    "Request",
    "RequestData",
    "RequestId",
    "RequestState",
    "RequestTemplateInput",
    "SchemaTooNew",
    "SqlStorage",
    "StateConflict",
    "Storage",
    "StorageRefused",
    "StorageUnavailable",
    "TemplateId",
]
