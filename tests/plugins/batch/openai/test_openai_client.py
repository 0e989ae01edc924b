"""OpenAI's own client, unchanged, against our files and batches."""

import io
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import httpx
import openai
import pytest

from hostel.plugins.batch import Batches
from hostel.plugins.batch.testing import Answer, Upstream, eventually
from hostel.plugins.inspector import Inspector, Role, User
from hostel.runtime import AsgiMessage, Runtime
from hostel.sessions import TaskState

T = TypeVar("T")
TOKEN = "a-token-of-the-server"


class Client:
    """The official client; its blocking calls run in worker threads."""

    def __init__(self, url: str, batches: Batches, runtime: Runtime) -> None:
        self.url, self.batches, self.runtime = url, batches, runtime
        self.openai = openai.OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0)

    async def __call__(self, call: Callable[[openai.OpenAI], T]) -> T:
        return await anyio.to_thread.run_sync(call, self.openai)

    async def upload(self, text: str | bytes, **more: Any) -> Any:
        data = text.encode() if isinstance(text, str) else text
        return await self(lambda api: api.files.create(file=("in.jsonl", data), purpose="batch", **more))

    async def create(self, file_id: str, **more: Any) -> Any:
        order: dict[str, Any] = {"endpoint": "/v1/chat/completions", "completion_window": "24h"} | more
        return await self(lambda api: api.batches.create(input_file_id=file_id, **order))

    async def finished(self, batch_id: str) -> Any:
        async def look() -> Any:
            batch = await self(lambda api: api.batches.retrieve(batch_id))
            return (
                None if batch.status in ("validating", "in_progress", "finalizing", "cancelling") else batch
            )

        return await eventually(look)

    async def counts(self, batch_id: str) -> Any:
        return await self(lambda api: api.batches.retrieve(batch_id).request_counts)

    async def lines(self, file_id: str) -> list[dict[str, Any]]:
        content = await self(lambda api: api.files.content(file_id).text)
        return [json.loads(line) for line in content.splitlines()]


@asynccontextmanager
async def serving(upstream: Upstream, data_dir: Path) -> AsyncIterator[Client]:
    async with serving_by(Inspector(token=TOKEN), upstream, data_dir) as client:
        yield client


@asynccontextmanager
async def serving_by(inspector: Inspector, upstream: Upstream, data_dir: Path) -> AsyncIterator[Client]:
    async with Runtime([inspector], data_dir=data_dir, load_installed=False) as runtime:
        batches = runtime.get(Batches)
        await batches.work(upstream.url, poll=0.05, grace=0.2)
        client = Client(inspector.url, batches, runtime)
        try:
            yield client
        finally:
            client.openai.close()


@pytest.fixture(autouse=True)
def runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))


