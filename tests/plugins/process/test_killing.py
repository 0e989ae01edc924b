"""A host that is killed while ten commands run: the next one takes all of them over, or finds them ended."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
from anyio import to_thread

from hostel.plugins.process import OnHostLoss, check
from hostel.plugins.process._keeper import files
from hostel.plugins.process._keeper.files import Exit
from hostel.plugins.process._kept import kept

from .conftest import killed, wait_for_keeper
from .looker import COMMANDS

LOOKER = Path(__file__).with_name("looker.py")


async def take_over(folder: Path, text: str | None) -> list[Exit]:
    """Attach to all ten, send each a line or end it, and return how they ended."""
    ends: dict[int, Exit] = {}
    command = check({"shell": "exit 99"})

    async def one(number: int) -> None:
        async with kept(folder / str(number), lambda: (command, OnHostLoss.ADOPT)) as process:
            if text is None:
                await process.send(do="end", why="cancel")
            else:
                await process.send(do="text", text=text)
            ends[number] = await process.ended(lambda _: None)

    async with anyio.create_task_group() as group:
        for number in range(COMMANDS):
            group.start_soon(one, number)
    return [ends[number] for number in range(COMMANDS)]


async def test_ten_commands_are_taken_over(tmp_path: Path, loop: str) -> None:
    await killed(LOOKER, tmp_path, OnHostLoss.ADOPT, loop)

    ends = await take_over(tmp_path, "word\n")

    assert [end.status for end in ends] == list(range(COMMANDS))
    assert {(tmp_path / str(n) / f"{0:016d}.out").read_text() for n in range(COMMANDS)} == {"up\ngot word\n"}


async def test_ten_commands_are_taken_over_and_ended(tmp_path: Path, loop: str) -> None:
    await killed(LOOKER, tmp_path, OnHostLoss.ADOPT, loop)

    ends = await take_over(tmp_path, None)

    assert {(end.signal, end.why) for end in ends} == {(signal.SIGINT, "cancel")}


async def test_ten_commands_are_ended_without_another_host(tmp_path: Path, loop: str) -> None:
    await killed(LOOKER, tmp_path, OnHostLoss.KILL, loop)
    for number in range(COMMANDS):
        await to_thread.run_sync(wait_for_keeper, tmp_path / str(number))

    ends = [files.read_exit(str(tmp_path / str(number) / "keeper")) for number in range(COMMANDS)]
    assert {(end.signal, end.why) for end in ends if end} == {(signal.SIGINT, "host_lost")}
    assert None not in ends


def test_control_c_at_the_terminal_of_the_host_does_not_reach_the_command(tmp_path: Path) -> None:
    command = [sys.executable, str(LOOKER), str(tmp_path), "adopt", "asyncio"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as host:
        assert host.stdout is not None
        host.stdout.readline()
        os.killpg(host.pid, signal.SIGINT)
        host.wait()

    ends = anyio.run(take_over, tmp_path, "word\n")
    assert [end.status for end in ends] == list(range(COMMANDS))
