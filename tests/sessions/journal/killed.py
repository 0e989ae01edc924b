"""A process that registers and completes tasks until it is killed, and prints each acknowledgement.

Takes the name of a loop and the path of a journal; begins when its standard input says so.
"""

import os
import sys

import anyio

from hostel.sessions import LocalBackgroundTaskHost, TaskSpec
from hostel.sessions.journal import SqliteJournal

CALLERS = 8


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


async def call(host: LocalBackgroundTaskHost, caller: int) -> None:
    for number in range(1_000_000):
        task_id = f"{os.getpid()}-{caller}-{number}"
        await host.register(f"s{caller}", TaskSpec(id=task_id))
        say(f"registered {task_id}")
        if number % 3:
            await host.complete(task_id, value=number)
            say(f"completed {task_id}")


async def run(path: str) -> None:
    host = LocalBackgroundTaskHost(SqliteJournal(path), retain_terminal=1_000_000)
    async with host, anyio.create_task_group() as callers:
        for caller in range(CALLERS):
            callers.start_soon(call, host, caller)


if __name__ == "__main__":
    __import__(sys.argv[1])
    say("ready")
    sys.stdin.readline()
    anyio.run(run, sys.argv[2], backend=sys.argv[1])
