"""What a command under a keeper costs, against the same command without: `python benchmarks/processes.py`.

A round runs the command both ways, in turns, with what the disk has to write out of the way. `wall` is the
median of the rounds' ratios, and the goal is for that, with two processors free for the command and its
keeper. `cpu` is the ratio of what both cost together: what the wall shows when the machine is busy. Where
the command writes to a file, the system copies each byte once; under a keeper three times, into the pipe, out
of it and to the file."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
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
Cost = tuple[float, float]
"""Seconds that passed, and seconds of processors."""


def to_file(shell: str, folder: str | None) -> Cost:
    with tempfile.TemporaryDirectory(dir=folder) as inner:
        before, start = children_seconds(), time.perf_counter()
        with (Path(inner) / "output").open("wb") as file:
            subprocess.run(["/bin/sh", "-c", shell], stdout=file, check=True)
        return time.perf_counter() - start, children_seconds() - before


async def under_keeper(shell: str, folder: str | None, memory: list[int]) -> Cost:
    command = check({"shell": shell})
    with tempfile.TemporaryDirectory(dir=folder) as inner:
        before, start = children_seconds(), time.perf_counter()
        async with kept(Path(inner), lambda: (command, OnHostLoss.KILL)) as process:
            await process.ended(lambda _: memory.append(most_memory(inner)))
            took = time.perf_counter() - start
        return took, children_seconds() - before


def children_seconds() -> float:
    """Return what the children that have ended, and theirs, took of the processors."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def most_memory(folder: str) -> int:
    state = read_state(f"{folder}/keeper")
    try:
        status = Path(f"/proc/{state.keeper if state else 0}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line), 0)


def measure(shell: str, folder: str | None, memory: list[int]) -> list[tuple[Cost, Cost]]:
    rounds = []
    for _ in range(ROUNDS):
        os.sync()
        alone = to_file(shell, folder)
        os.sync()
        rounds.append((alone, anyio.run(under_keeper, shell, folder, memory)))
    return rounds


def main(folder: str | None = None) -> None:
    memory: list[int] = []
    for name, shell in COMMANDS.items():
        rounds = measure(shell, folder, memory)
        alone = statistics.median(alone[0] for alone, _ in rounds)
        wall, cpu = (statistics.median(keeper[n] / alone[n] for alone, keeper in rounds) for n in (0, 1))
        missed = "" if wall <= GOAL else "  missed"
        print(f"{name:24} {alone:6.2f} s to a file   wall {wall:5.2f}   cpu {cpu:5.2f}   goal {GOAL}{missed}")
    direct = statistics.median(to_file("true", folder)[0] for _ in range(20))
    started = statistics.median(anyio.run(under_keeper, "true", folder, memory)[0] for _ in range(20))
    print(f"{'true':24} {direct * 1e3:6.1f} ms alone, {(started - direct) * 1e3:.1f} ms more under a keeper")
    print(f"{'memory of a keeper':24} {max(memory) / 1024:6.1f} MiB at most")


if __name__ == "__main__":
    main(*sys.argv[1:2])
