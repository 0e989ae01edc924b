"""A process that starts a batch by name and waits to be killed: DATA_DIR UPSTREAM FILE."""

import sys
from functools import partial

import anyio

from hostel.plugins.batch import Batches
from hostel.runtime import Runtime


async def main(data_dir: str, upstream: str, file: str) -> None:
    async with Runtime(data_dir=data_dir, load_installed=False) as runtime:
        await runtime.get(Batches).work(upstream)
        await runtime.start("s1", "batch", {"file": file})
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(partial(main, *sys.argv[1:4]))
