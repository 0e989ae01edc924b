"""What is known of a task: frozen values that travel between host, subscribers, journals and other processes.

Times are float seconds since the epoch, UTC. Durations are float seconds. None always means "not known" or
"not yet"."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING

import attrs
from attrs.validators import and_, ge, le, lt

from ._errors import InvalidProgress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .states import TaskState

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]
"""What JSON can say."""

PREDEFINED_KINDS = ("monitor", "subagent", "observer", "other")
"""Kinds every host knows; kinds are open, plugins add theirs."""


class CancelPolicy(StrEnum):
    """What a cancel request does to a task."""

    COOPERATIVE = "cooperative"
    """The task is told and ends by itself."""
    ABORT_LOCAL = "abort_local"
    """The cancel scope around its body is cancelled."""
    EXTERNAL = "external"
    """Its cancel hook is called."""


class ClosePolicy(StrEnum):
    """What happens to a live task when its session closes."""

    KEEP = "keep"
    CANCEL = "cancel"
    TRANSFER = "transfer"
    """It moves to the successor session; without a successor it is cancelled."""


class Priority(StrEnum):
    """How soon a task that waits for its place is preferred to others."""

    INTERACTIVE = "interactive"
    """Somebody looks at it."""
    NORMAL = "normal"
    BATCH = "batch"
    IDLE = "idle"
    """When there is nothing else, or after five minutes."""


class FailureKind(StrEnum):
    """Why a task failed or was abandoned."""

    ERROR = "error"
    """Its body raised an exception."""
    EXIT = "exit"
    """Its body raised SystemExit, KeyboardInterrupt or another BaseException."""
    TIMEOUT = "timeout"
    """Its time ran out."""
    REPORTED = "reported"
    """Somebody said so, through `complete` or `mark_terminal`."""
    HEARTBEAT = "heartbeat"
    """Its owner promised a heartbeat and missed it."""
    HOST_LOST = "host_lost"
    """The host that ran it is gone."""
    NOT_STARTED = "not_started"
    """It was registered and could not be started."""
    CRASH_LOOP = "crash_loop"
    """Its host died each time it ran."""


@attrs.frozen
class TaskAttempt:
    """Which run of the task this is: `attempt` counts all runs from 1; those that the stop of a host
    interrupted, or that only went on after its death, do not count against `max_attempts`.
    """

    attempt: int = 1
    max_attempts: int = 1
    idempotency_key: str | None = None
    interruptions: int = 0

    @property
    def counted(self) -> int:
        """How many of `max_attempts` are used up."""
        return self.attempt - self.interruptions


@attrs.frozen
class Progress:
    """How far a task is. `done` and `total` are in `unit`.

    :raises InvalidProgress: if one is negative or not finite, or `done` exceeds `total`.
    """

    message: str | None = None
    done: float | None = None
    total: float | None = None
    unit: str | None = None

    def __attrs_post_init__(self) -> None:
        done, total = self.done, self.total
        amounts = [amount for amount in (done, total) if amount is not None]
        if not all(0 <= amount < math.inf for amount in amounts) or amounts != sorted(amounts):
            raise InvalidProgress(done, total)


@attrs.frozen
class TaskOutcome:
    """What a completed task left: a text for people and a JSON value for programs.

    A value whose JSON text is longer than 64 KiB is left out of lists, pages and events: `value` is None
    there and `size` says how many bytes it has. `get`, `wait` and the task's handle have it."""

    summary: str | None = None
    value: JsonValue = None
    size: int | None = None


@attrs.frozen
class TaskFailure:
    """Why a task failed: `message` for people, `traceback` for its author."""

    kind: FailureKind
    message: str
    traceback: str | None = None


@attrs.frozen
class Question:
    """What a task waits to be told. `schema` is the JSON Schema of a flat object, `choices` are the texts of
    which one is the answer; with neither, any JSON value is. The host fills in `id` and `asked_at` (seconds
    since the epoch, UTC).
    """

    message: str
    schema: dict[str, JsonValue] | None = None
    choices: tuple[str, ...] | None = None
    id: str = ""
    asked_at: float = 0.0


