"""The body of a task of kind `process`: a command from its start, or from where an earlier host left it, to
its end.

The command lives under a keeper, so this only looks on: it tells the host how much output there is, hands on
messages, asks the keeper to end the command when the task is to stop, and reports the end. The task ends when
nothing of the command is left, however long that takes; only a task that its host interrupts, and whose
command is to go on, lets go of it."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING, Literal

import anyio
from anyio import to_thread

from hostel.sessions import JsonValue, current_task  # the signature of `run` is read when it is registered
from hostel.sessions.spool import Piece, read_spool

from . import _launch
from ._command import INTERRUPT_GRACE, TERMINATE_GRACE, Command, OnHostLoss, check
from ._errors import InvalidCommand, ProcessFailed, ProcessLost, ProcessTimedOut
from ._kept import kept
from ._registry import entry
from ._running import RunningCommand, RunningCommands

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hostel.sessions import TaskContext

    from ._keeper.files import Exit
    from ._kept import KeptCommand

log = logging.getLogger("hostel.process")

TAIL = 1_800
"""Bytes of output that a failure carries: what a record keeps of a message, less what comes before."""
_SIGNALS = signal.Signals.__members__
_WHYS = {
    "timeout": "its time was over",
    "host_lost": "its host was lost",
    "stopped": "its keeper was asked to end",
}


def title(argv: list[str] | None = None, shell: str | None = None, **_: object) -> str:
    """Return the command as `hostel run` labels it."""
    return shell or " ".join(argv or ())


class ProcessKind:
    """The task kind `process`. What runs is written down in the folder `registry`, once it is set."""

    def __init__(self) -> None:
        self.registry: Path | None = None
        self.running = RunningCommands()

    async def run(
        self,
        argv: list[str] | None = None,
        shell: str | None = None,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        pass_env: list[str] | None = None,
        timeout: float | None = None,
        pty: bool = False,
        stdin: bool = False,
        on_host_loss: Literal["adopt", "kill"] | None = None,
        interrupt_grace: float = INTERRUPT_GRACE,
        terminate_grace: float = TERMINATE_GRACE,
    ) -> JsonValue:
        """Run a command to its end in a task, whose output is what it writes.

        :param argv: the program and its arguments; or give `shell`, a line for `/bin/sh`
        :param cwd: the folder to work in; that of the host by default
        :param env: variables to set
        :param pass_env: names of variables to pass from the host; all but what looks like a secret by default
        :param timeout: seconds from the command's start, whether or not a host is there
        :param pty: give it a terminal
        :param stdin: let messages to the task be its input; else its input is empty
        :param on_host_loss: `adopt` or `kill`; adopt where the task survives its host by default
        :param interrupt_grace: seconds from SIGINT to SIGTERM when it is to end
        :param terminate_grace: seconds from SIGTERM to SIGKILL
        :return: `exit_status`, `signal`, `output_bytes`; None if the task was to stop
        :raises InvalidCommand: if it cannot be started as described
        :raises ProcessRefused: if the system does not start it
        :raises ProcessFailed: if its status is not 0
        :raises ProcessLost: if how it ended is not known
        """
        params: dict[str, JsonValue] = {name: value for name, value in locals().items() if name != "self"}
        task = current_task()
        output = await task.spool()
        run = _Run(params, task, output, self.registry)
        async with kept(output, run.describe) as process:
            command = RunningCommand.of(params, run.cwd, process.pid)
            with self.running.noted(task.record, command):
                ended = await _Attendance(task, process).until_over()
        if ended is None:
            return None
        await to_thread.run_sync(run.strike)
        if ended.why == "cancel" and task.cancel_requested:
            return None
        return await _result(task, ended, output)


class _Run:
    """What is done in a thread before a command is started, and after its end."""

    def __init__(
        self, params: Mapping[str, JsonValue], task: TaskContext, output: Path, registry: Path | None
    ) -> None:
        self._params, self._durable = params, task.durable
        self._note = entry(registry, task.id, output) if registry is not None else None
        self.cwd: str | None = None
        """The folder of a command that was started here."""

    def describe(self) -> tuple[Command, OnHostLoss]:
        """Check what is to run, and write down what will go on without its host."""
        command = check(self._params)
        self.cwd = command.cwd
        loss = command.on_host_loss or (OnHostLoss.ADOPT if self._durable else OnHostLoss.KILL)
        if loss is OnHostLoss.ADOPT and not self._durable:
            raise InvalidCommand("on_host_loss", "nobody could adopt it: the runtime has no data_dir")
        if loss is OnHostLoss.ADOPT and self._note is not None:
            self._note.write()
        return command, loss

    def strike(self) -> None:
        """Forget what has ended."""
        if self._note is not None:
            self._note.strike()


async def _result(task: TaskContext, ended: Exit, output: Path) -> JsonValue:
    if ended.not_kept is not None:
        log.warning("task %s: part of the output could not be kept: %s", task.id, ended.not_kept)
    if ended.status == 0 and ended.why is None:
        return {"exit_status": 0, "signal": None, "output_bytes": ended.total}
    tail = last_lines(await to_thread.run_sync(read_spool, output, -TAIL, TAIL))
    attempt = task.record.attempt
    if attempt.counted < attempt.max_attempts:  # the next attempt is to start it again, not to find it
        await to_thread.run_sync(_launch.forget, output)
    error = ProcessTimedOut if ended.why == "timeout" else ProcessFailed
    raise error(ended.status, ended.signal, ended.total, tail, _WHYS.get(ended.why or ""))


def last_lines(piece: Piece) -> str:
    """Return the end of an output as text, from the beginning of a line on if there is one."""
    text = piece.data.decode(errors="replace")
    if piece.start > 0 and "\n" in text[:-1]:
        text = text.partition("\n")[2]
    return text.strip()


class _Attendance:
    """A task looking on while a command runs."""

    def __init__(self, task: TaskContext, process: KeptCommand) -> None:
        self._task, self._process = task, process
        self._exit: Exit | None = None
        self._lost: ProcessLost | None = None

    async def until_over(self) -> Exit | None:
        """Return how the command ended; None if the task lets go of it.

        :raises ProcessLost: if that is not known.
        """
        try:
            if self._process.was_found:
                await self._task.adopted()
            async with anyio.create_task_group() as others:
                others.start_soon(self._hand_on_messages)
                others.start_soon(self._heed, others.cancel_scope)
                await self._follow()
                others.cancel_scope.cancel()
        except BaseException:  # its scope was cancelled, mostly; whatever it is, the command must not stay
            with anyio.CancelScope(shield=True):
                await self._stop()
            raise
        if self._lost is not None:
            raise self._lost
        return self._exit

    async def _follow(self) -> None:
        try:
            self._exit = await self._process.ended(self._task.spooled)
        except ProcessLost as error:
            self._lost = error

    async def _heed(self, scope: anyio.CancelScope) -> None:
        await self._task.cancellation()
        if self._lets_go:
            await self._process.send(do="release")
            scope.cancel()
        else:
            await self._process.send(do="end", why=self._why)

    async def _stop(self) -> None:
        if self._lets_go:
            await self._process.send(do="release")
        elif self._exit is None and self._lost is None:
            await self._process.send(do="end", why=self._why)
            await self._follow()

    @property
    def _lets_go(self) -> bool:
        return self._task.interrupted and self._process.outlives_host

    @property
    def _why(self) -> str:
        return "host_lost" if self._task.interrupted else "cancel"

    async def _hand_on_messages(self) -> None:
        async for message in self._task.messages():
            try:
                request = keeper_request(message)
            except ValueError as error:
                log.warning("task %s: %s", self._task.id, error)
                continue
            if request["do"] == "text":
                await self._process.write(**request)
            else:
                await self._process.send(**request)


def keeper_request(message: JsonValue) -> dict[str, JsonValue]:
    """Return what a keeper is to be asked for because of a message to the task.

    A text is a line: it gets a newline if it ends in none. `{"text": ...}` is written as it is, `{"eof":
    true}` ends the input, `{"signal": "INT"}` is sent to the command's process group.

    :raises ValueError: if the message is none of these.
    """
    match message:
        case str(line):
            return {"do": "text", "text": line if line.endswith("\n") else line + "\n"}
        case {"text": str(text)}:
            return {"do": "text", "text": text}
        case {"eof": True}:
            return {"do": "eof"}
        case {"signal": str(name)} if (full := f"SIG{name.upper().removeprefix('SIG')}") in _SIGNALS:
            return {"do": "signal", "signal": _SIGNALS[full].value}
    raise ValueError(f"a process takes text, eof or a signal, not {message!r:.100}")
