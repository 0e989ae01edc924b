"""A program with all of hostel's plugins at work, for a browser to look at: `workshop.py LOOP FOLDER`.

It pulls from a hub and asks models of its own. Prints the address of its page, runs until its input ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
import anyio.to_thread

from hostel.plugins.batch import Batches, BatchInput
from hostel.plugins.batch.testing import ENDPOINT, Answer, Call, Upstream, template
from hostel.plugins.inspector import Inspector
from hostel.plugins.model_pull.testing import MIB, Blob, LocalHub
from hostel.runtime import Runtime


def answered(call: Call) -> Answer:
    return Answer(400, "no such thing") if call.prompt == "bad" else Answer()


async def submit(runtime: Runtime, upstream: Upstream) -> None:
    batches = runtime.get(Batches)
    await batches.work(upstream.url, poll=0.05, grace=0.2)
    file_id = await (await batches.storage()).create_file("f", None, [template("good"), template("bad")])
    await batches.submit(BatchInput(file_id, ENDPOINT, "24h", session_id="batches"))


async def main() -> None:
    inspector = Inspector()
    async with Upstream.serve() as upstream, Runtime([inspector], load_installed=False) as runtime:
        upstream.script = answered
        await submit(runtime, upstream)
        await runtime.start("shell", "process", {"argv": ["cat"], "stdin": True}, id="cat")
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