@attrs.frozen(weakref_slot=False)
class TaskRecord:
    """Everything known of one task at one moment. Identity is (`session_id`, `id`).

    `question` is what it asks while it waits for the answer, `output_bytes` how much it has written,
    `not_before` when it may start (seconds since the epoch, UTC; None: at once). `updated_at` is its last
    sign: an event, output, a heartbeat. `seq` is the sequence number of the event that last changed it;
    `host_id` names the host that keeps it. `heartbeat_ttl` seconds may pass from `heartbeat_at` on.
    """

    id: str
    session_id: str
    kind: str
    producer: str
    label: str
    parent_task_id: str | None
    child_session_id: str | None

    state: TaskState
    cancel_policy: CancelPolicy
    close_policy: ClosePolicy
    attempt: TaskAttempt
    progress: Progress | None
    result: TaskOutcome | None
    failure: TaskFailure | None
    question: Question | None
    output_bytes: int
    priority: Priority
    not_before: float | None
    cancel_reason: str | None
    cancel_actor: str | None

    created_at: float
    started_at: float | None
    updated_at: float
    completed_at: float | None

    host_id: str
    seq: int
    cancel_requested_at: float | None = None
    heartbeat_ttl: float | None = None
    heartbeat_at: float | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether the task has ended for good."""
        return self.state.is_terminal


@attrs.frozen
class Waited:
    """What became of tasks one has waited for, each in the order one asked."""

    ended: Sequence[TaskRecord]
    live: Sequence[TaskRecord]


def by_age(record: TaskRecord) -> tuple[float, str]:
    """Return what lists are sorted by."""
    return record.created_at, record.id


@attrs.frozen
class Backoff:
    """How long to wait before the next attempt: `initial` seconds times `factor` for each one, at most
    `maximum`.

    `jitter` is the share of that time drawn at random, 0 to 1.
    """

    initial: float = attrs.field(default=0.5, validator=[ge(0), lt(math.inf)])
    factor: float = attrs.field(default=2.0, validator=[ge(1), lt(math.inf)])
    maximum: float = attrs.field(default=30.0, validator=[ge(0), lt(math.inf)])
    jitter: float = attrs.field(default=0.5, validator=and_(ge(0), le(1)))

    def delay(self, attempt: int, chance: float) -> float:
        """Return the seconds to wait before attempt number `attempt` (2 is the first retry); `chance` is 0
        to 1.
        """
        try:
            longest = min(self.maximum, self.initial * self.factor ** min(attempt - 2, 1000))
        except OverflowError:
            longest = self.maximum
        return longest * (1 - self.jitter * chance)


def _as_priority(given: Priority | str) -> Priority:
    return given if type(given) is Priority else Priority(given)


END_OF_TIME = 253_402_300_800.0  # the year 10000, which calendars do not know


def is_finite(value: object) -> bool:
    """Tell whether `value` is a number that JSON and clocks can say."""
    return type(value) is int or (isinstance(value, float) and math.isfinite(value))


def checked_timeout(given: float | None) -> float | None:
    """Return how many seconds to wait for something, None for ever.

    :raises ValueError: if it is no number.
    """
    if given is not None and not (is_finite(given) or given == math.inf):
        raise ValueError(f"timeout is a number of seconds, or None, not {given!r:.50}")
    return given


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} is a text, not {value!r:.50}")


def _check_time(name: str, value: float) -> None:
    if not is_finite(value) or value >= END_OF_TIME:
        raise ValueError(f"{name} is a time in seconds since the epoch, not {value!r:.50}")


def _check_duration(name: str, value: float) -> None:
    if not is_finite(value) or not 0 < value < END_OF_TIME:
        raise ValueError(f"{name} is a number of seconds above 0, or None, not {value!r:.50}")


_TEXTS = ("kind", "producer", "label")
_OPTIONAL_TEXTS = ("parent_task_id", "child_session_id", "idempotency_key")


@attrs.frozen
class TaskSpec:
    """What one asks a host to start.

    `id=None` lets the host make one. `cancel_policy=None` means `abort_local` for a managed task,
    `external` for an external one with a cancel hook, `cooperative` otherwise.

    `max_attempts`, `retry` and `timeout` (seconds, for each attempt) concern managed tasks; an attempt that
    raised an Exception or ran out of time is followed by the next. `heartbeat_ttl` (seconds) concerns the
    others: the task is abandoned when its owner is silent for longer. A second task with the same
    `idempotency_key` in a session is not started as long as the first one's record is kept: that is
    returned.

    A managed task over a limit of the host waits, `pending`, and `priority` says whose turn comes first;
    `not_before` (seconds since the epoch, UTC) lets it wait until then. Its `timeout` begins when it runs.

    `resumable` says that a later host may run the task again: with a journal, the stop of its host interrupts
    it and a crash spares it. The journal keeps `params` (JSON) for whoever gives it a body then. A managed
    task started inside another one has that as its parent, unless `parent_task_id` names one or it is
    `detached`.

    :raises ValueError: for attempts, seconds or times that are not possible.
    :raises TypeError: for a text that is none.
    """

    id: str | None = None
    kind: str = "other"
    producer: str = ""
    label: str = ""
    parent_task_id: str | None = None
    child_session_id: str | None = None
    cancel_policy: CancelPolicy | None = None
    close_policy: ClosePolicy = ClosePolicy.KEEP
    max_attempts: int = 1
    retry: Backoff = Backoff()
    timeout: float | None = None
    idempotency_key: str | None = None
    heartbeat_ttl: float | None = None
    params: JsonValue = None
    resumable: bool = False
    detached: bool = False
    priority: Priority = attrs.field(default=Priority.NORMAL, converter=_as_priority)
    not_before: float | None = None

    def __attrs_post_init__(self) -> None:
        # a validator for each field would double what a spec costs, and most fields are left as they are
        if not (type(self.kind) is type(self.label) is type(self.producer) is str):
            for name in _TEXTS:
                _check_text(name, getattr(self, name))
        if not (self.parent_task_id is self.child_session_id is self.idempotency_key is None):
            for name in _OPTIONAL_TEXTS:
                if getattr(self, name) is not None:
                    _check_text(name, getattr(self, name))
        if type(self.max_attempts) is not int or self.max_attempts < 1:
            raise ValueError(f"max_attempts is a whole number of at least 1, not {self.max_attempts!r:.50}")
        if self.timeout is not None:
            _check_duration("timeout", self.timeout)
        if self.heartbeat_ttl is not None:
            _check_duration("heartbeat_ttl", self.heartbeat_ttl)
        if self.not_before is not None:
            _check_time("not_before", self.not_before)


@attrs.frozen
class TaskFilter:
    """Which tasks, or which tasks' events. None matches everything.

    `include_terminal` concerns lists only: events of every state are always delivered. A terminal `state`
    includes itself."""

    session_id: str | None = None
    kind: str | None = None
    state: TaskState | None = None
    parent_task_id: str | None = None
    include_terminal: bool = False

    @property
    def shows_ended(self) -> bool:
        """Whether lists by it have tasks that have ended."""
        return self.include_terminal or (self.state is not None and self.state.is_terminal)

    def matches(self, record: TaskRecord, also_in: str | None = None) -> bool:
        """Tell whether `record` matches; `also_in` is a second session it counts as being in."""
        return (
            (self.session_id is None or self.session_id in (record.session_id, also_in))
            and (self.kind is None or self.kind == record.kind)
            and (self.state is None or self.state == record.state)
            and (self.parent_task_id is None or self.parent_task_id == record.parent_task_id)
        )

    def lists(self, record: TaskRecord) -> bool:
        """Tell whether a list by this filter has `record` in it."""
        return (self.shows_ended or record.state.is_live) and self.matches(record)


EVERYTHING = TaskFilter()


@attrs.frozen
class TaskPage:
    """Part of a list of records in the order the tasks came; `next` asks for the rest, None at the end."""

    records: list[TaskRecord]
    next: str | None


@attrs.frozen
class SessionSummary:
    """One session at a glance: how many tasks in each state that occurs, how many hidden ones that run, and
    when the first and the latest thing happened in it.
    """

    id: str
    counts: Mapping[TaskState, int]
    hidden: int
    first_activity: float
    last_activity: float

    @property
    def live(self) -> int:
        """How many of its tasks have not ended."""
        return sum(count for state, count in self.counts.items() if state.is_live)
