"""A process whose tasks end, tell, ask, write and wait their turn until it is killed; it prints what others
were shown of that.

Takes what to do, the name of a loop and the path of a journal; begins when its standard input says so.
"""

import os
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial

import anyio

from hostel.sessions import (
    Limits,
    LocalBackgroundTaskHost,
    Priority,
    TaskRecord,
    TaskSpec,
    current_task,
)
from hostel.sessions.journal import SqliteJournal

SESSION = "s"


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def finish(host: LocalBackgroundTaskHost) -> None:
    for _ in range(1_000_000):
        handle = await host.spawn_managed(SESSION, TaskSpec(), tell_and_ask)
        while not handle.record.state.is_terminal:
            if handle.record.question is not None:
                await host.answer(handle.id, "yes")
            await anyio.lowlevel.checkpoint()
        await handle.wait()
        say("ended", handle.id)


async def tell_and_ask() -> None:
    task = current_task()
    await task.progress(f"{task.id}-told", notify=True)
    await task.ask("go on?")


async def show(host: LocalBackgroundTaskHost) -> None:
    async for event in host.subscribe():
        if event.notify and event.record is not None and event.record.progress is not None:
            say("told", event.record.progress.message)


async def read(host: LocalBackgroundTaskHost) -> None:
    inbox = host.inbox(SESSION)
    while True:
        notices = await inbox.drain(10)
        for notice in notices:
            say("given", notice.id, notice.kind, notice.task_id, notice.summary)
        await inbox.ack(*notices[::2])
        for notice in notices[::2]:
            say("acked", notice.id)
        await anyio.lowlevel.checkpoint()


async def inbox(path: str) -> None:
    host = LocalBackgroundTaskHost(SqliteJournal(path), retain_terminal=1_000_000)
    async with host, anyio.create_task_group() as group:
        for work in (finish, finish, show, read):
            group.start_soon(work, host)


async def ask(path: str, *, answered: bool = False) -> None:
    async def body() -> None:
        await current_task().ask("go on?")
        say("knows")
        await anyio.sleep_forever()

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        for task_id, resumable in (("r", True), ("n", False)):
            await host.spawn_managed(SESSION, TaskSpec(id=task_id, resumable=resumable), body)
        events = host.subscribe(after=0)
        async for event in events:
            if event.record is not None and event.record.question is not None:
                say("asks", event.task_id, event.record.question.id)
                if answered:
                    await host.answer(event.task_id, "yes", question_id=event.record.question.id)
                    say("answered", event.task_id)


async def scribble() -> None:
    task = current_task()
    for number in range(1_000_000):
        await task.write(f"{task.attempt:02}:{number:06}\n")
        if task.id == "short" and number == 99:
            return


async def look(host: LocalBackgroundTaskHost) -> None:
    async for part in host.follow_output("long", max(0, (await host.read_output("long", -1)).next - 100)):
        say("shown", part.start, part.next, part.text.encode().hex())


async def output(path: str) -> None:
    def body_of(record: TaskRecord, params: object) -> object:
        return scribble

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host, anyio.create_task_group() as group:
        if await host.get("long") is None:
            await host.spawn_managed(SESSION, TaskSpec(id="long", resumable=True), scribble)
        await host.resume(body_of)  # type: ignore[arg-type]
        group.start_soon(look, host)
        for _ in range(1_000_000):
            handle = await host.spawn_managed(SESSION, TaskSpec(id="short"), scribble)
            await handle.wait()
            say("ended", handle.record.output_bytes)


async def once(path: str) -> None:
    """Write once and be silent: nobody reads it."""

    async def body() -> None:
        await current_task().write("said and not read\n")
        say("wrote")
        await anyio.sleep_forever()

    async with LocalBackgroundTaskHost(SqliteJournal(path)) as host:
        await host.spawn_managed(SESSION, TaskSpec(id="t"), body)
        await anyio.sleep_forever()


async def queue(path: str) -> None:
    host = LocalBackgroundTaskHost(SqliteJournal(path), limits=Limits(total=1))
    spec = partial(TaskSpec, resumable=True)
    async with host:
        for task in (
            spec(id="runs"),
            spec(id="normal"),
            spec(id="first", priority=Priority.INTERACTIVE),
            spec(id="later", not_before=time.time() + 3600),
            TaskSpec(id="gone"),
        ):
            await host.spawn_managed(SESSION, task, anyio.sleep_forever)
        await host.transfer("normal", "other")
        say("queued")
        await anyio.sleep_forever()


WORK: dict[str, Callable[[str], Awaitable[None]]] = {
    "inbox": inbox,
    "ask": ask,
    "answer": partial(ask, answered=True),
    "output": output,
    "once": once,
    "queue": queue,
}

if __name__ == "__main__":
    __import__(sys.argv[2])
    say("ready")
    sys.stdin.readline()
    anyio.run(WORK[sys.argv[1]], sys.argv[3], backend=sys.argv[2])
