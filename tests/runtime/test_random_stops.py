"""Random stops of a process, one after the other, on one data folder: what was resumable and not asked to
stop finishes in the end, exactly once; nothing else survives.

A process runs a runtime, starts some tasks, lets some finish, cancels some, says so and waits to be stopped:
it leaves by itself, or is told to by Ctrl-C or SIGTERM, or is killed, or its start fails. The model knows of
each task only whether it is resumable, in which run it may finish and whether it was cancelled."""

import json
import random
import signal
import sys
from pathlib import Path
from subprocess import DEVNULL

import anyio
import attrs
import pytest

from hostel.sessions import FailureKind, JournalReader, TaskFilter, TaskRecord, TaskState

RUN = """
import json, sys
from pathlib import Path
import anyio
from hostel.runtime import Runtime, TaskKind, current_task, hookimpl

plan, folder = json.loads(sys.argv[1]), Path(sys.argv[2])

async def work(finish_in):
    if plan["number"] < finish_in:
        await anyio.sleep_forever()
    with (folder / "effects").open("a") as effects:
        effects.write(current_task().id + "\\n")

class Working:
    @hookimpl
    def register_task_kinds(self):
        return [TaskKind("resumable", work, resumable=True), TaskKind("mortal", work)]

    @hookimpl
    async def on_startup(self, runtime):
        if plan["stop"] == "failed start":
            raise OSError("the port is taken")

async def run():
    async with Runtime([Working()], data_dir=folder, load_installed=False) as runtime:
        for task in plan["begin"]:
            kind = "resumable" if task["resumable"] else "mortal"
            params = {"finish_in": task["finish_in"]}
            await runtime.start("s", kind, params, id=task["id"], max_attempts=99)
        for task_id in plan["cancel"]:
            await runtime.tasks.cancel_managed("s", task_id, actor="test")
        for task_id in plan["finish"]:
            await runtime.tasks.wait(task_id)
        print("ready", flush=True)
        if plan["stop"] != "leave":
            await anyio.sleep_forever()

anyio.run(run, backend=sys.argv[3])
"""
STOPS = ["leave", "ctrl-c", "sigterm", "sigkill", "failed start"]
LAST = 99
"""The number of the run in which all finishes."""
SIGNALS = {"ctrl-c": signal.SIGINT, "sigterm": signal.SIGTERM, "sigkill": signal.SIGKILL}


@attrs.define
class Task:
    id: str
    resumable: bool
    finish_in: int
    cancelled: bool = False
    finished: bool = False

    @property
    def survives(self) -> bool:
        """Whether the next run finds it alive."""
        return self.resumable and not self.cancelled and not self.finished


class Model:
    """What should be at a data folder after each run."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.tasks: list[Task] = []

    def plan(self, number: int, stop: str) -> dict[str, object]:
        if stop == "failed start":
            return {"number": number, "stop": stop, "begin": [], "cancel": [], "finish": []}
        live = [task for task in self.tasks if task.survives]
        begun = [self._begin(number) for _ in range(self.random.randint(0, 3))]
        finishing = [task for task in (*live, *begun) if task.finish_in <= number]
        for task in finishing:
            task.finished = True
        cancelled = [task for task in live if task.survives and self.random.random() < 0.2]
        for task in cancelled:
            task.cancelled = True
        return {
            "number": number,
            "stop": stop,
            "begin": [attrs.asdict(task) for task in begun],
            "cancel": [task.id for task in cancelled],
            "finish": [task.id for task in finishing],
        }

    def _begin(self, number: int) -> Task:
        resumable = self.random.random() < 0.7
        finish_in = min(number + self.random.randint(0, 3), LAST)
        task = Task(f"t{len(self.tasks)}", resumable, finish_in)
        self.tasks.append(task)
        return task


async def run_once(folder: Path, loop: str, plan: dict[str, object]) -> None:
    command = [sys.executable, "-c", RUN, json.dumps(plan), str(folder), loop]
    async with await anyio.open_process(command, stderr=DEVNULL) as process:
        assert process.stdout is not None
        if plan["stop"] == "failed start":
            assert await process.wait()
            return
        assert (await process.stdout.receive()).startswith(b"ready")
        if plan["stop"] != "leave":
            process.send_signal(SIGNALS[str(plan["stop"])])
        await process.wait()


@pytest.mark.parametrize("seed", range(2))
async def test_what_is_resumable_finishes_exactly_once_however_its_processes_were_stopped(
    tmp_path: Path, anyio_backend_name: str, seed: int
) -> None:
    model = Model(seed)
    stops = STOPS.copy()
    model.random.shuffle(stops)

    for number, stop in enumerate(stops):
        await run_once(tmp_path, anyio_backend_name, model.plan(number, stop))
    await run_once(tmp_path, anyio_backend_name, model.plan(LAST, "leave"))

    with JournalReader(tmp_path / "journal.sqlite3") as reader:
        records = {record.id: record for record in reader.records(TaskFilter(include_terminal=True))}
    effects = (tmp_path / "effects").read_text().split() if (tmp_path / "effects").exists() else []
    assert len(effects) == len(set(effects))
    for task in model.tasks:
        assert_as_the_model(task, records[task.id], effects)


def assert_as_the_model(task: Task, record: TaskRecord, effects: list[str]) -> None:
    assert record.is_terminal
    assert (record.state is TaskState.COMPLETED) == (task.id in effects)
    if task.cancelled:
        assert (record.state, record.cancel_actor) == (TaskState.CANCELLED, "test")
    elif task.resumable:
        assert record.state is TaskState.COMPLETED
    elif record.state is TaskState.CANCELLED:
        assert record.cancel_actor == "host stopped"
    elif record.state is TaskState.ABANDONED:
        assert record.failure is not None
        assert record.failure.kind is FailureKind.HOST_LOST
