"""Background tasks that belong to sessions: hosts, tasks, records and events.

Needs anyio and attrs only; runs on asyncio and trio. Beside this: `hostel.sessions.journal` (what makes
records durable), `hostel.sessions.json` (their JSON forms) and `hostel.sessions.states` (the states).

To read the code, begin with `states`, `_records`, `_events` and `_transitions`, which are pure, then
`_protocol`, which says what a host is. `_host/` is the host, `_tasks/` what it knows of its tasks, `_loop/`
what it runs them with, `_event_log/` what subscribers read, `_journal/` what outlives it."""

from ._admission.limits import Limits, Place
from ._dialogue.notice import Notice, NoticeKind
from ._ended import TaskCancelled, TaskFailed
from ._errors import (
    AmbiguousTaskId,
    AsksNothing,
    HiddenTasksFailed,
    HostClosed,
    IllegalTransition,
    InvalidProgress,
    InvalidQuestion,
    InvalidTaskId,
    MailboxFull,
    QuestionWithdrawn,
    SessionClosing,
    SessionsError,
    StaleQuestion,
    TakesNoMessages,
    TaskAlreadyExists,
    TaskStillRuns,
    UnknownCursor,
    UnknownTask,
    WrongAnswer,
)
from ._events import EventType, TaskEvent
from ._host.context import TaskContext, current_task
from ._host.host import LocalBackgroundTaskHost
from ._host.resumption import Resume
from ._host.shutdown import OnStop
from ._ids import new_id
from ._output.value import Output
from ._protocol import BackgroundTaskHost, HostPortal, Inbox, Subscription, TaskHandle
from ._questions import checked_schema
from ._records import (
    PREDEFINED_KINDS,
    Backoff,
    CancelPolicy,
    ClosePolicy,
    FailureKind,
    JsonValue,
    Priority,
    Progress,
    Question,
    SessionSummary,
    TaskAttempt,
    TaskFailure,
    TaskFilter,
    TaskOutcome,
    TaskPage,
    TaskRecord,
    TaskSpec,
    Waited,
)
from ._tasks.cancel_hooks import CancelHook
from .states import TaskState

__all__ = [
    # hosts
    "BackgroundTaskHost",
    "HostPortal",
    "Inbox",
    "LocalBackgroundTaskHost",
    "OnStop",
    "Resume",
    "Subscription",
    "TaskHandle",
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
    "Limits",
    "Notice",
    "NoticeKind",
    "Output",
    "Place",
    "Priority",
    "PREDEFINED_KINDS",
    "Progress",
    "Question",
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
    "Waited",
    "checked_schema",
    "new_id",
    # errors
    "AmbiguousTaskId",
    "AsksNothing",
    "HiddenTasksFailed",
    "HostClosed",
    "IllegalTransition",
    "InvalidProgress",
    "InvalidQuestion",
    "InvalidTaskId",
    "MailboxFull",
    "QuestionWithdrawn",
    "SessionClosing",
    "SessionsError",
    "StaleQuestion",
    "TakesNoMessages",
    "TaskAlreadyExists",
    "TaskCancelled",
    "TaskFailed",
    "TaskStillRuns",
    "UnknownCursor",
    "UnknownTask",
    "WrongAnswer",
]
