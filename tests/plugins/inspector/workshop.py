"""A program with all of hostel's plugins at work, for a browser to look at: `workshop.py LOOP FOLDER`.

It pulls from a hub and asks models of its own. Prints the address of its page, runs until its input ends."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path

import anyio
import anyio.to_thread

from hostel.plugins.batch import Batches, BatchInput
from hostel.plugins.batch.testing import ENDPOINT, Answer, Call, Upstream, template
from hostel.plugins.inspector import Inspector
from hostel.plugins.model_pull.testing import MIB, Blob, LocalHub
from hostel.runtime import Runtime
from hostel.sessions import Progress, TaskSpec, TaskState

sys.path.insert(0, str(Path(__file__).parent))
agents = import_module("agents")


def answered(call: Call) -> Answer:
    return Answer(400, "no such thing") if call.prompt == "bad" else Answer()


async def submit(runtime: Runtime, upstream: Upstream) -> None:
    batches = runtime.get(Batches)
    await batches.work(upstream.url, poll=0.05, grace=0.2)
    file_id = await (await batches.storage()).create_file("f", None, [template("good"), template("bad")])
    await batches.submit(BatchInput(file_id, ENDPOINT, "24h", session_id="batches"))


async def agents_at_work(runtime: Runtime) -> None:
    """Let five agents do what agents do."""
    tasks = runtime.tasks
    await runtime.start("planner", "talk", {}, id="plan", label="Plan the release")
    await tasks.register_external(
        "researcher", TaskSpec(id="papers", kind="subagent", label="Read 40 papers")
    )
    await tasks.update("papers", progress=Progress("Attention is all you need", 17, 40, "papers"))
    await tasks.register_external(
        "researcher", TaskSpec(id="notes", kind="subagent", label="Take notes", parent_task_id="papers")
    )
    await runtime.start("coder", "form", {}, id="login", label="Fix the login")
    await runtime.start("coder", "echo", {"text": "42 passed\n"}, id="tests", label="Run the tests")
    await runtime.start("coder", "process", {"argv": ["cat"], "stdin": True}, id="cat")
    await tasks.register_external(
        "reviewer", TaskSpec(id="review", kind="subagent", label="Review change 12")
    )
    await tasks.update("review", progress=Progress("reading the tests", 3, 9, "files"))
    await tasks.register_external("writer", TaskSpec(id="draft", kind="subagent", label="Draft the notes"))
    await tasks.complete("draft", TaskState.FAILED, summary="the outline is missing")


async def main() -> None:
    inspector = Inspector()
    async with (
        Upstream.serve() as upstream,
        Runtime([inspector, agents.Agents()], load_installed=False) as runtime,
    ):
        upstream.script = answered
        await submit(runtime, upstream)
        await agents_at_work(runtime)
        sys.stdout.write(inspector.page_url + "\n")
        sys.stdout.flush()
        await anyio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)


if __name__ == "__main__":
    home = Path(sys.argv[2])
    os.environ |= {"HF_HOME": str(home / "hf"), "HOSTEL_DATA_DIR": str(home / "data")}
    with LocalHub() as hub:
        os.environ["HF_ENDPOINT"] = hub.endpoint
        hub.add_repo("org/model", {"m-Q8_0.gguf": Blob(MIB)})
        anyio.run(main, backend=sys.argv[1])
