"""Which commands go on without their host, and which of them nobody will look for."""

import json
import os
from pathlib import Path

import anyio
from anyio import to_thread

from hostel.plugins.process._registry import Entry, forgotten
from hostel.sessions import LocalBackgroundTaskHost, TaskSpec


async def test_a_command_that_starts_while_the_forgotten_are_looked_for_is_none(tmp_path: Path) -> None:
    path = tmp_path / "entry.json"
    os.mkfifo(path)
    found: list[Entry] = []

    async def look(host: LocalBackgroundTaskHost) -> None:
        found.extend(await forgotten(tmp_path, host))

    async with LocalBackgroundTaskHost() as host, anyio.create_task_group() as group:
        group.start_soon(look, host)
        with await to_thread.run_sync(path.open, "w") as file:  # waits until it is read
            await host.register_external("s", TaskSpec(id="new", kind="process"))
            file.write(json.dumps({"task": "new", "output": str(tmp_path)}))

    assert found == []
