"""A runtime that runs a command which writes 200 MB. It says how many bytes of memory it had before, how many
at most until the end, and how many the command has written.
"""

import sys
from functools import partial
from pathlib import Path

import anyio

from hostel.runtime import Runtime

SIZE = 200_000_000


def memory() -> int:
    """Return the bytes of memory that this process has now."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


async def main(data_dir: str, follows: str) -> None:
    async with Runtime(data_dir=data_dir, load_installed=False) as runtime:
        warm = await runtime.start("s", "process", {"shell": "echo warm"})
        async for _ in runtime.tasks.follow_output(warm.id):
            pass
        before = most = memory()
        task = await runtime.start("s", "process", {"shell": f"yes | head -c {SIZE}"}, id="t")
        if follows == "somebody":
            async for _ in runtime.tasks.follow_output("t"):
                most = max(most, memory())
        await task.wait()
        record = await runtime.tasks.get("t")
        print(before, max(most, memory()), record.output_bytes if record else None)  # noqa: T201


if __name__ == "__main__":
    anyio.run(partial(main, sys.argv[1], sys.argv[3]), backend=sys.argv[2])
