"""What travels: files, templates, batches and requests. Times are seconds since the epoch, UTC."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Generic, TypeVar

import attrs

from .ids import BatchId, DaemonId, FileId, RequestId, TemplateId
from .states import (
    AnyState,
    Canceled,
    Claimed,
    Completed,
    Failed,
    Failure,
    Pending,
    Processing,
    RequestState,
    Superseded,
)


class Purpose(StrEnum):
    BATCH = "batch"
    BATCH_OUTPUT = "batch_output"
    BATCH_ERROR = "batch_error"


class FileStatus(StrEnum):
    PROCESSED = "processed"
    ERROR = "error"
    DELETED = "deleted"
    EXPIRED = "expired"


class OutputFileType(StrEnum):
    OUTPUT = "batch_output"
    ERROR = "batch_error"


class OnDeadline(StrEnum):
    """What happens to a batch whose window has passed."""

    EXPIRE = "expire"
    """Unfinished lines end with an error line, as OpenAI does it."""
    CONTINUE = "continue"
    """The window is a target; work goes on."""


@attrs.frozen
class Problem:
    """One fault of the input; `line` counts from 1, None for the whole file; `param` names the field."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None

    def __str__(self) -> str:
        return self.message if self.line is None else f"line {self.line}: {self.message}"


@attrs.frozen
class RequestTemplateInput:
    """A request as the caller gives it.

    :param endpoint: base URL, None for the daemon's upstream
    :param api_key: reference to a secret such as `env:NAME`, None for the daemon's; never the secret itself
    :param model: routing and concurrency key, the same as in the body
    :param around: text before and after the body in the line it was read from, None if it was not read from a
        line
    """

    custom_id: str | None
    method: str
    path: str
    body: str
    model: str
    endpoint: str | None = None
    api_key: str | None = None
    around: tuple[str, str] | None = None


@attrs.frozen
class RequestTemplate(RequestTemplateInput):
    """A stored line of a file."""

    id: TemplateId = attrs.field(kw_only=True)


@attrs.frozen
class FaultyLine:
    """A line that is no request; it is kept so that the file reads as uploaded."""

    text: str
    problem: Problem


@attrs.frozen
class FileMetadata:
    """Facts about a file; they may come in several pieces, the last one given wins, field by field."""

    filename: str | None = None
    description: str | None = None
    purpose: Purpose | None = None
    expires_after_seconds: int | None = None
    uploaded_by: str | None = None


@attrs.frozen
class StreamError:
    """The source of a stream gave up; nothing of it is kept."""

    message: str


FileStreamItem = FileMetadata | RequestTemplateInput | FaultyLine | StreamError


@attrs.frozen
class File:
    """A stored file; `size_finalized` is False while results may come, `problems` counts faulty lines."""

    id: FileId
    name: str
    description: str | None
    size_bytes: int
    size_finalized: bool
    status: FileStatus
    error_message: str | None
    purpose: Purpose | None
    expires_at: float | None
    uploaded_by: str | None
    created_at: float
    updated_at: float
    lines: int
    problems: int


@attrs.frozen
class FileFilter:
    """`search` is a substring of the name, whatever the case; `after` is the last file of the page before."""

    uploaded_by: str | None = None
    status: FileStatus | None = None
    purpose: Purpose | None = None
    search: str | None = None
    after: FileId | None = None
    limit: int | None = None
    ascending: bool = False


@attrs.frozen
class ModelTemplateStats:
    model: str
    request_count: int
    total_body_bytes: int


@attrs.frozen
class BatchOutputItem:
    """A line of an output file; the body is the answer's text."""

    id: str
    custom_id: str | None
    status_code: int
    request_id: str | None
    body: str


@attrs.frozen
class BatchErrorItem:
    """A line of an error file."""

    id: str
    custom_id: str | None
    failure: Failure


FileContentItem = RequestTemplate | FaultyLine | BatchOutputItem | BatchErrorItem


@attrs.frozen
class BatchInput:
    """What a batch is to be made of.

    :param completion_window: such as `24h`, `30m`, `7d`
    :param session_id: session it belongs to
    """

    file_id: FileId
    endpoint: str
    completion_window: str = "24h"
    metadata: Mapping[str, str] | None = None
    created_by: str | None = None
    session_id: str = "batches"
    on_deadline: OnDeadline = OnDeadline.EXPIRE
    output_expires_after_seconds: int | None = None


