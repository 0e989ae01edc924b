"""Which commands go on without their host: a folder of the plugin's own with a file for each, which has its
task and the folder of its output.

A task can end without its command: its host is killed while it is cancelled, or once too often. Nobody would
look for its keeper again, so each start looks here for commands whose tasks are over, and ends them."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import attrs
from anyio import to_thread

from hostel.sessions import TaskFilter

from ._errors import ProcessError
from ._kept import find

if TYPE_CHECKING:
    from hostel.sessions import BackgroundTaskHost

log = logging.getLogger("hostel.process")
KIND = "process"


@attrs.frozen
class Entry:
    """A command that may run: the id of its task, and the folder of its output."""

    path: Path
    task_id: str
    output: Path

    def write(self) -> None:
        """Write it down, whole or not at all; blocks."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.path.with_suffix(".new")
        draft.write_text(json.dumps({"task": self.task_id, "output": str(self.output)}))
        draft.replace(self.path)

    def strike(self) -> None:
        """Remove it; blocks."""
        self.path.unlink(missing_ok=True)


def entry(folder: Path, task_id: str, output: Path) -> Entry:
    """Return the entry of the command of that task; it is not written yet."""
    name = hashlib.sha256(str(output).encode()).hexdigest()[:16]
    return Entry(folder / f"{name}.json", task_id, output)


def entries(folder: Path) -> list[Entry]:
    """Return what is written down in `folder`; blocks."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            fields = json.loads(path.read_text())
            found.append(Entry(path, fields["task"], Path(fields["output"])))
        except FileNotFoundError:  # struck meanwhile
            continue
        except (ValueError, KeyError, TypeError):  # a power cut leaves files that are empty
            path.unlink(missing_ok=True)
    return found


async def forgotten(folder: Path, host: BackgroundTaskHost) -> list[Entry]:
    """Return the commands whose tasks are over."""
    written = await to_thread.run_sync(entries, folder)  # first: what starts meanwhile is in neither, or live
    live = {record.id for record in await host.list(TaskFilter(kind=KIND))}
    return [found for found in written if found.task_id not in live]


async def end_forgotten(forgotten: list[Entry]) -> None:
    """End commands whose tasks are over."""
    async with anyio.create_task_group() as group:
        for left in forgotten:
            group.start_soon(_end, left)


async def _end(left: Entry) -> None:
    command = await find(left.output)
    if command is not None:
        try:
            await command.send(do="end", why="host_lost")
            await command.ended(lambda _: None)
            log.warning("ended a command whose task %s was given up", left.task_id)
        except ProcessError as error:
            log.warning("the command of task %s, which was given up: %s", left.task_id, error)
        finally:
            await command.close()
    await to_thread.run_sync(left.strike)
