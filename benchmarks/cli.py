"""How long the command line takes to start, beside the two libraries that everything here stands on.

Counts processor time, the least of several runs, so that a busy machine does not decide. Prints ratios beside
their goals:

    python benchmarks/cli.py
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

HOSTEL = str(Path(sys.executable).parent / "hostel")
BASE = [sys.executable, "-c", "import anyio, attrs"]
CASES = [
    ("hostel --help", [HOSTEL, "--help"], 4.0),
    ("hostel ps", [HOSTEL, "ps"], 6.0),
    ("hostel batch ls", [HOSTEL, "batch", "ls"], None),
    ("hostel plugins", [HOSTEL, "plugins"], None),
]
RUNS = 7


def seconds(command: list[str]) -> float:
    """Return the processor time of a command, the least of several runs."""
    times = []
    for _ in range(RUNS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return min(times)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"HOSTEL_DATA_DIR": folder, "XDG_RUNTIME_DIR": folder}
        base = seconds(BASE)
        print(f"{'import anyio, attrs':24} {base:8.3f} s    ratio   goal")
        for name, command, goal in CASES:
            taken = seconds(command)
            print(f"{name:24} {taken:8.3f} s {taken / base:8.2f} {'' if goal is None else f'<= {goal:g}':>6}")


if __name__ == "__main__":
    main()
