import json
import os
import socket
from pathlib import Path

import anyio

from hostel.plugins.model_pull._engine.lock import locked, locked_now


def ignore() -> None:
    """Nobody wants to know."""


async def test_one_at_a_time_and_the_waiting_ones_are_told(tmp_path: Path) -> None:
    inside, most = 0, 0
    waited = anyio.Event()

    async def enter() -> None:
        nonlocal inside, most
        async with locked(tmp_path / "part", on_wait=waited.set):
            inside += 1
            most = max(most, inside)
            await waited.wait()
            inside -= 1

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(enter)

    assert most == 1
    assert list(tmp_path.iterdir()) == []


async def test_the_owner_can_be_read(tmp_path: Path) -> None:
    async with locked(tmp_path / "part", on_wait=ignore):
        owner = json.loads((tmp_path / "part.owner").read_text())

    assert (owner["pid"], owner["host"]) == (os.getpid(), socket.gethostname())
    assert owner["since"] > 1_700_000_000


async def test_trying_does_not_wait(tmp_path: Path) -> None:
    async with locked(tmp_path / "part", on_wait=ignore):
        with locked_now(tmp_path / "part") as held:
            assert not held
    with locked_now(tmp_path / "part") as held:
        assert held
