"""SIGKILL at any moment: nothing acknowledged is lost, nothing is still running afterwards."""

import random
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from hostel.sessions import LocalBackgroundTaskHost, TaskState
from hostel.sessions.journal import SqliteJournal, fold

from .histories import EVERY_STATE, kept_events, kept_records

LIVES = 50
JOURNALS = 5
"""Each starts anew, so that some die while they make it."""
AHEAD = 2
MOST_LINES = 60
"""How many acknowledgements one waits for before it kills; every third process dies sooner."""


def start(number: int, folder: Path) -> subprocess.Popen[str]:
    loop, journal = ("asyncio", "trio")[number % 2], folder / str(number * JOURNALS // LIVES)
    command = [sys.executable, str(Path(__file__).with_name("killed.py")), loop, str(journal)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def lives(folder: Path, chance: random.Random) -> Iterator[list[str]]:
    """Yield what each process said before it was killed; the next ones start meanwhile."""
    with ExitStack() as stack:
        waiting = deque[subprocess.Popen[str]]()
        for number in range(LIVES + AHEAD):
            waiting.append(stack.enter_context(start(number, folder)))
            if number >= AHEAD:
                yield life(waiting.popleft(), chance)
        for process in waiting:
            process.kill()


def life(process: subprocess.Popen[str], chance: random.Random) -> list[str]:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.flush()
    wanted = chance.choice([0, chance.randint(1, MOST_LINES), chance.randint(1, MOST_LINES)])
    said = [process.stdout.readline() for _ in range(wanted)]
    threading.Event().wait(chance.uniform(0, 0.003 if wanted else 0.05))
    process.kill()
    said += process.stdout.readlines()
    process.wait()
    return said


async def test_fifty_kills_lose_nothing_acknowledged_and_leave_nothing_running(
    tmp_path: Path, anyio_backend_name: str
) -> None:
    if anyio_backend_name != "asyncio":
        pytest.skip("the processes alternate between the loops themselves")
    said = [line.split() for life in lives(tmp_path, random.Random(7)) for line in life]
    registered = {task_id for verb, task_id in said if verb == "registered"}
    completed = {task_id for verb, task_id in said if verb == "completed"}

    states: dict[str, TaskState] = {}
    for number in range(JOURNALS):
        path = tmp_path / str(number)
        async with LocalBackgroundTaskHost(SqliteJournal(path), retain_terminal=1_000_000) as host:
            states |= {record.id: record.state for record in await host.list(EVERY_STATE)}
        records = {(record.session_id, record.id): record for record in kept_records(path)}
        assert fold(kept_events(path)) == records

    assert len(completed) > LIVES
    assert registered <= states.keys()
    assert {states[task_id] for task_id in completed} == {TaskState.COMPLETED}
    assert set(states.values()) == {TaskState.COMPLETED, TaskState.ABANDONED}
