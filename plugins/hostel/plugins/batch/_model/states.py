"""The state machine of a request, the only place that knows which state may follow which.

1. The table is pure: no clock, no storage. SQL repeats it as `WHERE state = ... AND lease = ...`.
2. A lease is the number of the claim that a worker holds. Reports under another number are refused.
3. Only an explicit retry leaves a terminal state, and only from `failed`.
4. A failed request may still be superseded: its escalation can complete the line after it failed.
5. A line has one standing, derived from its request and its escalation; batches count standings, not
   requests.
"""

from enum import StrEnum

import attrs

from .ids import DaemonId, RequestId


class RequestState(StrEnum):
    """Where a request stands."""

    PENDING = "pending"
    """Waits to be claimed."""
    CLAIMED = "claimed"
    """A daemon holds it and has not sent it."""
    PROCESSING = "processing"
    """A daemon has begun to send it."""
    COMPLETED = "completed"
    """Answered; its answer is the line's result."""
    FAILED = "failed"
    """Given up; only an explicit retry or a finishing escalation changes it."""
    CANCELED = "canceled"
    """Withdrawn before it was answered."""
    SUPERSEDED = "superseded"
    """Lost the race for its line."""


S = RequestState
MOVES: dict[RequestState, frozenset[RequestState]] = {
    S.PENDING: frozenset({S.CLAIMED, S.FAILED, S.CANCELED, S.SUPERSEDED}),
    S.CLAIMED: frozenset({S.PROCESSING, S.PENDING, S.FAILED, S.CANCELED, S.SUPERSEDED}),
    S.PROCESSING: frozenset({S.COMPLETED, S.FAILED, S.PENDING, S.CANCELED, S.SUPERSEDED}),
    S.COMPLETED: frozenset(),
    S.FAILED: frozenset({S.SUPERSEDED}),
    S.CANCELED: frozenset(),
    S.SUPERSEDED: frozenset(),
}
HELD = frozenset({S.CLAIMED, S.PROCESSING})
LIVE = HELD | {S.PENDING}
TERMINAL = frozenset(S) - LIVE


def standing(original: RequestState, escalation: RequestState | None) -> RequestState:
    """Say where a line stands: `pending`, `processing`, `completed`, `failed` or `canceled`.

    :param escalation: state of the line's escalation, None if it has none
    """
    if S.COMPLETED in (original, escalation):
        return S.COMPLETED
    if original in HELD or (original is S.FAILED and escalation in LIVE):
        return S.PROCESSING
    return original


class FailureKind(StrEnum):
    """What ended a request."""

    RETRIABLE_HTTP_STATUS = "retriable_http_status"
    NON_RETRIABLE_HTTP_STATUS = "non_retriable_http_status"
    NETWORK_ERROR = "network_error"
    TIMEOUT = "timeout"
    TASK_TERMINATED = "task_terminated"
    REQUEST_BUILDER_ERROR = "request_builder_error"
    UNSTORABLE = "unstorable"
    """What came back, or how it was handled, is nothing that the database takes."""
    BATCH_EXPIRED = "batch_expired"


_RETRIABLE = {
    FailureKind.RETRIABLE_HTTP_STATUS,
    FailureKind.NETWORK_ERROR,
    FailureKind.TIMEOUT,
    FailureKind.TASK_TERMINATED,
}


def storable(text: str) -> str:
    """Replace what no database holds as text: NUL and halves of surrogate pairs."""
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


@attrs.frozen
class Failure:
    """Why a request failed; `status`, `body` and `request_id` are the answer's, None if there was none."""

    kind: FailureKind
    message: str = attrs.field(default="", converter=storable)
    status: int | None = None
    body: str | None = attrs.field(default=None, converter=attrs.converters.optional(storable))
    request_id: str | None = attrs.field(default=None, converter=attrs.converters.optional(storable))

    @property
    def retriable(self) -> bool:
        return self.kind in _RETRIABLE


@attrs.frozen
class Pending:
    """`not_before` is the earliest time of the next attempt, None for at once."""

    retry_attempt: int
    not_before: float | None
    batch_expires_at: float
    name = S.PENDING


@attrs.frozen
class Claimed:
    daemon_id: DaemonId
    claimed_at: float
    retry_attempt: int
    batch_expires_at: float
    name = S.CLAIMED


@attrs.frozen
class Processing:
    daemon_id: DaemonId
    claimed_at: float
    started_at: float
    retry_attempt: int
    batch_expires_at: float
    name = S.PROCESSING


@attrs.frozen
class Completed:
    """`routed_model` is the model that answered, None if it was the one asked for."""

    response_status: int
    response_body: str
    claimed_at: float
    started_at: float
    completed_at: float
    response_request_id: str | None = None
    routed_model: str | None = None
    name = S.COMPLETED


@attrs.frozen
class Failed:
    reason: Failure
    failed_at: float
    retry_attempt: int
    batch_expires_at: float
    routed_model: str | None = None
    name = S.FAILED


@attrs.frozen
class Canceled:
    canceled_at: float
    name = S.CANCELED


@attrs.frozen
class Superseded:
    """`was_escalated` says whether the loser was the escalation."""

    superseded_at: float
    superseded_by_request_id: RequestId
    was_escalated: bool
    name = S.SUPERSEDED


AnyState = Pending | Claimed | Processing | Completed | Failed | Canceled | Superseded
