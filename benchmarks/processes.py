"""What a command under a keeper costs, against the same command without: `python benchmarks/processes.py`.

Figures are medians of interleaved rounds. The last column is the goal, and `missed` where it is."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import anyio

from hostel.plugins.process import OnHostLoss, check
from hostel.plugins.process._keeper.files import read_state
from hostel.plugins.process._kept import kept

GIB = 1 << 30
ROUNDS = 7
GOAL = 1.5
COMMANDS = {
    "head -c 1G /dev/zero": f"head -c {GIB} /dev/zero",
    "yes | head -c 1G": f"yes | head -c {GIB}",
    "dd bs=1M count=1024": "dd if=/dev/zero bs=1M count=1024 status=none",
}


def to_file(shell: str, folder: Path) -> float:
    start = time.perf_counter()
    with (folder / "output").open("wb") as file:
        subprocess.run(["/bin/sh", "-c", shell], stdout=file, check=True)
    took = time.perf_counter() - start
    (folder / "output").unlink()
    return took


async def under_keeper(shell: str, memory: list[int]) -> float:
    command = check({"shell": shell})
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        async with kept(Path(folder), lambda: (command, OnHostLoss.KILL)) as process:
            await process.ended(lambda _: memory.append(most_memory(folder)))
        return time.perf_counter() - start


def most_memory(folder: str) -> int:
    state = read_state(f"{folder}/keeper")
    try:
        status = Path(f"/proc/{state.keeper if state else 0}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line), 0)


def main() -> None:
    memory: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, shell in COMMANDS.items():
            files, keepers = [], []
            for _ in range(ROUNDS):
                files.append(to_file(shell, Path(folder)))
                keepers.append(anyio.run(under_keeper, shell, memory))
            ratio = statistics.median(keepers) / statistics.median(files)
            missed = "" if ratio <= GOAL else "  missed"
            print(
                f"{name:24} {statistics.median(files):6.2f} s to a file {ratio:6.2f} times   goal {GOAL}{missed}"
            )
        direct = statistics.median([to_file("true", Path(folder)) for _ in range(20)])
    started = statistics.median([anyio.run(under_keeper, "true", memory) for _ in range(20)])
    print(f"{'true':24} {direct * 1e3:6.1f} ms alone, {(started - direct) * 1e3:.1f} ms more under a keeper")
    print(f"{'memory of a keeper':24} {max(memory) / 1024:6.1f} MiB at most")


if __name__ == "__main__":
    main()
