"""Starting a keeper, finding the one of an earlier host, and what is left of one that was killed.

Everything here blocks for some milliseconds and belongs in a thread."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hostel.runtime.paths import runtime_dir
from hostel.sessions import spool

from ._errors import ProcessRefused
from ._keeper import files, main, processes

if TYPE_CHECKING:
    from ._command import Command, OnHostLoss
    from ._keeper.files import Exit, State

LONGEST_SOCKET_PATH = 100
"""Bytes; macOS takes 103, Linux 107."""
_PASSED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


def keeper_folder(output: Path) -> Path:
    """Return where the keeper of a task keeps its own files."""
    return output / "keeper"


def launch(command: Command, on_host_loss: OnHostLoss, output: Path) -> tuple[socket.socket, int]:
    """Start a keeper for `command` and ask it to start that; return the connection to it and its pid.

    `output` is the folder of the task's spool. The keeper answers with one message.

    :raises ProcessRefused: if the system does not start it.
    """
    folder = keeper_folder(output)
    ours, theirs = socket.socketpair()
    keeper = None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        keeper = _spawn(folder, theirs.fileno())
        ours.sendall(json.dumps(_request(command, on_host_loss, output, folder)).encode() + b"\n")
    except OSError as error:
        ours.close()
        if keeper is not None:
            reap(keeper)
        raise ProcessRefused(str(error)) from error
    finally:
        theirs.close()
    return ours, keeper


def look_for_state(output: Path) -> State | None:
    """Return where the keeper of a task is, or was; None if it never had one."""
    return files.read_state(str(keeper_folder(output)))


def look_for_exit(output: Path) -> Exit | None:
    """Return how the command of a task ended; None if its keeper has not said it."""
    return files.read_exit(str(keeper_folder(output)))


def lives(state: State) -> bool:
    """Tell whether the keeper lives."""
    found = processes.find(state.keeper) if state.boot == processes.boot_id() else None
    return found is not None and found.started == state.keeper_started


def survivors(state: State) -> list[int]:
    """Return the pids of what is left of a command whose keeper is gone."""
    if state.boot != processes.boot_id():
        return []
    return processes.left_of(processes.table(), state.command, state.command_started)


def ask_to_end(state: State) -> None:
    """Ask a keeper to end its command, and then itself."""
    send([state.keeper], signal.SIGTERM)


def send(pids: list[int], number: int) -> None:
    """Send a signal to those of `pids` that still live."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def reap(pid: int) -> None:
    """Wait for a keeper that ends, so that the system forgets it, if it is a child of this process."""
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)


def reap_found(state: State) -> None:
    """Reap the keeper that is or was there, unless its pid is somebody else's by now."""
    with suppress(ProcessLookupError):
        if state.boot == processes.boot_id() and processes.start_of(state.keeper) == state.keeper_started:
            reap(state.keeper)


def last_words(output: Path) -> str:
    """Return the last line a keeper wrote to its log, empty if it has nothing to say."""
    with suppress(OSError):
        lines = (keeper_folder(output) / files.LOG).read_text(errors="replace").splitlines()
        return lines[-1][:200] if lines else ""
    return ""


def why_lost(output: Path, state: State) -> str:
    """Return in a sentence why nobody knows how a command ended."""
    if state.boot != processes.boot_id():
        return "how the command ended is not known: the machine was restarted while it ran"
    said = last_words(output)
    return f"how the command ended is not known: its keeper was killed{f' ({said})' if said else ''}"


def clean(state: State) -> None:
    """Remove the socket of a keeper that was killed."""
    with suppress(OSError):
        Path(state.socket).unlink()


def forget(output: Path) -> None:
    """Remove what the keeper of a task has left, so that the command can be started again."""
    shutil.rmtree(keeper_folder(output), ignore_errors=True)


def _spawn(folder: Path, connection: int) -> int:
    log = str(folder / files.LOG)
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-S", "-E", "-P", main.__file__, str(folder)],
        {name: os.environ[name] for name in _PASSED if name in os.environ},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, connection, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        ],
        setsid=True,
        setsigmask=(),
    )


def _request(command: Command, on_host_loss: OnHostLoss, output: Path, folder: Path) -> dict[str, object]:
    return {
        "argv": command.argv,
        "cwd": command.cwd,
        "env": dict(command.env),
        "pty": command.pty,
        "stdin": command.stdin,
        "timeout": command.timeout,
        "graces": [command.interrupt_grace, command.terminate_grace],
        "on_host_loss": on_host_loss.value,
        "spool": spool.__file__,
        "folder": str(output),
        "sockets": _socket_paths(folder),
    }


def _socket_paths(folder: Path) -> list[str]:
    """Return where a keeper may listen: in its folder, or in the user's runtime directory if that path is
    too long.
    """
    beside = folder / "socket"
    if len(os.fsencode(beside)) <= LONGEST_SOCKET_PATH:
        return [str(beside)]
    runtime = runtime_dir()
    runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    return [str(runtime / f"keeper-{secrets.token_hex(8)}")]
