"""The ends: of a session and of a host. Both are bounded in time, and both say in the records who stopped
what.

Stopping a host is not cancelling its tasks. What a later host can run again is interrupted: its body is
stopped and its record stays live, `pending`. That takes a journal; everything else is cancelled by `host
stopped`. What an earlier host has left and nobody has run since is not touched.
"""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import TYPE_CHECKING

import anyio

from .._errors import HostClosed, SessionClosing, TaskAlreadyExists
from .._ids import checked_id
from .._records import ClosePolicy, FailureKind, TaskFailure, TaskRecord
from .._tasks.entry import End, Entry
from ..states import TaskState
from .barrier import log_hidden_failures, raise_hidden_failures
from .cancel import ask, cancel

if TYPE_CHECKING:
    from .._tasks.session_tasks import SessionTasks
    from .open_host import OpenHost

log = logging.getLogger("hostel.sessions")

WRITE_SECONDS = 10.0
"""How long the journal may take at least for the last changes, however short the grace for bodies is."""


class OnStop(StrEnum):
    """What leaving a host does to the tasks it runs."""

    INTERRUPT = "interrupt"
    """Resumable ones wait for the next host, if there is a journal; the others are cancelled."""
    CANCEL = "cancel"
    """All are cancelled."""
    DRAIN = "drain"
    """They may end by themselves within the grace; then as `interrupt`."""


async def close_tasks(
    host: OpenHost, session_id: str, successor: str | None, grace: float
) -> list[TaskRecord]:
    """Close a session as `close_session` promises."""
    if successor is not None:
        checked_id(successor)
    if successor == checked_id(session_id):
        raise ValueError(f"session {session_id!r} cannot be its own successor")
    session = host.table.sessions.get(session_id)
    if session is None:
        return []
    if session.closing:
        raise SessionClosing(session_id)
    session.closing = True
    try:
        await _drain_hidden(session, grace)
        live = host.table.live(session_id)
        left = [entry for entry in live if not _kept_or_moved(host, entry, successor)]
        await cancel(host, left, None, "session closed", grace)
        await host.durable()
    finally:
        session.closing = False
        host.table.discard_if_unused(session)
    raise_hidden_failures(host, session)
    return [entry.record for entry in live]


def _kept_or_moved(host: OpenHost, entry: Entry, successor: str | None) -> bool:
    if entry.record.close_policy is ClosePolicy.TRANSFER and successor is not None:
        try:
            host.move([entry], successor)
        except (TaskAlreadyExists, SessionClosing, HostClosed):
            return False
        return True
    return entry.record.close_policy is ClosePolicy.KEEP


async def stop_engine(host: OpenHost, on_stop: OnStop, grace: float) -> None:
    """Stop everything a host runs: first ask, then abort, then give up, each within `grace` seconds."""
    if on_stop is OnStop.DRAIN and host.open:
        await drain_engine(host, grace)
    host.open = False
    host.turns.close()
    managed = [entry for entry in host.table.live() if entry.managed and not entry.parked]
    spared = [entry for entry in managed if _is_spared(host, entry, on_stop)]
    for entry in spared:
        entry.interrupt()
    ask(host, [entry for entry in managed if entry not in spared], None, "host stopped", cascade=False)
    # told and not gone: from here on their scopes are cancelled
    if not await host.bodies.join(grace):
        for run in [entry.run for entry in managed if entry.run is not None]:
            run.abort()
        for session in host.table.sessions.values():
            if session.hidden is not None:
                session.hidden.cancel()
        # nothing can end code that swallows its cancellation; the host leaves it behind and says so
        if not await host.bodies.join(grace):
            stubborn = [entry.record.id for entry in managed if entry.running]
            log.warning("%d bodies ignore their cancellation, among them %s", len(host.bodies), stubborn)
    _leave_the_rest(host, on_stop)
    await _stop_services(host, grace)


async def drain_engine(host: OpenHost, grace: float) -> None:
    """Let nothing start any more, and wait `grace` seconds at most for what runs."""
    host.open = False
    host.turns.drain()
    await host.bodies.join(grace)


def _is_spared(host: OpenHost, entry: Entry, on_stop: OnStop) -> bool:
    able = entry.resumable and host.table.writer is not None and on_stop is not OnStop.CANCEL
    return able and not entry.cancel_requested


def _leave_the_rest(host: OpenHost, on_stop: OnStop) -> None:
    for entry in host.table.live():
        if entry.managed or entry.parked:
            continue
        if entry.resumable and host.table.writer is not None and on_stop is not OnStop.CANCEL:
            host.park(entry, by_stop=True)
        else:
            stopped = TaskFailure(FailureKind.HOST_LOST, "the host that kept its record has stopped")
            host.end(entry, End(TaskState.ABANDONED, None, stopped))


async def _stop_services(host: OpenHost, grace: float) -> None:
    host.heartbeats.close()
    writer = host.table.writer
    if writer is not None:
        writer.close()
    await host.outputs.close()
    if not await host.services.join(max(2 * grace, WRITE_SECONDS)):
        log.warning("%d cancel hooks or writers of the journal do not end", len(host.services))
    failed = writer.give_up() if writer is not None else None
    host.table.log.close()
    for entry in host.table.live():
        host.outputs.end(entry)
        entry.mark_done()
    for session in list(host.table.sessions.values()):
        log_hidden_failures(host, session)
    if failed is not None:
        raise failed


async def _drain_hidden(session: SessionTasks, grace: float) -> None:
    if session.hidden is None:
        return
    with anyio.move_on_after(grace) as first:
        await session.hidden.drained()
    if first.cancelled_caught:
        session.hidden.cancel()
        with anyio.move_on_after(grace):
            await session.hidden.drained()
