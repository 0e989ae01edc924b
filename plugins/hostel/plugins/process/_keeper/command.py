"""Starting the command: in a session and process group of its own, with one pipe for all it writes, so that
the order is right, or with a terminal.

This is fork and exec by hand: the keeper has one thread, and `subprocess` would double its start. What fails
between the two is told through a pipe that a successful exec closes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import struct
import termios
from typing import NamedTuple

_PIPE_SIZE = 512 * 1024
_ROWS, _COLUMNS = 24, 80


class NotStarted(Exception):
    """The system did not start the command, for the reason `str(self)`."""


class Command(NamedTuple):
    """A started command: its pid, and our ends of what it writes and reads. `stdin` is None if nobody is to
    write to it.
    """

    pid: int
    output: int
    stdin: int | None
    terminal: bool


def start(argv: list[str], cwd: str, env: dict[str, str], *, terminal: bool, stdin: bool) -> Command:
    """Start a command.

    Raises NotStarted if its program or folder is not there, or the system refuses."""
    theirs, output, to_stdin = _open_terminal() if terminal else _open_pipes(stdin)
    failed, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        step = "a session of its own"
        try:
            _take_over(theirs, terminal)
            step = cwd
            os.chdir(cwd)
            step = argv[0]
            os.execvpe(argv[0], argv, env)
        except OSError as error:
            os.write(told, f"{error.errno} {step}".encode(errors="replace"))
        finally:
            os._exit(127)
    for fd in {*theirs, told}:
        os.close(fd)
    _check(failed, pid, (output, to_stdin))
    return Command(pid, output, to_stdin, terminal)


def _take_over(theirs: tuple[int, int], terminal: bool) -> None:
    os.setsid()
    stdin, output = theirs
    for fd, number in ((stdin, 0), (output, 1), (output, 2)):
        os.dup2(fd, number)
    if terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _open_pipes(stdin: bool) -> tuple[tuple[int, int], int, int | None]:
    output, their_output = os.pipe()
    os.set_blocking(output, False)
    with contextlib.suppress(OSError):  # it may be all that a user may have
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
    if not stdin:
        return (os.open(os.devnull, os.O_RDONLY), their_output), output, None
    their_stdin, to_stdin = os.pipe()
    os.set_blocking(to_stdin, False)
    return (their_stdin, their_output), output, to_stdin


def _open_terminal() -> tuple[tuple[int, int], int, int]:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", _ROWS, _COLUMNS, 0, 0))
    os.set_blocking(ours, False)
    return (theirs, theirs), ours, os.dup(ours)


def _check(failed: int, pid: int, ours: tuple[int, int | None]) -> None:
    with open(failed, "rb") as pipe:
        problem = pipe.read().decode(errors="replace")
    if not problem:
        return
    os.waitpid(pid, 0)
    for fd in ours:
        if fd is not None:
            os.close(fd)
    number, _, what = problem.partition(" ")
    raise NotStarted(f"{what}: {os.strerror(int(number or errno.EINVAL))}")
