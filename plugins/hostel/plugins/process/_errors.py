"""What can go wrong with a command, as facts with fields.

ProcessError
├── InvalidCommand (ValueError)        it cannot be started as it was described
│   ├── ProgramNotFound                there is no such program
│   └── FolderNotFound                 there is no such working directory
├── ProcessRefused                     the system did not start it
├── ProcessFailed                      it ended with a status other than 0, or by a signal
│   └── ProcessTimedOut                it was ended because its time was over
└── ProcessLost                        its keeper was killed, or the machine restarted
"""

from __future__ import annotations

import signal


class ProcessError(Exception):
    """Base of what a command's task fails with on purpose."""


class InvalidCommand(ProcessError, ValueError):
    """The parameter `parameter` is wrong, or missing."""

    def __init__(self, parameter: str, problem: str) -> None:
        super().__init__(f"{parameter}: {problem}")
        self.parameter = parameter


class ProgramNotFound(InvalidCommand):
    """There is no program of that name where the command would look for it."""

    def __init__(self, parameter: str, program: str) -> None:
        super().__init__(parameter, f"there is no program {program!r}")
        self.program = program


class FolderNotFound(InvalidCommand):
    """The folder to work in is not there."""

    def __init__(self, folder: str) -> None:
        super().__init__("cwd", f"there is no folder {folder!r}")
        self.folder = folder


class ProcessRefused(ProcessError):
    """The system did not start the command."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"not started: {problem}")
        self.problem = problem


class ProcessFailed(ProcessError):
    """The command ended with `exit_status`, or by `signal`, after `output_bytes`; `tail` is the last of its
    output.
    """

    def __init__(
        self,
        exit_status: int | None,
        signal: int | None,
        output_bytes: int,
        tail: str,
        why: str | None = None,
    ) -> None:
        ended = f"exit status {exit_status}" if signal is None else f"ended by {signal_name(signal)}"
        super().__init__(f"{ended}{f' ({why})' if why else ''}{f': {tail}' if tail else ''}")
        self.exit_status = exit_status
        self.signal = signal
        self.output_bytes = output_bytes
        self.tail = tail


class ProcessTimedOut(ProcessFailed):
    """The command was ended because it was not done after its `timeout`."""


class ProcessLost(ProcessError):
    """How the command ended is not known."""


def signal_name(number: int) -> str:
    """Return the name of a signal, as `SIGTERM`."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
