"""How the end of a body becomes the end of its task.

`run_once` runs a body inside a cancel scope of its own and tells how that ended, as a value: it returned,
raised, was stopped by its scope, or ran out of time. Nothing a body raises gets past it, SystemExit and
KeyboardInterrupt included: they are that task's failure, not the host's end. `end_of` is the pure decision
that follows:

- Stopped by its scope because of a request, or by the withdrawal of its question: cancelled. Out of time:
  failed. Cancelled by itself, without anybody having asked: failed.
- Saw the request through its context and returned nothing: cancelled. Returned a value all the same:
  completed, it won the race.
- Anything else it raised: failed, whether or not somebody had asked it to stop.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, TypeVarTuple

import anyio
import attrs

from .._errors import QuestionWithdrawn
from .._json import as_json
from .._records import FailureKind, TaskFailure, TaskOutcome
from .._tasks.entry import End, Entry, Run
from ..states import TaskState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from .._loop.spawner import Scope
    from .._records import JsonValue

Args = TypeVarTuple("Args")
LONGEST_MESSAGE = 2_000
LONGEST_TRACEBACK = 20_000


@attrs.define
class Returned:
    """The body returned `value`."""

    value: object


@attrs.frozen
class Raised:
    """The body raised `error`."""

    error: BaseException


@attrs.frozen
class Stopped:
    """The body's scope was cancelled and it let go."""


@attrs.frozen
class TimedOut:
    """The body's time was over."""

    seconds: float


BodyExit = Returned | Raised | Stopped | TimedOut
STOPPED = Stopped()
CANCELLED = End(TaskState.CANCELLED, None, None)
COMPLETED = End(TaskState.COMPLETED, None, None)


async def run_once(
    scope: Scope,
    entry: Entry,
    run: Run,
    body: Callable[[*Args], Awaitable[object]],
    args: tuple[*Args],
    timeout: float | None,
) -> BodyExit:
    """Run the body to its end inside `scope`, at most `timeout` seconds."""
    body_exit: BodyExit = STOPPED
    run.scope = scope
    if timeout is not None:
        scope.deadline = anyio.current_time() + timeout
    try:
        with scope:
            body_exit = Returned(await body(*args))
    # its own scope catches what it cancels, so this came from elsewhere
    except anyio.get_cancelled_exc_class() as error:
        return STOPPED if entry.must_stop else Raised(error)
    except BaseException as error:  # noqa: BLE001 - the boundary of a task
        return Raised(error)
    finally:
        run.scope = None
    if scope.cancelled_caught and not run.aborted:
        return TimedOut(timeout or 0.0)
    return body_exit


def end_of(body_exit: BodyExit, *, saw_request: bool) -> End:
    """Decide how a task ends whose body ended in `body_exit`."""
    match body_exit:
        case Returned(None):
            return CANCELLED if saw_request else COMPLETED
        case Returned(value):
            return End(TaskState.COMPLETED, outcome_of(value), None)
        case Raised(QuestionWithdrawn()) if saw_request:
            return CANCELLED
        case Raised(error):
            return _failed(failure_of(error))
        case Stopped():
            return CANCELLED
        case TimedOut(seconds):
            return _failed(TaskFailure(FailureKind.TIMEOUT, f"not done after {seconds:g} s"))


def reported(state: TaskState, summary: str | None, value: JsonValue) -> End:
    """Return how a task ends of which somebody says so."""
    kept = outcome_of(value)
    if state in (TaskState.FAILED, TaskState.ABANDONED):
        return End(state, kept, TaskFailure(FailureKind.REPORTED, summary or f"reported as {state}"))
    if summary is None and kept is None:
        return End(state, None, None)
    return End(
        state, TaskOutcome(summary or (kept.summary if kept else None), kept.value if kept else None), None
    )


def outcome_of(value: object) -> TaskOutcome | None:
    """Return what a record keeps of a returned value: the value as JSON, or why JSON cannot say it."""
    if value is None:
        return None
    if isinstance(value, TaskOutcome):
        inner = outcome_of(value.value) or TaskOutcome()
        return TaskOutcome(value.summary or inner.summary, inner.value)
    try:
        return TaskOutcome(value=as_json(value))
    except Exception as error:  # noqa: BLE001 - a stranger's object may raise anything when looked into
        return TaskOutcome(summary=f"{type(value).__name__} object, not kept: {_line_of(error)}")


def failure_of(error: BaseException) -> TaskFailure:
    """Return what a record keeps of an exception; a group is told by its leaves."""
    kind = FailureKind.ERROR if isinstance(error, Exception) else FailureKind.EXIT
    message = "; ".join(_line_of(leaf) for leaf in _leaves(error))
    trace = "".join(traceback.format_exception(error))
    return TaskFailure(kind, message[:LONGEST_MESSAGE], trace[-LONGEST_TRACEBACK:])


def _line_of(error: BaseException) -> str:
    lines = traceback.format_exception_only(error)  # indented source first, the message, then notes
    line = next((line for line in lines if not line.startswith(" ")), type(error).__name__).strip()
    # where a private module has it means nothing to whoever reads this; the traceback says it
    module = f"{type(error).__module__}."
    return line.removeprefix(module) if "._" in module else line


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _failed(failure: TaskFailure) -> End:
    return End(TaskState.FAILED, None, failure)
