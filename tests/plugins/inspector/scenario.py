"""A program that embeds hostel, for commands and browsers to look at: `scenario.py LOOP [PORT]`.

Prints the address of its page, then does what it is told on standard input, line by line, and says `ok`."""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import anyio.to_thread

from hostel.plugins.inspector import Inspector
from hostel.runtime import Runtime, TaskKind, current_task, hookimpl
from hostel.sessions import JsonValue, Progress, Question, TaskFilter, TaskSpec, TaskState

if TYPE_CHECKING:
    from hostel.sessions import BackgroundTaskHost

sys.path.insert(0, str(Path(__file__).parent))
agents, shelves = import_module("agents"), import_module("shelf")
texts = import_module("hostile_texts")
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


class Steady:
    """Brings a kind of task that a later runtime goes on with."""

    name = "steady"

    @hookimpl
    def register_task_kinds(self) -> list[TaskKind]:
        return [TaskKind("steady", ask, resumable=True)]


class Noisy:
    name = "noisy"

    @hookimpl
    def on_session_opened(self, session_id: str) -> None:
        raise ValueError("too loud")


class Rude:
    name = "rude"

    @hookimpl
    def on_session_opened(self, session_id: str) -> None:
        raise ValueError("\x1b]0;owned\x07\u202erude")


async def furnish(runtime: Runtime) -> None:
    tasks = runtime.tasks
    await tasks.spawn_managed("build", TaskSpec(id="parent", kind="subagent", label="Build it all"), ask)
    await tasks.spawn_managed("build", TaskSpec(id="child", kind="observer", parent_task_id="parent"), ask)
    await tasks.register_external("chat", TaskSpec(id="hostile", label="<b>bold</b>\x1b[31m\tred\nline"))
    await tasks.update("hostile", progress=Progress("<img src=x onerror=alert(1)>", 1, 4, "files"))
    async with runtime.session("brief"):
        pass
    handle = await tasks.spawn_managed("chat", TaskSpec(id="broken"), fail)
    await tasks.wait(handle.id)


async def start_work(runtime: Runtime, name: str) -> None:
    finish = finishing[name] = anyio.Event()
    await runtime.tasks.spawn_managed("chat", TaskSpec(id=name, label=f"Work {name}"), work, finish)


async def finish_work(_: Runtime, name: str) -> None:
    finishing[name].set()


async def burst(runtime: Runtime, count: str) -> None:
    for number in range(int(count)):
        await runtime.tasks.register("burst", TaskSpec(id=f"b{number}"))
        if number % 50 == 0:
            await anyio.lowlevel.checkpoint()


async def many(runtime: Runtime, count: str) -> None:
    for number in range(int(count)):
        spec = TaskSpec(id=f"m{number}", label=f"Task {number}")
        await runtime.tasks.register(f"many {number % 10}", spec)


async def churn(runtime: Runtime, told: str) -> None:
    """Change tasks so many times within a second: new ones, reports, moves and ends."""
    tasks, (part, count) = runtime.tasks, map(int, told.split())
    start = anyio.current_time()
    for number in range(count):
        task_id, home = f"c{part}-{number // 5}", f"churn {number % 3}"
        match number % 5:
            case 0:
                parent = f"c{part}-{number // 5 - 1}" if number % 10 else None
                spec = TaskSpec(id=task_id, parent_task_id=parent)
                await tasks.register_external(f"churn {part % 4}", spec)
            case 3 if number % 2:
                await tasks.transfer(task_id, home)
            case 4 if number % 2:  # few enough that the host keeps them all
                await tasks.complete(task_id)
            case _:
                await tasks.update(task_id, progress=Progress(done=number))
        if number % 50 == 0:
            await anyio.sleep_until(start + number / count)


async def crowd(runtime: Runtime, told: str) -> None:
    session, count = told.split()
    for number in range(int(count)):
        await runtime.tasks.register_external(session, TaskSpec(id=f"{session}-{number}"))


async def cascade(runtime: Runtime, _: str) -> None:
    """Start two tasks with three below them, one of which was handed to another session."""
    tasks = runtime.tasks
    if await tasks.get("top-1") is not None:
        return
    parents = {"top-1": None, "top-2": None, "below-1": "top-1", "below-2": "below-1", "below-3": "top-2"}
    for task_id, parent in parents.items():
        await tasks.register_external("near", TaskSpec(id=task_id, parent_task_id=parent))
    await tasks.transfer("below-3", "far")


async def aged(runtime: Runtime, name: str) -> None:
    """Start a task whose last sign is long ago, as far as a page can tell."""
    await runtime.tasks.register_external("s" * 40, TaskSpec(id=name, kind="k" * 30))
    await runtime.tasks.update(name, progress=Progress("m" * 90, 1, 2))


async def shelf(_: Runtime, what: str) -> None:
    shelves.shelf.do(what)


async def subagent(runtime: Runtime, _: str) -> None:
    """Let something happen to a task of that kind."""
    await runtime.tasks.update("parent", progress=Progress("step"))


async def steady(runtime: Runtime, name: str) -> None:
    await runtime.start("chat", "steady", {}, id=name)


