"""One managed task from its start to its end: wait until it is registered for good, run its body, again after
a failure if it may, and end it by what came of the last run."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING, TypeVarTuple

import anyio

from .. import _transitions as changes
from .._errors import JournalError
from .._json import as_json, to_text
from .._loop.calling import as_async, is_coroutine_function, runs_in_thread
from .._loop.current import enter
from .._records import FailureKind, TaskFailure
from .._tasks.entry import End
from ..states import TaskState
from .body import (
    STOPPED,
    BodyExit,
    Raised,
    Returned,
    TimedOut,
    end_of,
    run_once,
)
from .context import TaskContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._journal.writer import Receipt
    from .._loop.calling import Body
    from .._records import Backoff, TaskSpec
    from .._tasks.entry import Entry, Run
    from .open_host import OpenHost

Args = TypeVarTuple("Args")


def start(
    host: OpenHost, entry: Entry, run: Run, spec: TaskSpec, body: Body[*Args], args: tuple[*Args]
) -> None:
    """Start the body of a registered task, once its registration is durable."""
    run.running = True
    host.bodies.start(_run, host, entry, run, spec, body, args, host.receipt())


async def _run(
    host: OpenHost,
    entry: Entry,
    run: Run,
    spec: TaskSpec,
    body: Body[*Args],
    args: tuple[*Args],
    registration: Receipt | None,
) -> None:
    try:
        enter(TaskContext(host, entry, run))
        if registration is not None and not await _is_durable(host, entry, run, registration):
            return
        body_exit: BodyExit = STOPPED
        timeout = spec.timeout
        if is_coroutine_function(body):
            func = body
        else:
            func = as_async(body, partial(_in_thread, host, entry, timeout), partial(_take, host, entry))
            # a thread has no deadline; its heartbeat is expected from when it gets its turn
            timeout = None if runs_in_thread(body) else timeout
        while not entry.must_stop:
            body_exit = await run_once(host.bodies.scope(), entry, run, func, args, timeout)
            if not _may_retry(entry, body_exit):
                break
            await _back_off(host, entry, spec.retry)
            body_exit = STOPPED
        if entry.output is not None:
            await host.outputs.settle(entry)
        _finish(host, entry, run, body_exit)
    finally:
        if host.turns.counts:
            host.turns.leave(run)
        host.bodies.mark_ended()


async def _take(host: OpenHost, entry: Entry, piece: object) -> None:
    """Let what a generator yields be output: a text as it is, None not, anything else as a line of JSON."""
    if entry.live and piece is not None:
        await host.outputs.write(entry, piece if isinstance(piece, str) else _line(piece), "stdout")


def _line(piece: object) -> str:
    try:
        return f"{to_text(as_json(piece))}\n"
    except Exception:  # noqa: BLE001 - a stranger's object may raise anything when looked into
        return f"{type(piece).__name__} object, which is no JSON\n"


async def _in_thread(
    host: OpenHost, entry: Entry, timeout: float | None, call: Callable[[], object]
) -> object:
    try:
        return await host.threads.run(
            entry, call, partial(host.expect, entry, timeout), partial(_take, host, entry)
        )
    finally:
        host.heartbeats.dismiss(entry)


async def _is_durable(host: OpenHost, entry: Entry, run: Run, registration: Receipt) -> bool:
    try:
        await registration.durable()
    except JournalError as error:
        run.running = False
        not_started(host, entry, error)
        return False
    return True


def not_started(host: OpenHost, entry: Entry, error: JournalError) -> None:
    """End a task whose body has not begun, because it could not be registered for good."""
    if not entry.running:
        host.end(entry, End(TaskState.FAILED, None, TaskFailure(FailureKind.NOT_STARTED, str(error))))


async def _back_off(host: OpenHost, entry: Entry, backoff: Backoff) -> None:
    attempt = entry.record.attempt.attempt + 1
    host.apply(entry, changes.retried)
    with anyio.move_on_after(backoff.delay(attempt, random.random())):
        await entry.wait_stop()
    host.flip(entry, TaskState.RUNNING)


def _may_retry(entry: Entry, body_exit: BodyExit) -> bool:
    attempt = entry.record.attempt
    # a host that drains stops nothing yet: trying again is how a task ends by itself
    if attempt.counted >= attempt.max_attempts or entry.must_stop:
        return False
    return isinstance(body_exit, TimedOut) or (
        isinstance(body_exit, Raised) and isinstance(body_exit.error, Exception)
    )


def _finish(host: OpenHost, entry: Entry, run: Run, body_exit: BodyExit) -> None:
    run.running = False
    if run.interrupting and entry.live and not entry.cancel_requested and not _is_over(run, body_exit):
        host.park(entry, by_stop=True)
        return
    # the handle keeps the result; the host must not, or memory would follow what was returned
    result, run.result = run.result, None
    if result is not None and entry.live and run.decided is None:
        match body_exit:
            case Returned(value):
                result.value, result.present = value, True
            case Raised(error):
                result.error = error
    host.end(entry, run.decided or end_of(body_exit, saw_request=run.saw_request))


def _is_over(run: Run, body_exit: BodyExit) -> bool:
    """Tell whether a body that its host interrupted has done its work all the same."""
    if isinstance(body_exit, Returned):
        return body_exit.value is not None or not run.saw_request
    return run.decided is not None or isinstance(body_exit, TimedOut)
