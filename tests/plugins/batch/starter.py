"""A process that works on a data folder until it is stopped: DATA_DIR UPSTREAM [FILE].

Given a file it starts two batches first: one by name, as task `named`, and one that is submitted.
"""

import sys
from functools import partial
from pathlib import Path

import anyio

from hostel.plugins.batch import Batches, BatchInput
from hostel.runtime import Runtime


async def main(data_dir: str, upstream: str, file: str | None = None) -> None:
    async with Runtime(data_dir=data_dir, load_installed=False) as runtime:
        batches = runtime.get(Batches)
        await batches.work(upstream, poll=0.05, stale_after=0.2, grace=0.2)
        if file is not None:
            await runtime.start("s1", "batch", {"file": file}, id="named")
            file_id = await batches.upload(Path(file))
            endpoint = await batches.endpoint_of(file_id)
            await batches.submit(BatchInput(file_id, endpoint, session_id="s1"))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(partial(main, *sys.argv[1:]))