async def family(runtime: Runtime, _: str) -> None:
    """Start a task with two below it, one of them below one that has ended."""
    tasks = runtime.tasks
    for task_id, parent in (("kin-1", None), ("kin-2", "kin-1"), ("kin-3", "kin-2"), ("kin-4", "kin-1")):
        await tasks.register_external("kin", TaskSpec(id=task_id, parent_task_id=parent))
    await tasks.complete("kin-2")


async def hostile(runtime: Runtime, name: str) -> None:
    """Start a task whose every text would like to be obeyed."""
    nasty = "\x1b[31m\x07\x9b2J\u202e\u2066\r"
    if await runtime.tasks.get(f"{name}{nasty}") is not None:
        return
    spec = TaskSpec(id=f"{name}{nasty}", kind=f"kind{nasty}", label=f"label{nasty}", producer=nasty)
    await runtime.tasks.register_external(f"nasty{nasty}", spec)
    await runtime.tasks.update(f"{name}{nasty}", progress=Progress(nasty, 3, None, f"unit{nasty}"))


async def named(runtime: Runtime, task_id: str) -> None:
    await runtime.tasks.register_external("chat", TaskSpec(id=task_id, label=task_id.encode().hex()))
    await runtime.tasks.complete(task_id)


async def nasty(runtime: Runtime, _: str) -> None:
    """Have tasks in which every text would like to be obeyed, in each state that has texts of its own."""
    for text in (*texts.TEXTS, texts.ALL):
        await hostile_in_each_state(runtime.tasks, text)


async def hostile_in_each_state(tasks: BackgroundTaskHost, text: str) -> None:
    async def register(name: str) -> str:
        spec = TaskSpec(
            id=texts.named(name, text),
            kind=f"k{text}",
            label=f"l{text}",
            producer=text,
            parent_task_id=None if name == "run" else texts.named("run", text),
            child_session_id=text,
            idempotency_key=f"{name}{text}",
        )
        return (await tasks.register_external(texts.named("nasty", text), spec)).id

    running = await register("run")
    await tasks.update(running, progress=Progress(text, 3, None, f"u{text}"), notify=True)
    await tasks.write_output(running, text)
    schema: dict[str, JsonValue] = {
        "type": "object",
        "properties": {"x": {"type": "string", "title": text, "description": text, "enum": [text, "b"]}},
        "required": ["x"],
    }
    question = Question(text, schema)
    await tasks.update(await register("ask"), state=TaskState.WAITING, question=question)
    choice = Question(text, None, (text, "b"))
    await tasks.update(await register("choose"), state=TaskState.WAITING, question=choice)
    await tasks.request_cancel(await register("stop"), text, actor=text)
    await tasks.complete(await register("done"), summary=text, value=text)
    await tasks.complete(await register("fail"), TaskState.FAILED, summary=text)


async def silence(runtime: Runtime, name: str) -> None:
    """Start a task that has written and writes no more."""
    await runtime.tasks.register_external("chat", TaskSpec(id=name))
    await runtime.tasks.write_output(name, "so far")


async def speak(runtime: Runtime, name: str) -> None:
    """Run a task to its end that writes what few encodings have."""
    words = "wörter € 界 ░"

    async def body() -> str:
        await current_task().write(f"{words}\n")
        return words

    handle = await runtime.tasks.spawn_managed("chat", TaskSpec(id=name, label=words), body)
    await handle.wait()


async def is_waiting(runtime: Runtime, name: str) -> None:
    async for _ in runtime.tasks.subscribe(after=0):
        record = await runtime.tasks.get(name)
        if record is not None and record.question is not None:
            return


async def asks(runtime: Runtime, rest: str) -> None:
    """Start a task that asks: its name, its kind."""
    name, _, kind = rest.partition(" ")
    await runtime.start("desk", kind or "form", {}, id=name, label=f"Ask {name}")
    await is_waiting(runtime, name)


async def asks_of(runtime: Runtime, rest: str) -> None:
    """Start a task that asks which of some texts."""
    name, _, choices = rest.partition(" ")
    params: dict[str, JsonValue] = {"choices": list(choices.split(","))}
    await runtime.start("desk", "choose", params, id=name, label=f"Ask {name}")
    await is_waiting(runtime, name)


async def nobody_asks(runtime: Runtime, _: str) -> None:
    """End all that ask."""
    for record in await runtime.tasks.list(TaskFilter(session_id="desk")):
        await runtime.tasks.request_cancel(record.id)
        if record.kind == "other":
            await runtime.tasks.complete(record.id)
        else:
            await runtime.tasks.wait(record.id)


async def is_answered(runtime: Runtime, name: str) -> None:
    await runtime.tasks.answer(name, {"name": "theirs", "remote": "fork"}, actor="somebody")


async def asks_badly(runtime: Runtime, name: str) -> None:
    """Let a task ask something whose every text would like to be obeyed."""
    nasty = "<img src=x onerror=alert(1)>\x1b[31m\u202e"
    described: JsonValue = {"title": nasty, "description": nasty, "enum": [nasty, "fine"]}
    question = Question(nasty, {"type": "object", "properties": {"it": described}, "required": ["it"]})
    await runtime.tasks.register_external("desk", TaskSpec(id=name, label=f"Ask {name}"))
    await runtime.tasks.update(name, state=TaskState.WAITING, question=question)


