"""A program that starts a command under a keeper, to be killed meanwhile."""

import sys
from functools import partial
from pathlib import Path

import anyio

from hostel.plugins.process import OnHostLoss, check
from hostel.plugins.process._kept import kept


async def main(folder: str, shell: str) -> None:
    command = check({"shell": shell})
    async with kept(Path(folder), lambda: (command, OnHostLoss.ADOPT)):
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(partial(main, *sys.argv[1:3]), backend=sys.argv[3])
