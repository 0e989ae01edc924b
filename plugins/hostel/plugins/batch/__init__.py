"""Batches of model requests: submitted as files, worked through by a daemon, answered line by line.

_plugin        what hostel gains: a service, a task kind, routes, commands
_cli/          `hostel batch`
_openai/       files and batches as OpenAI's clients ask for them
_task_kind     a batch as a task that is started by name
_service       `Batches`: the batches of a runtime
_task_sync     a task for every unfinished batch
_open_store    the store while it is open, and what wakes those who wait for changes
_keep_running  services that outlive what ends them
hookspecs      the hook by which others send the requests
testing/       an endpoint with faults, a PostgreSQL server, a store worked by hand
_daemon/       claims requests, sends them, reports what came back
_store/        files, batches and requests in a database
migrations/    its schema, release by release
_model/        what batches are made of
"""

from typing import TYPE_CHECKING

from hostel.runtime.lazy import lazily

if TYPE_CHECKING:
    from ._daemon.daemon import Daemon, Escalation
    from ._daemon.retry import RetryPolicy
    from ._daemon.sender import HttpSender, Reply, Sender, Timeouts
    from ._model.errors import (
        AlreadyWorking,
        BatchError,
        BatchExpired,
        InvalidInput,
        InvalidStore,
        NotFound,
        SchemaTooNew,
        StateConflict,
        StorageRefused,
        StorageUnavailable,
        StoreNotOpened,
    )
    from ._model.ids import BatchId, DaemonId, FileId, RequestId, TemplateId
    from ._model.records import (
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
    from ._model.states import Failure, FailureKind, RequestState
    from ._service import Batches
    from ._store.protocol import Storage
    from ._store.store import SqlStorage

__getattr__ = lazily(
    __name__,
    {
        "_daemon.daemon": ("Daemon", "Escalation"),
        "_model.errors": (
            "AlreadyWorking",
            "BatchError",
            "BatchExpired",
            "InvalidInput",
            "InvalidStore",
            "NotFound",
            "SchemaTooNew",
            "StateConflict",
            "StorageRefused",
            "StorageUnavailable",
            "StoreNotOpened",
        ),
        "_service": ("Batches",),
        "_model.ids": ("BatchId", "DaemonId", "FileId", "RequestId", "TemplateId"),
        "_model.records": (
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
        "_daemon.retry": ("RetryPolicy",),
        "_daemon.sender": ("HttpSender", "Reply", "Sender", "Timeouts"),
        "_model.states": ("Failure", "FailureKind", "RequestState"),
        "_store.protocol": ("Storage",),
        "_store.store": ("SqlStorage",),
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
    "InvalidStore",
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
    "StoreNotOpened",
    "TemplateId",
]
