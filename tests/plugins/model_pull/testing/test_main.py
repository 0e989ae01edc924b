"""The hub as a process of its own."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest

ENDINGS: dict[str, Callable[["subprocess.Popen[bytes]"], object]] = {
    "stdin ends": lambda process: process.stdin and process.stdin.close(),
    "SIGINT": lambda process: process.send_signal(signal.SIGINT),
    "SIGTERM": lambda process: process.send_signal(signal.SIGTERM),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_it_prints_one_line_serves_and_ends_when_told(ending: str) -> None:
    command = [
        sys.executable,
        "-m",
        "hostel.plugins.model_pull.testing",
        "--size",
        "3M",
        "--shards",
        "Q8_0=2",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            card = json.loads(process.stdout.readline())
            info = httpx.get(f"{card['endpoint']}/api/models/{card['repo']}?blobs=1", trust_env=False).json()
            ENDINGS[ending](process)
            assert process.wait(10) == 0
        finally:
            process.kill()

    assert info["sha"] == card["commit"]
    sizes = {row["rfilename"]: row["size"] for row in info["siblings"]}
    assert sorted(sizes) == card["files"]
    assert sum(size for path, size in sizes.items() if "Q8_0" in path) == 3 << 20
