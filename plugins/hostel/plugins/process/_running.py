"""The commands that tasks attend to now, as they are shown: what a record does not know of them."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hostel.sessions import JsonValue, TaskRecord

LONGEST = 2_000


@attrs.frozen
class RunningCommand:
    """A command that runs: its line, at most 2,000 characters, and its folder, None if only an earlier host
    knew it.
    """

    line: str
    cwd: str | None
    pid: int
    takes_input: bool

    @classmethod
    def of(cls, params: Mapping[str, JsonValue], cwd: str | None, pid: int) -> RunningCommand:
        """Return what is shown of a command with the parameters of its task."""
        argv, shell, folder = params.get("argv"), params.get("shell"), params.get("cwd")
        line = shlex.join(map(str, argv)) if isinstance(argv, list) else str(shell)
        shown = line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
        return cls(shown, cwd or (None if folder is None else str(folder)), pid, bool(params.get("stdin")))


class RunningCommands:
    """Which tasks attend to which commands. A task may have the id of another, but not its time too."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, float], RunningCommand] = {}

    @contextmanager
    def noted(self, record: TaskRecord, command: RunningCommand) -> Iterator[None]:
        """Know the command of a task inside the block."""
        self._known[record.id, record.created_at] = command
        try:
            yield
        finally:
            del self._known[record.id, record.created_at]

    def of(self, record: TaskRecord) -> RunningCommand | None:
        """Return the command of a task; None if it has none now."""
        return self._known.get((record.id, record.created_at))
