"""What an earlier host of the journal has left, and how it goes on.

A live task of another host is one whose host stopped or died. Those that can be run again wait, `pending`,
from the opening of the host on; they are run when somebody gives them bodies, which is after everything else
has started. External ones wait for their owner, who registers them again. All others are abandoned, and so is
a task that has taken its host down as often as it may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from .. import _transitions as changes
from .._records import FailureKind, JsonValue, TaskFailure, TaskRecord, TaskSpec
from .._tasks.entry import End, Entry, Run
from ..states import TaskState
from .restart import RestartInfo, is_crash_loop, restart_info_from_json
from .run import start

if TYPE_CHECKING:
    from .open_host import OpenHost

Resume = Callable[[TaskRecord, JsonValue], "Callable[[], Awaitable[object]] | None"]
"""Given a task that an earlier host left and its params: its body, or None to let it wait for a later host.
What it raises is why the task can never be run again.
"""


def recover(host: OpenHost, entry: Entry) -> None:
    """Decide what becomes of a live task that an earlier host has left: it waits to be run again, or is
    abandoned.
    """
    record = entry.record
    try:
        info = restart_info_from_json(entry.restart)
    except (KeyError, TypeError, ValueError) as error:
        why = f"host {record.host_id} is gone, and how to run it again is lost: {error!r}"
        _abandon(host, entry, FailureKind.HOST_LOST, why)
        return
    # a pending one had not begun, or a stop had interrupted it: the crash is not its doing
    interrupted = record.state in (TaskState.RUNNING, TaskState.WAITING)
    if info is None or not info.resumable or (info.managed and entry.cancel_requested):
        _abandon(host, entry, FailureKind.HOST_LOST, f"host {record.host_id} is gone")
    elif info.managed and interrupted and is_crash_loop(record.attempt):
        why = f"its host died in each of {record.attempt.counted} runs"
        _abandon(host, entry, FailureKind.CRASH_LOOP, why)
    else:
        entry.resumable = entry.parked = True
        entry.run = Run(after_death=interrupted) if info.managed else None
        host.park(entry, by_stop=False)


def run_again(host: OpenHost, entry: Entry, bodies: Resume) -> bool:
    """Run a task again that waits for it; tell whether it need not wait any longer."""
    try:
        info = restart_info_from_json(entry.restart)
        body = bodies(entry.record, info.params) if info is not None else None
    except Exception as error:  # noqa: BLE001 - a stranger's code must not keep the others from running
        _abandon(host, entry, FailureKind.HOST_LOST, f"the task cannot be run again: {error}")
        return True
    if info is None or body is None:
        return False
    entry.parked = False
    run = entry.run = entry.run or Run()
    begin = partial(_begin_again, host, entry, run, info, body)
    record = entry.record
    wanted = TaskSpec(kind=record.kind, priority=record.priority, not_before=record.not_before)
    if host.turns.are_free(wanted) or host.turns.take(run, record.session_id, wanted, entry.parent):
        begin()
    else:
        host.turns.put_off(run, begin)
    return True


def _begin_again(
    host: OpenHost, entry: Entry, run: Run, info: RestartInfo, body: Callable[[], Awaitable[object]]
) -> None:
    if entry.record.started_at is None:
        host.begin(entry)
    else:
        host.apply(entry, changes.resumed, host.host_id)
        entry.fence = entry.record.seq
    start(host, entry, run, info.spec(entry.record.attempt), body, ())


def adopt(host: OpenHost, entry: Entry) -> None:
    """Let an external task go on, now that its owner has registered it again."""
    entry.parked = False
    if entry.record.state is TaskState.PENDING:
        host.apply(entry, changes.adopted, host.host_id)


def _abandon(host: OpenHost, entry: Entry, kind: FailureKind, why: str) -> None:
    host.end(entry, End(TaskState.ABANDONED, None, TaskFailure(kind, why)))
