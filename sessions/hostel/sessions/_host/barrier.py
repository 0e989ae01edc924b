"""Hidden tasks as a host sees them: it starts them, and tells each failure to who waits at the barrier.

A failure that nobody collects must not be lost and must not pile up: what waits longest is logged when too
many sessions have some."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVarTuple

from .._errors import HiddenTasksFailed
from .._tasks.hidden import HiddenTask, HiddenTasks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .._tasks.session_tasks import SessionTasks
    from .open_host import OpenHost

Args = TypeVarTuple("Args")
UNCOLLECTED_SESSIONS = 1_000

log = logging.getLogger("hostel.sessions")


def start_hidden(
    host: OpenHost,
    session: SessionTasks,
    label: str,
    func: Callable[[*Args], Awaitable[object]],
    args: tuple[*Args],
) -> None:
    """Start a hidden task of the session."""
    if session.hidden is None:
        session.hidden = HiddenTasks(session.id, host.threads)
    host.bodies.start(_run_hidden, host, session, session.hidden.add(label), func, args)


async def _run_hidden(
    host: OpenHost,
    session: SessionTasks,
    task: HiddenTask,
    func: Callable[[*Args], Awaitable[object]],
    args: tuple[*Args],
) -> None:
    try:
        if session.hidden is not None:
            await session.hidden.run(task, func, args)
            _note_uncollected(host, session)
        host.table.discard_if_unused(session)
    finally:
        host.bodies.mark_ended()


def _note_uncollected(host: OpenHost, session: SessionTasks) -> None:
    """Log the failures of the session that has waited longest for somebody to collect them, if too many
    wait.
    """
    if session.hidden is None or not session.hidden.has_failures:
        return
    host.uncollected[session.id] = session
    if len(host.uncollected) > UNCOLLECTED_SESSIONS:
        log_hidden_failures(host, host.uncollected.pop(next(iter(host.uncollected))))


def log_hidden_failures(host: OpenHost, session: SessionTasks) -> None:
    """Collect what failed in the session for nobody."""
    try:
        raise_hidden_failures(host, session)
    except HiddenTasksFailed as failures:
        log.error("nobody collected what failed", exc_info=failures)


def raise_hidden_failures(host: OpenHost, session: SessionTasks) -> None:
    """:raises HiddenTasksFailed: with what has failed in the session since the last time, if anything
    has.
    """
    try:
        if session.hidden is not None:
            session.hidden.raise_failures()
    finally:
        host.uncollected.pop(session.id, None)
        host.table.discard_if_unused(session)
