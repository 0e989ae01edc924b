"""Output, answers and messages over HTTP, on both loops."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import httpx
import httpx_sse
import pytest

from hostel.plugins.inspector import Inspector
from hostel.runtime import Runtime
from hostel.sessions import Question, TaskSpec, TaskState

from ..agents import FORM, Agents
from ..conftest import Served, client, runtime_with
from ..program import SECONDS
from .test_api import problem

# httpx leaves its generators to the collector where a stream is left early, and trio says so
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    inspector = Inspector()
    async with runtime_with(inspector, Agents()) as runtime, client(inspector) as http:
        yield Served(runtime, inspector, http)


async def external(served: Served, *written: str) -> None:
    await served.host.register_external("s", TaskSpec(id="t"))
    for text in written:
        await served.host.write_output("t", text)


@asynccontextmanager
async def followed(
    http: httpx.AsyncClient, query: str = "", last_event_id: str | None = None
) -> AsyncIterator[AsyncIterator[httpx_sse.ServerSentEvent]]:
    headers = {} if last_event_id is None else {"last-event-id": last_event_id}
    async with httpx_sse.aconnect_sse(http, "GET", f"/api/tasks/t/output?{query}", headers=headers) as source:
        assert source.response.status_code == 200, await source.response.aread()
        async with aclosing(source.aiter_sse()) as frames:
            yield frames


async def to_end(frames: AsyncIterator[httpx_sse.ServerSentEvent]) -> list[Any]:
    """Return the parts up to the end, and the state the task ended in."""
    parts: list[Any] = []
    with anyio.fail_after(SECONDS):
        async for frame in frames:
            if frame.event == "ended":
                return [*parts, json.loads(frame.data)["state"]]
            if frame.data:
                parts.append(json.loads(frame.data)["text"])
    raise AssertionError(f"the stream ended without the task after {parts}")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", ("one two", 0, 7, 0)),
        ("?after=4", ("two", 4, 7, 0)),
        ("?after=-3", ("two", 4, 7, 0)),
        ("?limit=4", ("one ", 0, 4, 0)),
        ("?after=7", ("", 7, 7, 0)),
        ("?after=-99", ("one two", 0, 7, 0)),
    ],
)
async def test_output_is_read_by_offset(served: Served, query: str, told: tuple[object, ...]) -> None:
    await external(served, "one ", "two")

    part = (await served.http.get(f"/api/tasks/t/output{query}")).json()

    assert (part["text"], part["start"], part["next"], part["dropped"]) == told
    assert (part["ended"], part["stream"]) == (False, "stdout")


async def test_what_is_gone_is_counted(served: Served) -> None:
    await external(served, *["x" * 50_000] * 12)

    part = (await served.http.get("/api/tasks/t/output?after=100000")).json()

    assert part["dropped"] > 0
    assert part["start"] == 100_000 + part["dropped"]


async def test_reading_beyond_the_end_loses_nothing(served: Served) -> None:
    await served.host.register("s", TaskSpec(id="t"))

    part = (await served.http.get("/api/tasks/t/output?after=1000")).json()

    assert (part["text"], part["dropped"]) == ("", 0)


@pytest.mark.parametrize(
    "query", ["after=x", "limit=3", "limit=1048577", "after=-", "after=9" * 40, "colour=1"]
)
async def test_a_read_that_makes_no_sense_is_refused(served: Served, query: str) -> None:
    await external(served)

    problem(await served.http.get(f"/api/tasks/t/output?{query}"), 400, "invalid-request")


async def test_output_of_no_task_is_not_found(served: Served) -> None:
    problem(await served.http.get("/api/tasks/t/output"), 404, "unknown-task")


async def test_output_is_followed_until_the_task_has_ended(served: Served) -> None:
    await external(served, "one ")
    async with followed(served.http) as frames:
        with anyio.fail_after(SECONDS):
            assert (await anext(frames)).id == "0"
            assert json.loads((await anext(frames)).data)["text"] == "one "
        await served.host.write_output("t", "two")
        await served.host.complete("t", TaskState.FAILED)
        parts = await to_end(frames)

    assert ("".join(parts[:-1]), parts[-1]) == ("two", "failed")


async def test_a_reader_that_was_cut_off_goes_on_without_loss_or_repetition(served: Served) -> None:
    await external(served, "one ")
    async with followed(served.http) as frames:
        with anyio.fail_after(SECONDS):
            await anext(frames)
            cut_off_at = (await anext(frames)).id
    await served.host.write_output("t", "two ")
    await served.host.write_output("t", "three", "stderr")
    await served.host.complete("t")

    async with followed(served.http, "after=0", cut_off_at) as frames:
        assert await to_end(frames) == ["two ", "three", "completed"]


async def test_an_offset_that_is_none_is_refused(served: Served) -> None:
    await external(served)
    headers = {"accept": "text/event-stream", "last-event-id": "abc-1"}

    problem(await served.http.get("/api/tasks/t/output", headers=headers), 400, "invalid-request")


async def test_a_ticket_opens_one_stream_of_output(served: Served) -> None:
    await external(served, "one")
    await served.host.complete("t")
    ticket = (await served.http.post("/api/events/ticket")).json()["ticket"]
    async with httpx.AsyncClient(base_url=served.inspector.url, trust_env=False) as stranger:
        async with followed(stranger, f"ticket={ticket}") as frames:
            parts = await to_end(frames)
        again = await stranger.get(f"/api/tasks/t/output?ticket={ticket}")
        another = (await served.http.post("/api/events/ticket")).json()["ticket"]
        elsewhere = await stranger.get(f"/api/tasks/t?ticket={another}")

    assert parts == ["one", "completed"]
    problem(again, 401, "unauthorized")
    problem(elsewhere, 401, "unauthorized")


async def test_streams_of_output_count_as_streams(served: Served) -> None:
    await external(served)
    assert served.inspector._api is not None
    served.inspector._api.event_streams._max_streams = 1
    headers = {"accept": "text/event-stream"}

    async with followed(served.http) as frames:
        await anext(frames)
        full = await served.http.get("/api/tasks/t/output", headers=headers)
        waiting = await served.http.post("/api/tasks/wait", json={"task_ids": ["t"]})

    problem(full, 503, "too-many-streams")
    problem(waiting, 503, "too-many-streams")


async def test_a_server_that_stops_says_nothing_of_the_end_of_the_task() -> None:
    inspector = Inspector()
    runtime = Runtime([inspector], load_installed=False, blocked=["model_pull"])
    frames: list[str] = []
    async with client(inspector) as http, runtime, anyio.create_task_group() as group:
        http.base_url = inspector.url
        await runtime.tasks.register_external("s", TaskSpec(id="t"))
        reading = anyio.Event()

        async def read() -> None:
            async with followed(http) as told:
                async for frame in told:
                    frames.append(frame.event)
                    reading.set()

        group.start_soon(read)
        await reading.wait()
        await inspector.on_shutdown()

    assert "ended" not in frames


async def test_a_slow_reader_holds_up_nobody_and_costs_one_part(served: Served) -> None:
    await external(served)
    record = await served.host.get("t")
    assert record is not None
    taken, may_take = anyio.Event(), anyio.Event()
    sizes: list[int] = []

    async def write(chunk: bytes) -> None:
        sizes.append(len(chunk))
        if len(sizes) == 2:
            taken.set()
            await may_take.wait()

    from hostel.plugins.inspector._resources.output_stream import write_output

    async def turn() -> None:
        pass

    async with anyio.create_task_group() as group:
        group.start_soon(write_output, served.host, record, 0, turn, write)
        await served.host.write_output("t", "x")
        await taken.wait()
        for _ in range(60):
            await served.host.write_output("t", "y" * 65_536)
        await served.host.complete("t")
        may_take.set()

    assert max(sizes) < 70_000
    assert sum(sizes) < 1_000_000


async def test_a_question_is_answered_once(served: Served) -> None:
    handle = await served.runtime.start("s", "choose", {"choices": ["red", "blue"]}, id="t")
    question = await asked(served)
    answered = await served.http.post(
        "/api/tasks/t/answer", json={"value": "blue", "question_id": question, "actor": "Ada"}
    )

    assert answered.json()["question"] is None
    assert await handle.wait() == "blue"
    problem(await served.http.post("/api/tasks/t/answer", json={"value": "red"}), 409, "task-finished")


async def asked(served: Served) -> str:
    body = {"task_ids": ["t"], "or_asking": True}
    waited = (await served.http.post("/api/tasks/wait", json=body)).json()
    return str(waited["live"][0]["question"]["id"])


async def test_a_value_that_does_not_fit_leaves_the_task_asking(served: Served) -> None:
    handle = await served.runtime.start("s", "form", id="t")
    await asked(served)
    wrong = await served.http.post("/api/tasks/t/answer", json={"value": {"name": "a", "remote": "x"}})
    right = {"name": "main", "remote": "fork"}
    await served.http.post("/api/tasks/t/answer", json={"value": right})

    assert "remote" in str(problem(wrong, 422, "wrong-answer")["detail"])
    assert await handle.wait() == right


async def test_an_answer_to_what_is_not_asked_is_refused(served: Served) -> None:
    await external(served)
    nothing = await served.http.post("/api/tasks/t/answer", json={"value": 1})
    await served.host.update("t", state=TaskState.WAITING, question=Question("Which?", FORM))
    stale = await served.http.post("/api/tasks/t/answer", json={"value": 1, "question_id": "old"})
    missing = await served.http.post("/api/tasks/t/answer", json={})
    changed = await served.http.post("/api/tasks/t/answer", json={"value": 1}, headers={"if-match": '"x"'})

    problem(nothing, 409, "asks-nothing")
    problem(stale, 409, "stale-question")
    problem(missing, 400, "invalid-request")
    problem(changed, 412, "task-changed")


async def test_messages_reach_the_task(served: Served) -> None:
    handle = await served.runtime.start("s", "talk", id="t")
    for message in ({"a": [1]}, None, "stop"):
        sent = await served.http.post("/api/tasks/t/messages", json={"message": message})
        assert sent.status_code == 202

    assert await handle.wait() == [{"a": [1]}, None]


async def test_a_task_that_takes_no_more_messages_says_so(served: Served) -> None:
    await served.runtime.start("s", "stay", id="t")
    for number in range(100):
        await served.host.send("t", number)
    full = await served.http.post("/api/tasks/t/messages", json={"message": 1})
    large = await served.http.post("/api/tasks/t/messages", json={"message": "\u00e9" * 30_000})
    await served.host.register_external("s", TaskSpec(id="u"))
    foreign = await served.http.post("/api/tasks/u/messages", json={"message": 1})

    problem(full, 429, "mailbox-full")
    problem(large, 400, "invalid-request")
    problem(foreign, 409, "takes-no-messages")


async def test_output_leaves_the_entity_tag_as_it_was(served: Served) -> None:
    await external(served)
    before = (await served.http.get("/api/tasks/t")).headers["etag"]
    await served.host.write_output("t", "more")

    assert (await served.http.get("/api/tasks/t")).headers["etag"] == before
