"""FastAPI: the runtime lives as long as the application, and a deploy interrupts its tasks, not more.

Install: pip install hostel fastapi uvicorn httpx. As a program it deploys itself twice; as a service:
DATA_DIR=/var/lib/shop uvicorn fastapi_app:app
"""

import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

import anyio
import httpx
from anyio.streams.buffered import BufferedByteReceiveStream
from fastapi import FastAPI, HTTPException, Request

from hostel.runtime import Runtime, Session, TaskKind, current_task, hookimpl
from hostel.sessions import UnknownTask
from hostel.sessions.json import record_to_json


async def crawl(site: str) -> str:
    """Crawl a site."""
    task = current_task()
    await task.progress(f"run {task.attempt}")
    if task.attempt == 1:
        await anyio.sleep_forever()  # it takes so long that there is a deploy meanwhile
    return f"all of {site}"


class Crawling:
    @hookimpl
    def register_task_kinds(self) -> list[TaskKind]:
        # Resumable: run again with the same params by the next start, so it must bear that.
        return [TaskKind("crawl", crawl, resumable=True, exposed=True)]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    # Leaving these blocks, when uvicorn got SIGTERM, interrupts what is resumable and cancels the rest.
    # A session of each user or conversation is opened likewise, on an AsyncExitStack.
    async with (
        Runtime([Crawling()], data_dir=os.environ["DATA_DIR"]) as runtime,
        runtime.session("shop") as session,
    ):
        app.state.session = session
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/crawls", status_code=202)
async def start(request: Request, site: str) -> dict[str, str]:
    session: Session = request.app.state.session
    return {"task": (await session.start("crawl", {"site": site})).id}


@app.get("/tasks/{task}")
async def show(request: Request, task: str, wait: float = 0) -> dict[str, Any]:
    # A request waits for a bounded time, or it would hold up the deploy; its client asks again.
    session: Session = request.app.state.session
    try:
        waited = await session.wait_any([task], timeout=min(wait, 20), or_asking=True)
    except UnknownTask as error:
        raise HTTPException(404, str(error)) from error
    return record_to_json([*waited.ended, *waited.live][0])


@asynccontextmanager
async def deployed(folder: str) -> AsyncIterator[httpx.AsyncClient]:
    """Run the application in a process of its own, and end it as a deploy does."""
    socket, here = f"{folder}/http", Path(__file__).parent
    command = [sys.executable, "-m", "uvicorn", "--uds", socket, "--app-dir", str(here), "fastapi_app:app"]
    environment = {**os.environ, "DATA_DIR": folder}
    async with await anyio.open_process(command, stderr=PIPE, env=environment) as process:
        assert process.stderr is not None
        log = BufferedByteReceiveStream(process.stderr)
        await log.receive_until(b"Uvicorn running", 100_000)
        transport = httpx.AsyncHTTPTransport(uds=socket)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop", timeout=60) as client:
            yield client
        process.terminate()
        async for said in log:
            assert b"Traceback" not in said, said.decode()


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with deployed(folder) as client:
            task = (await client.post("/crawls", params={"site": "example.org"})).json()["task"]
            record = (await client.get(f"/tasks/{task}")).json()
            print(record["state"], record["attempt"])
            assert record["state"] == "running"
            assert (await client.get("/tasks/none")).status_code == 404
        async with deployed(folder) as client:
            record = (await client.get(f"/tasks/{task}", params={"wait": 20})).json()
            print(record["state"], record["attempt"], record["result"])
            assert (record["state"], record["attempt"]["attempt"]) == ("completed", 2)


if __name__ == "__main__":
    anyio.run(main)
