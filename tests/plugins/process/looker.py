"""A program that starts ten commands under keepers and looks on until it is killed."""

import sys
from pathlib import Path

import anyio

from hostel.plugins.process import OnHostLoss, check
from hostel.plugins.process._kept import kept

COMMANDS = 10


async def start(number: int, folder: Path, loss: OnHostLoss, started: list[int]) -> None:
    command = check({"shell": f"echo up; read x; echo got $x; exit {number}", "stdin": True})
    async with kept(folder / str(number), lambda: (command, loss)) as process:
        started.append(number)
        if len(started) == COMMANDS:
            print("ready", flush=True)  # noqa: T201
        await process.ended(lambda _: None)


async def main(folder: Path, loss: OnHostLoss) -> None:
    started: list[int] = []
    async with anyio.create_task_group() as group:
        for number in range(COMMANDS):
            group.start_soon(start, number, folder, loss, started)


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), OnHostLoss(sys.argv[2]), backend=sys.argv[3])
