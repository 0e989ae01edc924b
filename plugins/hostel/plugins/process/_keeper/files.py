"""What a keeper leaves in its folder: `state.json`, where it is; `exit.json`, how the command ended.

Both appear whole, by a rename. The keeper listens before `state.json` is there, and until after `exit.json`
is: whoever finds a state, cannot connect, and then finds no exit knows that the keeper was killed. `lock` is
locked while a keeper lives, so that a folder has one, and two hosts that were killed while they started one
have not started two. `log` has what a keeper says that fails.

A keeper may be of an older hostel than the host that finds it: what is added to the two has a default."""

from __future__ import annotations

import fcntl
import json
import os
from typing import Any, NamedTuple

STATE, EXIT, LOCK, LOG = "state.json", "exit.json", "lock", "log"


class State(NamedTuple):
    """Where a keeper is, its command, and what the next host has to know of that."""

    boot: str
    keeper: int
    keeper_started: str
    command: int
    command_started: str
    socket: str
    on_host_loss: str
    terminate_grace: float


class Exit(NamedTuple):
    """How a command ended: with a `status` or by a `signal`, after `total` bytes of output."""

    status: int | None
    signal: int | None
    total: int
    why: str | None = None
    """Who ended it, in one word; None if it ended by itself."""
    not_kept: str | None = None
    """Why part of its output could not be kept."""


def read_state(folder: str) -> State | None:
    """Return where the keeper of `folder` is; None if none was there."""
    fields = _read(folder, STATE)
    return State(**fields) if fields is not None else None


def read_exit(folder: str) -> Exit | None:
    """Return how the command ended whose keeper's folder this is; None if it is not known."""
    fields = _read(folder, EXIT)
    return Exit(**fields) if fields is not None else None


def write(folder: str, name: str, what: State | Exit) -> None:
    """Write one of the two, whole or not at all."""
    path = os.path.join(folder, name)  # noqa: PTH118
    fd = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(fd, "w") as file:  # noqa: PTH123
        json.dump(what._asdict(), file)
    os.replace(path + ".new", path)  # noqa: PTH105


def lock(folder: str) -> bool:
    """Lock the folder for as long as this process lives; tell whether nobody else had."""
    fd = os.open(os.path.join(folder, LOCK), os.O_WRONLY | os.O_CREAT, 0o600)  # noqa: PTH118
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return False
    return True


def _read(folder: str, name: str) -> dict[str, Any] | None:
    try:
        with open(os.path.join(folder, name)) as file:  # noqa: PTH118, PTH123
            fields: dict[str, Any] = json.load(file)
            return fields
    except (FileNotFoundError, ValueError):  # a power cut leaves files that are empty
        return None
