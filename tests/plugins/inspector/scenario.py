"""A program that embeds hostel, for commands and browsers to look at: `scenario.py LOOP [PORT]`.

Prints the address of its page, then does what it is told on standard input, line by line, and says `ok`."""

from __future__ import annotations

import os
import sys
from functools import partial

import anyio
import anyio.lowlevel
import anyio.to_thread

from hostel.plugins.inspector import Inspector
from hostel.runtime import Runtime, current_task
from hostel.sessions import Progress, TaskSpec

finishing: dict[str, anyio.Event] = {}


async def work(finish: anyio.Event) -> str:
    """Report until told to finish."""
    step = 0
    while not finish.is_set():
        await current_task().progress(f"step {step}", done=min(step, 24), total=25, unit="steps")
        with anyio.move_on_after(0.02):
            await finish.wait()
        step += 1
    return "all done"


async def fail() -> None:
    raise RuntimeError("the disk is made of paper")


async def ask() -> None:
    async with current_task().waiting("May I?"):
        await anyio.sleep_forever()


async def furnish(runtime: Runtime) -> None:
    tasks = runtime.tasks
    await tasks.spawn_managed("build", TaskSpec(id="parent", kind="subagent", label="Build it all"), ask)
    await tasks.spawn_managed("build", TaskSpec(id="child", kind="observer", parent_task_id="parent"), ask)
    await tasks.register_external("chat", TaskSpec(id="hostile", label="<b>bold</b>\x1b[31m\tred\nline"))
    await tasks.update("hostile", progress=Progress("<img src=x onerror=alert(1)>", 1, 4, "files"))
    handle = await tasks.spawn_managed("chat", TaskSpec(id="broken"), fail)
    await tasks.wait(handle.id)


async def obey(runtime: Runtime, word: str) -> None:
    verb, _, rest = word.partition(" ")
    if verb == "work":
        finish = finishing[rest] = anyio.Event()
        await runtime.tasks.spawn_managed("chat", TaskSpec(id=rest, label=f"Work {rest}"), work, finish)
    elif verb == "finish":
        finishing[rest].set()
    elif verb == "fail":
        await runtime.tasks.spawn_managed("chat", TaskSpec(id=rest), fail)
    elif verb == "burst":
        for number in range(int(rest)):
            await runtime.tasks.register("burst", TaskSpec(id=f"b{number}"))
            if number % 50 == 0:
                await anyio.lowlevel.checkpoint()
    elif verb == "many":
        for number in range(int(rest)):
            await runtime.tasks.register(
                f"many {number % 10}", TaskSpec(id=f"m{number}", label=f"Task {number}")
            )
    elif verb == "complete":
        await runtime.tasks.complete(rest, summary="finished from outside")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main(port: int) -> None:
    inspector = Inspector(port=port, token=os.environ.get("HOSTEL_TOKEN"))
    folder = os.environ.get("SCENARIO_DATA")
    blocked = ["model_pull"]
    async with Runtime([inspector], data_dir=folder, load_installed=False, blocked=blocked) as runtime:
        await furnish(runtime)
        say(inspector.page_url)
        while line := await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
            if line.strip() == "quit":
                return
            await obey(runtime, line.strip())
            say("ok")


if __name__ == "__main__":
    anyio.run(partial(main, int((sys.argv[2:] or ["0"])[0])), backend=sys.argv[1])
