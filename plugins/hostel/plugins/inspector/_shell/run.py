"""`hostel run`: a command as a task of a runtime, which looks as if it ran here.

Its output comes here and its exit code is ours. Ctrl-C asks the task to be cancelled and waits for its end,
which is the command's; a second Ctrl-C leaves it alone. If we are gone, the task goes on."""

from __future__ import annotations

import re
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import typer

from hostel.runtime import console
from hostel.sessions import TaskState

from .._cli.client import Found
from .._cli.control import user
from .._cli.format import note_text
from .._errors import InspectorError, Refused
from .following import OutputFollower
from .printing import Printer
from .start import kind_named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostel.sessions import JsonValue, TaskRecord

KIND = "process"
REASON = "Ctrl-C"
SIGNALLED = 128
"""What shells add to the number of the signal that ended a command."""
STATUS = re.compile(r"Process(?:Failed|TimedOut): exit status (\d+)")
SIGNAL = re.compile(r"Process(?:Failed|TimedOut): ended by (SIG\w+)")


def run_command(
    argv: list[str], *, session: str, detach: bool, pty: bool, cwd: str | None, env: Mapping[str, str]
) -> None:
    """Run a command and end with its exit code; if it is detached, print the id of its task."""
    params: dict[str, JsonValue] = {"argv": [*argv], "cwd": str(Path(cwd or ".").absolute()), "stdin": True}
    params |= {"env": {**env}} if env else {}
    params |= {"pty": True} if pty else {}
    with console.one_sentence():
        runtime = kind_named(KIND).runtime
        label = " ".join(argv)[:200]
        record = runtime.start({"kind": KIND, "session_id": session, "label": label, "params": params})
    if detach:
        console.print_lines([record.id])
        return
    attendance = _Attendance(Found(runtime, record))
    last = console.run(attendance.run)
    if last is None:
        console.warn(f"task {record.id!r} goes on: `hostel cancel {record.id}` ends it")
        raise KeyboardInterrupt
    code = exit_code(last)
    if code is None:
        console.fail(
            note_text(last) or f"task {record.id!r} is {last.state}, and its exit status is not known"
        )
    raise typer.Exit(code)


def exit_code(record: TaskRecord) -> int | None:
    """Return the exit code of the command of a task that has ended, None if it is not known."""
    if record.state is TaskState.CANCELLED:
        return console.INTERRUPTED
    value = record.result.value if record.result is not None else None
    status = value.get("exit_status") if isinstance(value, dict) else None
    if isinstance(status, int):
        return status if status >= 0 else SIGNALLED - status
    message = record.failure.message.partition("\n")[0] if record.failure is not None else ""
    if found := STATUS.match(message):
        return int(found[1])
    if (found := SIGNAL.match(message)) and found[1] in signal.Signals.__members__:
        return SIGNALLED + signal.Signals[found[1]]
    return None


class _Attendance:
    """A command line that attends to a task until it has ended, or is told to leave."""

    def __init__(self, found: Found) -> None:
        self._printer = Printer()
        self._follower = OutputFollower(found, 0, self._printer.show)
        self._ended: TaskRecord | None = None
        self._error: OSError | InspectorError | None = None

    async def run(self) -> TaskRecord | None:
        """Return the last record of the task, None if it was left.

        :raises InspectorError: if its runtime has gone for good.
        :raises OSError: if nobody reads what is printed.
        """
        with anyio.open_signal_receiver(signal.SIGINT) as signals:
            async with anyio.create_task_group() as group:
                group.start_soon(self._follow, group.cancel_scope)
                asked = 0
                async for _ in signals:
                    asked += 1
                    if asked > 1:
                        group.cancel_scope.cancel()
                        break
                    group.start_soon(self._cancel)
        self._printer.end()
        if self._error is not None:
            raise self._error  # on its own, not in the group's
        return self._ended

    async def _follow(self, scope: anyio.CancelScope) -> None:
        try:
            self._ended = await self._follower.run()
        except (OSError, InspectorError) as error:
            self._error = error
        scope.cancel()

    async def _cancel(self) -> None:
        found = self._follower.found
        ask = partial(found.runtime.cancel, found.record, reason=REASON, cascade=True, actor=user())
        try:
            await anyio.to_thread.run_sync(ask)
        except Refused as error:
            if error.kind != "task-finished":  # it was faster
                console.warn(error)
        except InspectorError as error:
            console.warn(error)