@attrs.frozen
class Usage:
    """Tokens reported by the answers."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


@attrs.frozen
class Batch:
    """A batch and its counters; each counter is a number of input lines. A time is None until it has come."""

    id: BatchId
    file_id: FileId
    session_id: str
    endpoint: str
    completion_window: str
    on_deadline: OnDeadline
    metadata: Mapping[str, str] | None
    created_by: str | None
    output_file_id: FileId | None
    error_file_id: FileId | None
    errors: Sequence[Problem]
    usage: Usage

    total_requests: int
    pending_requests: int
    in_progress_requests: int
    completed_requests: int
    failed_requests: int
    canceled_requests: int

    created_at: float
    expires_at: float
    requests_started_at: float | None
    finalizing_at: float | None
    completed_at: float | None
    failed_at: float | None
    expired_at: float | None
    cancelling_at: float | None
    cancelled_at: float | None

    @property
    def is_finished(self) -> bool:
        return any((self.completed_at, self.failed_at, self.expired_at, self.cancelled_at))


@attrs.frozen
class BatchStatus:
    """The counters alone."""

    batch_id: BatchId
    file_id: FileId
    file_name: str | None
    total_requests: int
    pending_requests: int
    in_progress_requests: int
    completed_requests: int
    failed_requests: int
    canceled_requests: int
    started_at: float | None
    created_at: float

    @property
    def is_finished(self) -> bool:
        return self.completed_requests + self.failed_requests + self.canceled_requests == self.total_requests


@attrs.frozen
class BatchResultItem:
    """One input line and what became of it; id and model are the winner's, the input body is the line's."""

    id: RequestId
    custom_id: str | None
    model: str
    input_body: str
    response_body: str | None
    error: str | None
    status: RequestState


@attrs.frozen
class RequestData:
    """Everything needed to send a request; `api_key` is a reference, `model` is also what the body says."""

    id: RequestId
    template_id: TemplateId
    custom_id: str | None
    endpoint: str | None
    method: str
    path: str
    body: str
    model: str
    api_key: str | None
    batch_metadata: Mapping[str, str]

    @property
    def batch_id(self) -> BatchId:
        return self.id.batch_id

    @property
    def is_escalated(self) -> bool:
        return self.id.escalated

    @property
    def escalated_from_request_id(self) -> RequestId | None:
        return self.id.twin() if self.id.escalated else None


State = TypeVar("State", bound=AnyState, covariant=True)


@attrs.frozen
class Request(Generic[State]):
    """A request in a state; `lease` numbers the claim under which it is, or was last, held."""

    data: RequestData
    state: State
    lease: int

    @property
    def id(self) -> RequestId:
        return self.data.id


AnyRequest = (
    Request[Pending]
    | Request[Claimed]
    | Request[Processing]
    | Request[Completed]
    | Request[Failed]
    | Request[Canceled]
    | Request[Superseded]
)
RequestStateFilter = RequestState


@attrs.frozen
class Capacity:
    """How many requests a daemon can take, by model.

    :param free: free slots of models that have a limit of their own
    :param default: free slots of every other model; None for no limit
    :param everywhere: limits that hold over all daemons together
    """

    free: Mapping[str, int] = attrs.field(factory=dict)
    default: int | None = None
    everywhere: Mapping[str, int] = attrs.field(factory=dict)


class DaemonState(StrEnum):
    INITIALIZING = "initializing"
    RUNNING = "running"
    DEAD = "dead"


@attrs.frozen
class DaemonStats:
    requests_processed: int = 0
    requests_failed: int = 0
    requests_in_flight: int = 0


@attrs.frozen
class DaemonRecord:
    """A daemon as the others see it."""

    id: DaemonId
    hostname: str
    pid: int
    version: str
    state: DaemonState
    started_at: float
    last_heartbeat: float
    stopped_at: float | None = None
    stats: DaemonStats = DaemonStats()


@attrs.frozen
class Swept:
    """What a sweep did: batches expired, requests ended with theirs, requests taken from dead daemons."""

    expired: int
    settled: int
    reclaimed: int
