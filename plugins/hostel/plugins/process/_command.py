"""What to run, checked: the parameters of a task of kind `process` become a `Command`.

`check` looks at everything that can be known before something is started: types, the program, the folder. The
environment is made here, too: all of the host's but what looks like a secret, or the names that were asked
for, and the values that were given on top."""

from __future__ import annotations

import os
import re
import shutil
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from ._errors import FolderNotFound, InvalidCommand, ProgramNotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostel.sessions import JsonValue

SHELL = "/bin/sh"
SECRET = re.compile(
    r"TOKEN(?!IZER)|SECRET|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE|API_?KEY|_PWD$|(^|_)(KEY|PASS|AUTH)$",
    re.IGNORECASE,
)
"""Names of variables that are not passed unless they are asked for."""
INTERRUPT_GRACE, TERMINATE_GRACE = 2.0, 3.0
_NO_FIELDS = {"shell", "pass_env"}
"""Parameters that a command has no field for."""
_LONGEST_WAIT = 366 * 86_400.0


class OnHostLoss(StrEnum):
    """What becomes of a command whose host dies, or stops without ending it."""

    ADOPT = "adopt"
    """It goes on, and the next host takes it over."""
    KILL = "kill"
    """It is ended."""


@attrs.frozen
class Command:
    """A command that can be started."""

    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str] = attrs.field(repr=False)
    pty: bool = False
    stdin: bool = False
    timeout: float | None = None
    """Seconds from its start; None is for ever."""
    interrupt_grace: float = INTERRUPT_GRACE
    """Seconds from SIGINT to SIGTERM."""
    terminate_grace: float = TERMINATE_GRACE
    """Seconds from SIGTERM to SIGKILL."""
    on_host_loss: OnHostLoss | None = None
    """None means adopt where the task survives its host, else kill."""


def check(params: Mapping[str, JsonValue]) -> Command:
    """Return the command that the parameters of a task of kind `process` describe.

    It asks the file system for the program and the folder, so it belongs in a thread.

    :raises InvalidCommand: if it cannot be started as described; `ProgramNotFound` and `FolderNotFound` are.
    """
    unknown = sorted(params.keys() - {field.name for field in attrs.fields(Command)} - _NO_FIELDS)
    if unknown:
        raise InvalidCommand(unknown[0], "a process has no such parameter")
    env = _environment(params.get("env"), params.get("pass_env"))
    cwd = _folder(params.get("cwd"))
    return Command(
        _argv(params.get("argv"), params.get("shell"), cwd, env),
        cwd,
        env,
        _flag(params, "pty"),
        _flag(params, "stdin"),
        None if params.get("timeout") is None else _seconds(params, "timeout", 0.0),
        _seconds(params, "interrupt_grace", INTERRUPT_GRACE),
        _seconds(params, "terminate_grace", TERMINATE_GRACE),
        _on_host_loss(params.get("on_host_loss")),
    )


def _argv(argv: JsonValue, shell: JsonValue, cwd: str, env: Mapping[str, str]) -> tuple[str, ...]:
    if (argv is None) == (shell is None):
        raise InvalidCommand("argv", "give either argv or shell")
    if shell is not None:
        return SHELL, "-c", _text("shell", shell)
    if not isinstance(argv, list) or not argv:
        raise InvalidCommand("argv", "must be a list of texts, the program first")
    words = tuple(_text("argv", word) for word in argv)
    program = str(Path(cwd) / words[0]) if os.sep in words[0] else words[0]
    if not words[0] or shutil.which(program, path=env.get("PATH", os.defpath)) is None:
        raise ProgramNotFound("argv", words[0])
    return words


def _folder(cwd: JsonValue) -> str:
    if cwd is None:
        return str(Path.cwd())
    path = Path(_text("cwd", cwd)).expanduser()
    if not path.is_dir():
        raise FolderNotFound(str(path))
    return str(path.absolute())


def _environment(values: JsonValue, names: JsonValue) -> dict[str, str]:
    if names is None:
        passed = {name: value for name, value in os.environ.items() if not SECRET.search(name)}
    elif isinstance(names, list):
        wanted = [_text("pass_env", name) for name in names]
        passed = {name: os.environ[name] for name in wanted if name in os.environ}
    else:
        raise InvalidCommand("pass_env", "must be a list of names")
    if not isinstance(values, dict | None):
        raise InvalidCommand("env", "must be an object of names and texts")
    given = {_name(name): _text("env", value) for name, value in (values or {}).items()}
    return passed | given


def _name(name: str) -> str:
    if not name or "=" in name:
        raise InvalidCommand("env", f"{name!r} cannot be the name of a variable")
    return _text("env", name)


def _text(parameter: str, value: JsonValue) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise InvalidCommand(parameter, f"must be text without NUL, not {value!r:.60}")
    return value


def _flag(params: Mapping[str, JsonValue], name: str) -> bool:
    value = params.get(name, False)
    if not isinstance(value, bool):
        raise InvalidCommand(name, f"must be true or false, not {value!r:.60}")
    return value


def _seconds(params: Mapping[str, JsonValue], name: str, default: float) -> float:
    value = params.get(name, default)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= (seconds := float(str(value))) <= _LONGEST_WAIT:
        raise InvalidCommand(name, f"must be a number of seconds, not {value!r:.60}")
    return seconds


def _on_host_loss(value: JsonValue) -> OnHostLoss | None:
    try:
        return None if value is None else OnHostLoss(str(value))
    except ValueError:
        raise InvalidCommand("on_host_loss", f"must be adopt or kill, not {value!r:.60}") from None