@pytest.fixture
async def client(upstream: Upstream, tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(upstream, tmp_path) as client:
        yield client


def line(name: str, model: str = "m", **more: Any) -> str:
    body = {"model": model, "messages": [{"role": "user", "content": name}]}
    return json.dumps(
        {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body} | more
    )


def jsonl(*lines: str) -> str:
    return "".join(f"{each}\n" for each in lines)


async def test_upload_create_poll_and_download(client: Client) -> None:
    text = jsonl(*(line(f"r{n}") for n in range(12)))
    file = await client.upload(text)
    assert (file.bytes, file.purpose, file.status, file.filename) == (
        len(text),
        "batch",
        "processed",
        "in.jsonl",
    )

    created = await client.create(file.id, metadata={"team": "blue", "session_id": "s1"})
    assert created.input_file_id == file.id
    record = await client.runtime.tasks.get(created.id)
    assert record is not None
    assert (record.session_id, record.kind) == ("s1", "batch")
    done = await client.finished(created.id)

    assert done.status == "completed"
    assert (done.request_counts.total, done.request_counts.completed, done.request_counts.failed) == (
        12,
        12,
        0,
    )
    assert (done.usage.input_tokens, done.usage.output_tokens, done.usage.total_tokens) == (36, 24, 60)
    assert (done.metadata, done.error_file_id, done.errors) == (
        {"team": "blue", "session_id": "s1"},
        None,
        None,
    )
    found = await client.lines(done.output_file_id)
    assert {each["custom_id"] for each in found} == {f"r{n}" for n in range(12)}
    for each in found:
        assert re.fullmatch(r"batch_req_\w+", each["id"])
        assert each["error"] is None
        assert each["response"]["status_code"] == 200
        assert each["response"]["request_id"].startswith("up-")
        answer = each["response"]["body"]["choices"][0]["message"]["content"]
        assert answer == f"echo: {each['custom_id']}"
    with anyio.fail_after(120):
        assert (await client.runtime.tasks.wait(created.id)).state is TaskState.COMPLETED


async def test_every_field_of_a_batch_is_present_even_when_null(client: Client) -> None:
    created = await client.create((await client.upload(jsonl(line("a")))).id)

    raw = await client(
        lambda api: httpx.get(
            f"{api.base_url}batches/{created.id}", headers={"authorization": f"Bearer {TOKEN}"}
        )
    )

    fields = set(raw.json())
    assert fields >= {
        *(
            "id",
            "object",
            "endpoint",
            "errors",
            "input_file_id",
            "completion_window",
            "status",
            "output_file_id",
        ),
        *("error_file_id", "created_at", "in_progress_at", "expires_at", "finalizing_at", "completed_at"),
        *("failed_at", "expired_at", "cancelling_at", "cancelled_at", "request_counts", "usage", "metadata"),
    }
    assert raw.json()["expires_at"] - raw.json()["created_at"] in (86400, 86401)


async def test_an_http_error_keeps_its_answer_in_the_error_file(client: Client, upstream: Upstream) -> None:
    refusal = {"error": {"message": "too long", "type": "invalid_request_error", "param": None, "code": "x"}}
    upstream.script = lambda call: Answer(400, json.dumps(refusal)) if call.prompt == "bad" else Answer()

    done = await client.finished(
        (await client.create((await client.upload(jsonl(line("ok"), line("bad")))).id)).id
    )

    assert (done.status, done.request_counts.completed, done.request_counts.failed) == ("completed", 1, 1)
    (error,) = await client.lines(done.error_file_id)
    assert error["custom_id"] == "bad"
    assert error["error"] is None
    assert (error["response"]["status_code"], error["response"]["body"]) == (400, refusal)


async def test_a_batch_whose_every_line_failed_is_completed(client: Client, upstream: Upstream) -> None:
    upstream.script = lambda _: Answer(404, "gone")

    done = await client.finished((await client.create((await client.upload(jsonl(line("a")))).id)).id)

    assert (done.status, done.request_counts.failed, done.output_file_id) == ("completed", 1, None)
    (error,) = await client.lines(done.error_file_id)
    assert error["response"]["body"] == "gone"


async def test_cancelling_stops_a_batch_and_keeps_what_is_answered(
    client: Client, upstream: Upstream
) -> None:
    upstream.script = lambda call: Answer() if call.prompt == "a" else Answer(hold=anyio.Event())
    created = await client.create((await client.upload(jsonl(line("a"), line("b"), line("c")))).id)

    async def one_is_done() -> bool:
        return bool((await client.counts(created.id)).completed)

    await eventually(one_is_done)

    cancelling = await client(lambda api: api.batches.cancel(created.id))
    assert cancelling.status in ("cancelling", "cancelled")
    done = await client.finished(created.id)

    assert (done.status, done.request_counts.completed, done.request_counts.failed) == ("cancelled", 1, 0)
    assert len(await client.lines(done.output_file_id)) == 1
    with anyio.fail_after(120):
        record = await client.runtime.tasks.wait(created.id)
    assert (record.state, record.cancel_actor) == (TaskState.CANCELLED, "client")
    again = await client(lambda api: api.batches.cancel(created.id))
    assert again.status == "cancelled"


@pytest.mark.parametrize(
    ("text", "code", "number"),
    [
        (jsonl(line("a"), "{broken"), "invalid_json_line", 2),
        (jsonl(line("a"), "", line("b")), "invalid_json_line", 2),
        (jsonl(line("a"), line("a")), "duplicate_custom_id", 2),
        (jsonl(line("a", method="GET")), "invalid_method", 1),
        (jsonl(line("a", url="/v1/embeddings")), "url_mismatch", 1),
        (jsonl(line("a", url="http://elsewhere/")), "invalid_url", 1),
        (jsonl(line("a", body={"messages": []})), "missing_required_parameter", 1),
        (jsonl(line("a", body=[])), "missing_required_parameter", 1),
        (jsonl(line("a", body={"model": "m", "stream": True})), "unsupported_parameter", 1),
        (jsonl(line("a"), line("x").replace('"x"', "7")), "missing_required_parameter", 2),
        (jsonl(line("a")).encode() + b'{"custom_id": "\xff"}\n', "invalid_encoding", 2),
        (jsonl("[]"), "invalid_json_line", 1),
        (jsonl('{"a": NaN}'), "invalid_json_line", 1),
        (jsonl("[" * 100_000), "invalid_json_line", 1),
        ("", "empty_file", None),
        ("\n\n", "empty_file", None),
    ],
    ids=lambda value: value[-40:] if isinstance(value, str) else None,
)
async def test_bad_input_fails_the_batch_with_code_and_line(
    client: Client, upstream: Upstream, text: str | bytes, code: str, number: int | None
) -> None:
    file = await client.upload(text)

    batch = await client.create(file.id)

    assert batch.status == "failed"
    assert [(each.code, each.line) for each in batch.errors.data] == [(code, number)]
    assert all(each.message for each in batch.errors.data)
    assert (batch.request_counts.total, batch.output_file_id, batch.failed_at is None) == (0, None, False)
    content = await client(lambda api: api.files.content(file.id).read())
    assert content == (text if isinstance(text, bytes) else text.encode()).replace(
        b"\xff", "\N{REPLACEMENT CHARACTER}".encode()
    ).removesuffix(b"\n\n" if not text.strip() else b"")
    assert upstream.calls == []


async def test_a_batch_of_an_unknown_file_is_failed(client: Client) -> None:
    batch = await client.create("file-unknown")

    assert (batch.status, batch.errors.data[0].code) == ("failed", "file_not_found")


async def test_files_read_back_byte_for_byte_and_bodies_are_sent_byte_for_byte(
    client: Client, upstream: Upstream
) -> None:
    odd = (
        '{"body" :  {"messages":[{"role":"user","content":"\\u00fc \\ud83d\\ude00 é"}],"model":"m", "n":1.0},'
        '\t"custom_id":"ü","method":"POST","url":"/v1/chat/completions"}'
    )
    text = jsonl(odd, line("b")) + line("no newline at the end")
    file = await client.upload(text)

    content = await client(lambda api: api.files.content(file.id).read())
    await client.finished((await client.create(file.id)).id)

    assert content.decode().rstrip("\n") == text
    assert any(call.body.get("n") == 1.0 and call.prompt == "ü \U0001f600 é" for call in upstream.calls)


async def test_files_are_listed_fetched_and_deleted(client: Client) -> None:
    files = [await client.upload(jsonl(line(f"f{n}"))) for n in range(3)]

    listed = await client(lambda api: [file.id for file in api.files.list(limit=2)])
    assert listed == [file.id for file in reversed(files)]
    fetched = await client(lambda api: api.files.retrieve(files[0].id))
    assert fetched == files[0]
    deleted = await client(lambda api: api.files.delete(files[0].id))
    assert (deleted.deleted, deleted.object) == (True, "file")
    with pytest.raises(openai.NotFoundError):
        await client(lambda api: api.files.retrieve(files[0].id))
    with pytest.raises(openai.NotFoundError):
        await client(lambda api: api.files.content(files[0].id))


async def test_batches_are_listed_in_pages(client: Client) -> None:
    file = await client.upload(jsonl(line("a")))
    made = [(await client.create(file.id)).id for _ in range(3)]

    listed = await client(lambda api: [batch.id for batch in api.batches.list(limit=2)])

    assert listed == made[::-1]


async def test_calls_that_make_no_sense_are_refused_in_openais_form(client: Client) -> None:
    file = await client.upload(jsonl(line("a")))

    with pytest.raises(openai.NotFoundError, match="No such batch"):
        await client(lambda api: api.batches.retrieve("batch_x"))
    with pytest.raises(openai.BadRequestError, match="window"):
        await client.create(file.id, completion_window="someday")
    with pytest.raises(openai.BadRequestError, match="at most 16"):
        await client.create(file.id, metadata={str(n): "x" for n in range(17)})
    with pytest.raises(openai.BadRequestError, match="purpose"):
        await client(lambda api: api.files.create(file=io.BytesIO(b""), purpose="assistants"))
    with pytest.raises(openai.BadRequestError, match="limit"):
        await client(lambda api: api.batches.list(limit=0))
    stranger = openai.OpenAI(base_url=f"{client.url}/v1", api_key="wrong", max_retries=0)
    with stranger, pytest.raises(openai.AuthenticationError):
        await anyio.to_thread.run_sync(lambda: stranger.batches.list())


async def test_a_file_may_say_how_long_it_is_kept(client: Client) -> None:
    file = await client.upload(jsonl(line("a")), expires_after={"anchor": "created_at", "seconds": 7200})

    assert file.expires_at - file.created_at == 7200


async def test_a_window_that_passes_expires_the_batch_with_the_fixed_sentence(
    client: Client, upstream: Upstream
) -> None:
    upstream.script = lambda _: Answer(hold=anyio.Event())
    file = await client.upload(jsonl(line("a"), line("b")))

    done = await client.finished((await client.create(file.id, completion_window="100ms")).id)

    assert (done.status, done.request_counts.failed) == ("expired", 2)
    for each in await client.lines(done.error_file_id):
        assert each["response"] is None
        assert each["error"] == {
            "code": "batch_expired",
            "message": "This request could not be executed before the completion window expired.",
        }


async def test_batches_go_on_after_a_restart(upstream: Upstream, tmp_path: Path) -> None:
    upstream.script = lambda _: Answer(hold=anyio.Event())
    async with serving(upstream, tmp_path) as client:
        created = await client.create((await client.upload(jsonl(line("a")))).id)
        await upstream.until(lambda up: bool(up.calls))
    gate = anyio.Event()
    upstream.script = lambda _: Answer(hold=gate)

    async with serving(upstream, tmp_path) as client:
        record = await eventually(lambda: client.runtime.tasks.get(created.id))
        gate.set()
        done = await client.finished(created.id)

    assert record is not None
    assert (record.session_id, done.status) == ("batches", "completed")


async def test_a_user_of_the_application_cancels_a_batch_in_her_own_name(
    upstream: Upstream, tmp_path: Path
) -> None:
    async def ada(scope: AsgiMessage) -> User | None:
        return User("Ada", Role.STEER)

    upstream.script = lambda _: Answer(hold=anyio.Event())
    async with serving_by(Inspector(auth=ada), upstream, tmp_path) as client:
        client.openai = client.openai.with_options(default_headers={"origin": client.url})
        created = await client.create((await client.upload(jsonl(line("a")))).id)
        await client(lambda api: api.batches.cancel(created.id))
        with anyio.fail_after(120):
            record = await client.runtime.tasks.wait(created.id)

    assert (record.state, record.cancel_actor) == (TaskState.CANCELLED, "Ada")