async def writes(runtime: Runtime, rest: str) -> None:
    """Let a task that somebody else runs write: its name, its stream, a JSON text."""
    name, stream, text = rest.split(" ", 2)
    if await runtime.tasks.get(name) is None:
        await runtime.tasks.register_external("desk", TaskSpec(id=name, label=f"Writer {name}"))
    await runtime.tasks.write_output(name, json.loads(text), stream=stream)


async def floods(runtime: Runtime, rest: str) -> None:
    """Let a task write so many lines of a hundred bytes."""
    name, _, count = rest.partition(" ")
    for first in range(0, int(count), 1000):
        lines = "".join(
            f"\x1b[32mline {number:08}\x1b[0m {'x' * 76}\n" for number in range(first, first + 1000)
        )
        await runtime.tasks.write_output(name, lines)


async def ends(runtime: Runtime, name: str) -> None:
    record = await runtime.tasks.get(name)
    if record is not None and not record.is_terminal:
        await runtime.tasks.complete(name)


async def starts(runtime: Runtime, rest: str) -> None:
    """Start a task of a kind: its name, its kind."""
    name, kind = rest.split(" ")
    await runtime.start("desk", kind, {}, id=name, label=f"Task {name}")


async def reports(runtime: Runtime, rest: str) -> None:
    name, _, message = rest.partition(" ")
    await runtime.tasks.update(name, progress=Progress(message))


async def ended(runtime: Runtime, count: str) -> None:
    for number in range(int(count)):
        spec = TaskSpec(id=f"heap-{number}")
        await runtime.tasks.register_external(f"heap {number % 3}", spec)
        await runtime.tasks.complete(spec.id or "")


async def timed(runtime: Runtime, _: str) -> None:
    """Let a session have tasks that waited, failed, and started others."""
    tasks = runtime.tasks
    if await tasks.get("queued", session_id="timed") is not None:
        return
    await tasks.register("timed", TaskSpec(id="queued"))
    await tasks.register_external("timed", TaskSpec(id="above", label="Above it"))
    await tasks.register_external("timed", TaskSpec(id="below", parent_task_id="above"))
    await tasks.update("below", state=TaskState.WAITING)
    with anyio.move_on_after(0.05):  # its bar has a length
        await anyio.sleep_forever()
    await tasks.update("below", state=TaskState.RUNNING)
    await tasks.complete("below", TaskState.FAILED)


async def chains(runtime: Runtime, count: str) -> None:
    for number in range(int(count)):
        spec = TaskSpec(id=f"c{number}", parent_task_id=f"c{number - 1}" if number % 10 else None)
        await runtime.tasks.register("chains", spec)


async def long(runtime: Runtime, name: str) -> None:
    task_id = name + "l" * 200
    spec = TaskSpec(id=task_id, kind="k" * 90, label=name + "w" * 400, producer="p" * 90)
    await runtime.tasks.register_external("s" * 300, spec)
    await runtime.tasks.update(task_id, progress=Progress("m" * 900, 1, 2, "u" * 90))


VERBS = {
    "work": start_work,
    "finish": finish_work,
    "burst": burst,
    "many": many,
    "long": long,
    "named": named,
    "nasty": nasty,
    "crowd": crowd,
    "cascade": cascade,
    "aged": aged,
    "speak": speak,
    "silence": silence,
    "churn": churn,
    "ended": ended,
    "timed": timed,
    "chains": chains,
    "shelf": shelf,
    "subagent": subagent,
    "steady": steady,
    "family": family,
    "asks": asks,
    "asks-of": asks_of,
    "nobody-asks": nobody_asks,
    "is-answered": is_answered,
    "asks-badly": asks_badly,
    "reports": reports,
    "writes": writes,
    "floods": floods,
    "ends": ends,
    "starts": starts,
    "hostile": hostile,
}


async def obey(runtime: Runtime, line: str) -> None:
    verb, _, rest = line.partition(" ")
    await VERBS[verb](runtime, rest)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main(port: int) -> None:
    hosts = os.environ.get("SCENARIO_HOSTS", "").split()
    inspector = Inspector(port=port, token=os.environ.get("HOSTEL_TOKEN"), allowed_hosts=hosts)
    folder = os.environ.get("SCENARIO_DATA")
    blocked, more = ["model_pull"], [agents.Agents()]
    if os.environ.get("SCENARIO_STUBBORN"):
        blocked, more = [*blocked, "process"], [*more, agents.Stubborn()]
    async with Runtime(
        [inspector, shelves.shelf, *more, Steady(), Noisy(), Rude()],
        data_dir=folder,
        load_installed=False,
        blocked=blocked,
    ) as runtime:
        await furnish(runtime)
        say(inspector.page_url)
        while line := await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
            if line.strip() == "quit":
                return
            await obey(runtime, line.strip())
            say("ok")


if __name__ == "__main__":
    anyio.run(partial(main, int((sys.argv[2:] or ["0"])[0])), backend=sys.argv[1])
