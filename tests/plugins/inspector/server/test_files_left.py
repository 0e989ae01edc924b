"""What a crowd at the door leaves of an application's files."""

import resource
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from ..program import SECONDS, started

FILES = 1_024
CROWD = 1_100
OWN = 600
"""How many files the application opens; with a server that takes what it can get, not one."""

APPLICATION = f"""
import os, resource, sys, anyio
from hostel.plugins.inspector import Inspector
from hostel.runtime import Runtime
resource.setrlimit(resource.RLIMIT_NOFILE, ({FILES}, {FILES}))

async def main():
    inspector = Inspector()
    async with Runtime(plugins=[inspector], load_installed=False, blocked=["model_pull"]):
        print(inspector.url, flush=True)
        await anyio.to_thread.run_sync(sys.stdin.readline)
        opened = [os.open(os.devnull, os.O_RDONLY) for _ in range({OWN})]
        print(len(opened), flush=True)
        await anyio.to_thread.run_sync(sys.stdin.readline)

anyio.run(main, backend=sys.argv[1])
"""


@contextmanager
def room_for(files: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < files:
        pytest.skip("the system does not let this process open so many files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, files), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_half_open_requests_leave_the_application_most_of_its_files(loop: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    command = [sys.executable, "-c", APPLICATION, loop]
    with room_for(2 * CROWD), started(command, tmp_path) as program, ExitStack() as crowd:
        url = httpx.URL(program.line())
        for _ in range(CROWD):
            peer = crowd.enter_context(socket.create_connection((url.host, url.port), SECONDS))
            peer.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
        # whoever comes last is answered, and all before have been taken in by then
        answer = httpx.get(url.join("/health"), trust_env=False, timeout=SECONDS)
        program.say("open")
        opened = program.line()

    assert answer.status_code == 200
    assert opened == str(OWN)
