"""Background tasks that belong to sessions: states, records, events, hosts and journals.

Needs anyio and attrs only; runs on asyncio and trio.
"""

from ._context import TaskContext, current_task
from ._entry import CancelHook
from ._errors import (
    AmbiguousTaskId,
    HiddenTasksFailed,
    HostClosed,
    IllegalTransition,
    InvalidProgress,
    InvalidTaskId,
    JournalConflict,
    JournalCorrupt,
    JournalError,
    JournalInUse,
    JournalTooNew,
    SessionClosing,
    SessionsError,
    TaskAlreadyExists,
    TaskCancelled,
    TaskFailed,
    TaskStillRuns,
    UnknownCursor,
    UnknownTask,
)
from ._events import EventType, TaskEvent
from ._handle import TaskHandle
from ._host import LocalBackgroundTaskHost
from ._ids import new_id
from ._json import event_from_json, event_to_json, record_from_json, record_to_json, summary_to_json
from ._log import Subscription
from ._portal import HostPortal
from ._protocol import BackgroundTaskHost
from ._records import (
    PREDEFINED_KINDS,
    Backoff,
    CancelPolicy,
    ClosePolicy,
    FailureKind,
    JsonValue,
    Progress,
    SessionSummary,
    TaskAttempt,
    TaskFailure,
    TaskFilter,
    TaskOutcome,
    TaskPage,
    TaskRecord,
    TaskSpec,
)
from ._reducer import fold, reduce
from ._sqlite import SqliteJournal
from ._sqlite_reader import JournalReader
from ._sqlite_salvage import Salvaged, salvage_journal
from ._states import LIVE, MOVES, TERMINAL, TaskState
from ._stopping import OnStop

__all__ = [
    # hosts
    "BackgroundTaskHost",
    "HostPortal",
    "LocalBackgroundTaskHost",
    "OnStop",
    "Subscription",
    "TaskHandle",
    # journals
    "JournalReader",
    "Salvaged",
    "SqliteJournal",
    "salvage_journal",
    # inside a task
    "TaskContext",
    "current_task",
    # values
    "Backoff",
    "CancelHook",
    "CancelPolicy",
    "ClosePolicy",
    "EventType",
    "FailureKind",
    "JsonValue",
    "PREDEFINED_KINDS",
    "Progress",
    "SessionSummary",
    "TaskAttempt",
    "TaskEvent",
    "TaskFailure",
    "TaskFilter",
    "TaskOutcome",
    "TaskPage",
    "TaskRecord",
    "TaskSpec",
    "TaskState",
    # rules
    "LIVE",
    "MOVES",
    "TERMINAL",
    "fold",
    "reduce",
    # JSON
    "new_id",
    "event_from_json",
    "event_to_json",
    "record_from_json",
    "record_to_json",
    "summary_to_json",
    # errors
    "AmbiguousTaskId",
    "HiddenTasksFailed",
    "HostClosed",
    "IllegalTransition",
    "InvalidProgress",
    "InvalidTaskId",
    "JournalConflict",
    "JournalCorrupt",
    "JournalError",
    "JournalInUse",
    "JournalTooNew",
    "SessionClosing",
    "SessionsError",
    "TaskAlreadyExists",
    "TaskCancelled",
    "TaskFailed",
    "TaskStillRuns",
    "UnknownCursor",
    "UnknownTask",
]
