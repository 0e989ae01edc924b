"""A host that is killed while it starts a command: the command runs once, whatever the next host finds."""

import sys
from pathlib import Path

import anyio
import pytest

from hostel.plugins.process import OnHostLoss, check
from hostel.plugins.process._kept import kept

STARTER = Path(__file__).with_name("starter.py")


@pytest.mark.parametrize(
    "seen", ["keeper", "keeper/log", "keeper/lock", "keeper/socket", "keeper/state.json"]
)
async def test_a_command_is_started_once(
    tmp_path: Path, anyio_backend: tuple[str, object], seen: str
) -> None:
    shell = f"echo run >> {tmp_path}/runs; exit 7"
    command = [sys.executable, str(STARTER), str(tmp_path / "out"), shell, anyio_backend[0]]
    async with await anyio.open_process(command, stdout=None, stderr=None) as host:
        marks = [tmp_path / "out" / seen, tmp_path / "out/keeper/exit.json"]  # a socket is gone at the end
        while not any(path.exists() for path in marks):
            await anyio.lowlevel.checkpoint()
        host.kill()

    described = check({"shell": shell})
    async with kept(tmp_path / "out", lambda: (described, OnHostLoss.ADOPT)) as process:
        ended = await process.ended(lambda _: None)

    assert ended.status == 7
    assert (tmp_path / "runs").read_text() == "run\n"
