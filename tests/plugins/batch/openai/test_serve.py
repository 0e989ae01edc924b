"""OpenAI's own client, unchanged, against `hostel serve` as a process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import attrs
import openai
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from openai import OpenAI

from hostel.plugins.batch.testing import Answer, Upstream, eventually

from .test_openai_client import jsonl, line

T = TypeVar("T")
TOKEN = "a-token-of-the-server"
SERVE = [sys.executable, "-c", "from hostel.runtime.cli import main; main()", "serve"]


@attrs.frozen
class Server:
    process: Process
    openai: OpenAI

    async def __call__(self, call: Callable[[OpenAI], T]) -> T:
        return await anyio.to_thread.run_sync(call, self.openai)

    async def submit(self, *lines: str, **more: Any) -> Any:
        data = jsonl(*lines).encode()
        file = await self(lambda api: api.files.create(file=("in.jsonl", data), purpose="batch"))
        order: dict[str, Any] = {"endpoint": "/v1/chat/completions", "completion_window": "24h"} | more
        return await self(lambda api: api.batches.create(input_file_id=file.id, **order))

    async def finished(self, batch_id: str) -> Any:
        async def look() -> Any:
            batch = await self(lambda api: api.batches.retrieve(batch_id))
            return None if batch.status in ("in_progress", "finalizing", "cancelling") else batch

        return await eventually(look)

    async def lines(self, file_id: str) -> list[dict[str, Any]]:
        content = await self(lambda api: api.files.content(file_id).text)
        return [json.loads(line) for line in content.splitlines()]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "run").mkdir(mode=0o700)
    mine = {
        "HOSTEL_DATA_DIR": str(tmp_path / "data"),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "HOSTEL_TOKEN": TOKEN,
        "HOSTEL_UPSTREAM_KEY": "key-of-the-upstream",
    }
    return {name: value for name, value in os.environ.items() if name != "HOSTEL_UPSTREAM"} | mine


@asynccontextmanager
async def served(environment: dict[str, str], *options: str) -> AsyncIterator[Server]:
    async with await anyio.open_process(
        [*SERVE, *options], env=environment, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout is not None
            with anyio.fail_after(120):
                said = await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", 1000)
            url = said.decode().removeprefix("serving at ")
            with OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0) as client:
                yield Server(process, client)
        finally:
            if process.returncode is None:
                process.kill()


async def test_a_file_is_uploaded_worked_on_downloaded_and_deleted(
    environment: dict[str, str], upstream: Upstream
) -> None:
    upstream.script = lambda call: Answer(400, '{"error": "no"}') if call.prompt == "bad" else Answer()
    async with served(environment, "--upstream", upstream.url) as server:
        created = await server.submit(line("a"), line("bad"), metadata={"session_id": "s1"})
        done = await server.finished(created.id)
        (output,) = await server.lines(done.output_file_id)
        (error,) = await server.lines(done.error_file_id)
        listed = await server(lambda api: [batch.id for batch in api.batches.list()])
        files = await server(lambda api: {file.id for file in api.files.list()})
        deleted = await server(lambda api: api.files.delete(done.input_file_id))
        left = await server(lambda api: {file.id for file in api.files.list()})

    assert (done.status, done.request_counts.completed, done.request_counts.failed) == ("completed", 1, 1)
    assert output["response"]["body"]["choices"][0]["message"]["content"] == "echo: a"
    assert (error["response"]["status_code"], error["response"]["body"]) == (400, {"error": "no"})
    assert listed == [created.id]
    assert files == {done.input_file_id, done.output_file_id, done.error_file_id}
    assert deleted.deleted
    assert left == files - {done.input_file_id}
    assert {call.headers["authorization"] for call in upstream.calls} == {"Bearer key-of-the-upstream"}


async def test_a_batch_is_cancelled_while_it_runs(environment: dict[str, str], upstream: Upstream) -> None:
    upstream.script = lambda _: Answer(hold=anyio.Event())
    async with served(environment | {"HOSTEL_UPSTREAM": upstream.url}) as server:
        created = await server.submit(line("a"))
        await upstream.until(lambda up: up.in_flight["m"] == 1)
        await server(lambda api: api.batches.cancel(created.id))
        done = await server.finished(created.id)

    assert (done.status, done.request_counts.completed, done.output_file_id) == ("cancelled", 0, None)


async def test_a_batch_goes_on_when_the_server_comes_back(
    environment: dict[str, str], upstream: Upstream, anyio_backend: tuple[str, dict[str, Any]]
) -> None:
    end = signal.SIGINT if anyio_backend[0] == "asyncio" else signal.SIGTERM
    upstream.script = lambda call: Answer() if call.prompt == "a" else Answer(hold=anyio.Event())
    async with served(environment, "--upstream", upstream.url) as server:
        created = await server.submit(line("a"), line("b"))

        async def one_is_done() -> bool:
            counts = await server(lambda api: api.batches.retrieve(created.id).request_counts)
            return counts is not None and counts.completed == 1

        await eventually(one_is_done)
        server.process.send_signal(end)
        with anyio.fail_after(120):
            await server.process.wait()
    upstream.script = lambda _: Answer()

    async with served(environment, "--upstream", upstream.url) as server:
        with anyio.fail_after(120):
            done = await server.finished(created.id)
        found = [each["custom_id"] for each in await server.lines(done.output_file_id)]

    assert (done.status, found) == ("completed", ["a", "b"])
    assert upstream.sent("a") == 1


async def test_a_server_without_an_upstream_says_why_there_is_no_v1_to_whoever_has_its_token(
    environment: dict[str, str],
) -> None:
    async with served(environment) as server:
        with pytest.raises(openai.NotFoundError, match=r"requests would go nowhere.*--upstream URL"):
            await server(lambda api: api.batches.list())
        stranger = server.openai.with_options(api_key="another")
        with pytest.raises(openai.AuthenticationError) as refused:
            await anyio.to_thread.run_sync(lambda: stranger.batches.list())

    assert (refused.value.code, refused.value.type) == ("invalid_api_key", "invalid_request_error")
    assert "send the token of this runtime" in refused.value.message


async def test_an_upstream_that_is_no_address_ends_the_server_at_once(environment: dict[str, str]) -> None:
    done = await anyio.run_process([*SERVE, "--upstream", "nowhere"], env=environment, check=False)

    assert done.returncode == 2
    assert done.stderr == (
        b"hostel: that address of an upstream cannot be used: it must look like https://host/v1\n"
    )
