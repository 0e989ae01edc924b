"""What goes wrong, as RFC 9457 says it over HTTP: one seam between errors and answers."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from hostel.runtime import InvalidParams, RuntimeFault, UnknownKind
from hostel.sessions import (
    AmbiguousTaskId,
    AsksNothing,
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
from hostel.sessions.journal import JournalError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from hostel.sessions import JsonValue, TaskRecord

    from .._users import Caller

MEDIA_TYPE = "application/problem+json"
URN = "urn:hostel:problem:"

STATUS: dict[type[SessionsError], tuple[int, str]] = {
    UnknownTask: (404, "unknown-task"),
    AmbiguousTaskId: (409, "ambiguous-task-id"),
    TaskAlreadyExists: (409, "task-already-exists"),
    IllegalTransition: (409, "task-finished"),
    SessionClosing: (409, "session-closing"),
    TaskStillRuns: (409, "task-still-runs"),
    AsksNothing: (409, "asks-nothing"),
    StaleQuestion: (409, "stale-question"),
    QuestionWithdrawn: (409, "question-withdrawn"),
    TakesNoMessages: (409, "takes-no-messages"),
    WrongAnswer: (422, "wrong-answer"),
    InvalidQuestion: (422, "invalid-question"),
    InvalidProgress: (422, "invalid-progress"),
    MailboxFull: (429, "mailbox-full"),
    InvalidTaskId: (400, "invalid-id"),
    UnknownCursor: (400, "unknown-cursor"),
    HostClosed: (503, "host-closed"),
    JournalError: (503, "journal-error"),
}


class Problem(Exception):
    """An answer that is not what was asked for; `kind` names it in `type`, `more` are its further members."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **more: JsonValue,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.headers = headers
        self.more = more

    def response(self) -> Response:
        """Return the problem as an HTTP response."""
        body: dict[str, JsonValue] = {
            "type": URN + self.kind,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": str(self),
            **self.more,
        }
        return JSONResponse(body, self.status, self.headers, MEDIA_TYPE)


def forbidden(caller: Caller) -> Problem:
    """Return the answer to who may look and wants more."""
    return Problem(403, "forbidden", f"{caller.user.name} may look and change nothing")


def unknown_task(task_id: str) -> Problem:
    """Return the one answer to a task that does not exist or is not in the session asked for."""
    return Problem(404, "unknown-task", f"there is no task {task_id!r} here")


def finished_task(record: TaskRecord) -> Problem:
    """Return the answer to steering a task that has ended."""
    detail = f"task {record.id!r} has ended: it is {record.state}"
    return Problem(409, "task-finished", detail, state=record.state.value)


def unknown_kind(kind: str, exposed: Sequence[str]) -> Problem:
    """Return the answer to starting what may not be started from outside, or is not there."""
    there = ", ".join(exposed) or "none"
    return Problem(
        404, "unknown-kind", f"no kind {kind!r} may be started here; there is {there}", kinds=list(exposed)
    )


def problem_of(error: SessionsError | RuntimeFault) -> Problem:
    """Return the problem that says what a host or a runtime has raised."""
    if isinstance(error, RuntimeFault):
        return _problem_of_fault(error)
    if isinstance(error, UnknownTask):
        return unknown_task(error.task_id)
    known = next((found for kind in type(error).__mro__ if (found := STATUS.get(kind))), (500, "error"))
    if isinstance(error, AmbiguousTaskId):
        return Problem(*known, str(error), session_ids=list(error.session_ids))
    return Problem(*known, str(error))


def _problem_of_fault(error: RuntimeFault) -> Problem:
    if isinstance(error, InvalidParams):
        return Problem(422, "invalid-params", str(error), parameter=error.name)
    if isinstance(error, UnknownKind):
        return Problem(404, "unknown-kind", str(error), kinds=list(error.known))
    return Problem(500, "error", str(error))


async def on_problem(_: Request, error: Exception) -> Response:
    """Answer with a problem that was raised."""
    found = error if isinstance(error, Problem) else Problem(500, "error", "hostel failed to answer this")
    return found.response()


async def on_known_error(_: Request, error: Exception) -> Response:
    """Answer with what a host or a runtime raised."""
    if not isinstance(error, (SessionsError, RuntimeFault)):
        raise error
    return problem_of(error).response()


async def on_http_error(_: Request, error: Exception) -> Response:
    """Answer with what the router found: no such path or method."""
    status = getattr(error, "status_code", 500)
    detail = "there is nothing at this path" if status == 404 else HTTPStatus(status).phrase
    kind = HTTPStatus(status).phrase.lower().replace(" ", "-")
    return Problem(status, kind, detail, headers=getattr(error, "headers", None)).response()
