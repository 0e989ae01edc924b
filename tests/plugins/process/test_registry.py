"""Which commands go on without their host, and which of them nobody will look for."""

import json
import os
from pathlib import Path

import anyio
from anyio import to_thread

from hostel.plugins.process._registry import Entry, entries, entry, forgotten
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


def test_what_a_power_cut_has_left_or_somebody_strikes_meanwhile_is_passed_over(tmp_path: Path) -> None:
    going_on = entry(tmp_path, "task", tmp_path / "output")
    going_on.write()
    (tmp_path / "empty.json").touch()
    (tmp_path / "struck.json").symlink_to("gone")  # listed, and not there when it is read

    assert entries(tmp_path) == [going_on]
    assert not (tmp_path / "empty.json").exists()
