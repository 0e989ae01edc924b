"""Several runtimes of one user, asked through one of them."""

import json
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import attrs
import h11
import httpx
import httpx_sse
import pytest
from anyio.abc import SocketAttribute, SocketStream

from hostel.plugins.inspector import Inspector, Role, User, asgi
from hostel.plugins.inspector._resources.neighbours import MOST_FORWARDED
from hostel.runtime import AsgiMessage, Runtime, cards
from hostel.sessions import TaskSpec

from ..agents import Agents
from ..conftest import client, runtime_with
from ..program import SECONDS, running
from ..test_asgi import served as served_by

# httpx leaves its generators to the collector where a stream is left early, and trio says so
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")


@attrs.frozen
class Pair:
    """Two runtimes of this user: `http` asks the near one, `far` is what it knows the other by."""

    near: Runtime
    other: Runtime
    inspectors: tuple[Inspector, Inspector]
    http: httpx.AsyncClient
    far: str


def said(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["type"]).rpartition(":")[2]


async def listed(http: httpx.AsyncClient) -> list[dict[str, object]]:
    answer = await http.get("/api/runtimes")
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    assert isinstance(items, list)
    return items


async def path_of(http: httpx.AsyncClient, url: str) -> str:
    [found] = [item for item in await listed(http) if item["url"] == url]
    return f"/api/runtimes/{found['id']}"


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    one, two = Inspector(), Inspector()
    async with (
        runtime_with(two, Agents()) as other,
        runtime_with(one) as near,
        client(one) as http,
    ):
        yield Pair(near, other, (one, two), http, await path_of(http, two.url))


async def test_all_runtimes_of_the_user_are_listed(pair: Pair) -> None:
    first, second = await listed(pair.http)

    assert [item["url"] for item in (first, second)] == [inspector.url for inspector in pair.inspectors[::-1]]
    assert [item["this"] for item in (first, second)] == [False, True]
    assert [item["answers"] for item in (first, second)] == [True, True]
    assert {item["pid"] for item in (first, second)} == {os.getpid()}
    assert first["id"] != second["id"]
    assert str(first["title"]).endswith(f" in {Path.cwd().name}")
    assert (await pair.http.get("/api/runtime")).json() == {"title": first["title"], "pid": os.getpid()}
    for inspector in pair.inspectors:
        assert inspector.token not in json.dumps([first, second])


async def test_what_is_asked_of_another_is_done_by_it(pair: Pair) -> None:
    started = await pair.http.post(f"{pair.far}/tasks", json={"kind": "stay", "session_id": "s", "id": "t"})
    place = started.request.url.join(started.headers["location"])
    shown = await pair.http.get(str(place))
    elsewhere = await pair.http.get("/api/tasks/t")
    cancelled = await pair.http.post(f"{pair.far}/tasks/t/cancel", json={"reason": "enough", "actor": "me"})
    stale = await pair.http.post(f"{pair.far}/tasks/t/cancel", json={}, headers={"if-match": '"old"'})
    with anyio.fail_after(SECONDS):
        record = await pair.other.tasks.wait("t", session_id="s")

    assert (started.status_code, shown.status_code, elsewhere.status_code) == (201, 200, 404)
    assert shown.headers["etag"] == started.headers["etag"]
    assert cancelled.status_code == 200
    assert stale.status_code in (409, 412)
    assert (record.cancel_reason, record.cancel_actor) == ("enough", "me")
    assert await pair.near.tasks.list() == []


@pytest.mark.parametrize("task_id", ["a/b", "a/output", "..", ".", "a b?c#d", "ü%2F", "%2e%2e"])
async def test_ids_go_as_they_came(pair: Pair, task_id: str) -> None:
    await pair.other.tasks.register_external("s", TaskSpec(id=task_id))
    encoded = "".join(f"%{byte:02X}" for byte in task_id.encode())
    request = pair.http.build_request("GET", f"{pair.far}/x")
    request.url = request.url.copy_with(raw_path=f"{pair.far}/tasks/{encoded}".encode())
    answer = await pair.http.send(request)

    assert answer.status_code == 200, answer.text
    assert answer.json()["id"] == task_id


async def test_headers_and_queries_go_as_they_came(pair: Pair) -> None:
    await pair.other.tasks.register_external("s ü&=", TaskSpec(id="t"))
    odd = {b"if-match": b'"\xfc\xff"'}
    changed = await pair.http.post(f"{pair.far}/tasks/t/cancel", json={}, headers=odd)
    found = await pair.http.get(f"{pair.far}/tasks", params={"session_id": "s ü&=", "limit": "1"})
    wrong = await pair.http.get(f"{pair.far}/tasks?limt=1")
    head = await pair.http.head(f"{pair.far}/tasks")

    assert said(changed) == (412, "task-changed")
    assert [item["id"] for item in found.json()["items"]] == ["t"]
    assert said(wrong) == (400, "invalid-request")
    assert (head.status_code, head.content) == (200, b"")


async def raw(inspector: Inspector, target: str) -> bytes:
    """Ask for what no client would: `target` as it is."""
    at = httpx.URL(inspector.url)
    async with await anyio.connect_tcp(at.host, at.port or 0) as stream:
        head = f"GET {target} HTTP/1.1\r\nhost: {at.netloc.decode()}\r\nconnection: close\r\n"
        await stream.send(f"{head}authorization: Bearer {inspector.token}\r\n\r\n".encode())
        answer = b""
        with anyio.fail_after(SECONDS):
            async for part in stream:
                answer += part
    return answer


@pytest.mark.parametrize(
    "rest", ["../health", "../../health", "x/../../proof", "%2E%2E/health", "..%2Fhealth"]
)
async def test_nothing_but_the_api_of_another_can_be_asked(pair: Pair, rest: str) -> None:
    answer = await raw(pair.inspectors[0], f"{pair.far}/{rest}")

    assert answer.startswith(b"HTTP/1.1 404")


async def test_output_and_events_come_as_they_are_written(pair: Pair) -> None:
    await pair.http.post(f"{pair.far}/tasks", json={"kind": "talk", "session_id": "s", "id": "t"})
    heard: list[str] = []
    stream = {"accept": "text/event-stream"}
    async with httpx_sse.aconnect_sse(
        pair.http, "GET", f"{pair.far}/tasks/t/output", headers=stream
    ) as source:
        assert source.response.headers["content-type"].startswith("text/event-stream")
        with anyio.fail_after(SECONDS):
            for message in ("one", "two", "stop"):
                await pair.http.post(f"{pair.far}/tasks/t/messages", json={"message": message})
            async for frame in source.aiter_sse():
                if frame.event == "output":
                    heard.append(json.loads(frame.data)["text"])
                if frame.event == "ended":
                    break

    assert "".join(heard) == "one\ntwo\n"


async def test_a_ticket_of_this_server_opens_a_stream_of_another(pair: Pair) -> None:
    await pair.other.tasks.register_external("s", TaskSpec(id="t"))
    ticket = (await pair.http.post("/api/events/ticket", json={})).json()["ticket"]
    async with httpx.AsyncClient(base_url=pair.inspectors[0].url, trust_env=False, timeout=SECONDS) as http:
        query = {"after": "start", "ticket": ticket}
        async with httpx_sse.aconnect_sse(http, "GET", f"{pair.far}/events", params=query) as source:
            seen = ""
            frames = source.aiter_sse()
            while seen != "registered":
                seen = (await anext(frames)).event
        again = await http.get(f"{pair.far}/events", params=query)

    assert again.status_code == 401


async def until_no_streams(inspector: Inspector) -> None:
    api = inspector._api
    assert api is not None
    with anyio.fail_after(SECONDS):
        while len(api.event_streams):
            await anyio.lowlevel.checkpoint()


async def test_a_stream_ends_on_both_sides_when_its_reader_goes(pair: Pair) -> None:
    async with httpx_sse.aconnect_sse(pair.http, "GET", f"{pair.far}/events") as source:
        await anext(source.response.aiter_raw())
        for inspector in pair.inspectors:
            assert inspector._api is not None
            assert len(inspector._api.event_streams) == 1
    for inspector in pair.inspectors:
        await until_no_streams(inspector)


async def test_a_stream_ends_when_the_other_runtime_does() -> None:
    one, two = Inspector(), Inspector()
    async with runtime_with(one), client(one) as http:
        async with runtime_with(two):
            far = await path_of(http, two.url)
            request = http.build_request("GET", f"{far}/events")
            response = await http.send(request, stream=True)
            parts = response.aiter_raw()
            await anext(parts)
        with anyio.fail_after(SECONDS):
            rest = [part async for part in parts]
        await response.aclose()
        gone = await http.get(f"{far}/tasks")

    assert b"".join(rest) == b""
    assert said(gone) == (404, "unknown-runtime")


async def test_a_stream_ends_when_the_process_of_the_other_is_killed(runtime_folder: Path) -> None:
    inspector = Inspector()
    with running("trio", runtime_folder.parent) as program:
        async with runtime_with(inspector), client(inspector) as http:
            [item] = [item for item in await listed(http) if item["pid"] == program.process.pid]
            request = http.build_request("GET", f"/api/runtimes/{item['id']}/events")
            response = await http.send(request, stream=True)
            parts = response.aiter_raw()
            await anext(parts)
            program.process.kill()
            with anyio.fail_after(SECONDS):
                async for _ in parts:
                    pass
            await response.aclose()

    assert str(item["title"]).startswith("scenario.py in ")
    assert (item["this"], item["answers"]) == (False, True)


async def test_this_server_stops_though_streams_of_others_go_on() -> None:
    one, two = Inspector(), Inspector()
    async with runtime_with(two), httpx.AsyncClient(trust_env=False, timeout=SECONDS) as reader:
        async with runtime_with(one), client(one) as http:
            request = http.build_request("GET", f"{await path_of(http, two.url)}/events")
            response = await reader.send(request, stream=True)
            parts = response.aiter_raw()
            await anext(parts)
        with anyio.fail_after(SECONDS):
            rest = [part async for part in parts]
        await response.aclose()
        await until_no_streams(two)

    assert b"".join(rest) == b""


async def test_a_request_is_sent_on_once(pair: Pair) -> None:
    own = await path_of(pair.http, pair.inspectors[0].url)
    near = await pair.http.get(f"{own}/tasks")
    [back] = [item for item in await listed(pair.http) if item["this"]]
    circle = await pair.http.get(f"{pair.far}/runtimes/{back['id']}/tasks")
    listing = await pair.http.get(f"{pair.far}/runtimes")

    assert near.status_code == 200
    assert said(circle) == said(listing) == (508, "forwarded-already")


async def test_an_unknown_runtime_is_not_there(pair: Pair) -> None:
    for wanted in ("0" * 16, "x", "%00"):
        assert (await pair.http.get(f"/api/runtimes/{wanted}/tasks")).status_code == 404
    assert said(await pair.http.get(f"/api/runtimes/{'0' * 16}/tasks")) == (404, "unknown-runtime")


@asynccontextmanager
async def impostor(*answers: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Listen where a runtime had its port; yield the address and all that it is sent."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    sent: list[bytes] = []

    async def answer(stream: SocketStream) -> None:
        async with stream:
            for one in answers:
                try:
                    sent.append(await stream.receive())
                except (anyio.EndOfStream, anyio.BrokenResourceError):
                    return
                await stream.send(one)

    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, answer)
        yield f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}", sent
        group.cancel_scope.cancel()


def http_answer(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{more}\r\n".encode() + body


WRONG = {
    "nothing": b"",
    "no http": b"220 smtp.example ESMTP\r\n",
    "no json": http_answer(b"<html>"),
    "no object": http_answer(b"[]"),
    "no proof": http_answer(b'{"run": "r", "proof": null}'),
    "a wrong proof": http_answer(json.dumps({"run": "r", "proof": "0" * 64}).encode()),
    "an endless answer": b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n" + b"x" * 100_000,
    "a cut answer": b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{}",
    "a refusal": http_answer(b"{}", "503 Service Unavailable"),
}


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG.keys())
async def test_another_program_at_the_port_is_told_nothing(answer: bytes) -> None:
    inspector, token = Inspector(), "the-token-of-the-one-before"
    async with impostor(answer) as (url, sent), runtime_with(inspector), client(inspector) as http:
        card = cards.leave(url, token, time.time())
        [item] = [item for item in await listed(http) if item["url"] == url]
        refused = await http.post(f"/api/runtimes/{item['id']}/tasks", json={"secret": "plan"})
        card.unlink()

    assert item["answers"] is False
    assert said(refused) == (502, "runtime-gone")
    assert sent
    for told in sent:
        assert told.startswith(b"GET /proof?nonce=")
        assert token.encode() not in told
        assert b"authorization" not in told.lower()


async def test_a_port_at_which_nobody_listens_is_said() -> None:
    inspector = Inspector()
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    async with runtime_with(inspector), client(inspector) as http:
        card = cards.leave(url, "t" * 20, time.time())
        [item] = [item for item in await listed(http) if item["url"] == url]
        refused = await http.get(f"/api/runtimes/{item['id']}/tasks")
        card.unlink()

    assert item["answers"] is False
    assert said(refused) == (502, "runtime-gone")


@asynccontextmanager
async def runtime_that_says(token: str, *answers: bytes) -> AsyncIterator[str]:
    """Leave a card of what proves that it knows the token and then gives wrong answers."""

    async def answer(stream: SocketStream) -> None:
        async with stream:
            nonce = (await stream.receive()).partition(b"nonce=")[2].partition(b" ")[0].decode()
            key = cards.run_key(token, "r")
            told = json.dumps({"run": "r", "proof": cards.proof(key, nonce)}).encode()
            await stream.send(http_answer(told))
            try:
                assert f"Bearer {key}".encode() in await stream.receive()
            except anyio.EndOfStream:
                return  # it was only asked for the proof
            for part in answers:
                await stream.send(part)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, answer)
        url = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
        card = cards.leave(url, token, time.time())
        yield url
        card.unlink()
        group.cancel_scope.cancel()


BROKEN = {
    "nothing": (),
    "no http": (b"what?\r\n\r\n",),
    "too long": (b"HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n",),
    "unauthorized": (http_answer(b"{}", "401 Unauthorized"),),
    "a long head": (b"HTTP/1.1 200 OK\r\nx: " + b"x" * 100_000,),
}


@pytest.mark.parametrize("answers", BROKEN.values(), ids=BROKEN.keys())
async def test_a_wrong_answer_is_a_problem(answers: tuple[bytes, ...]) -> None:
    inspector = Inspector()
    async with (
        runtime_that_says("t" * 20, *answers) as url,
        runtime_with(inspector),
        client(inspector) as http,
    ):
        far = await path_of(http, url)
        answer = await http.get(f"{far}/tasks")

    assert answer.status_code == 502
    assert said(answer)[1] in ("runtime-gone", "answer-too-long")


async def test_half_an_answer_is_not_taken_for_all() -> None:
    inspector = Inspector()
    half = b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"a":\r\n'
    async with runtime_that_says("t" * 20, half) as url, runtime_with(inspector), client(inspector) as http:
        far = await path_of(http, url)
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(f"{far}/tasks")
        health = await http.get("/health")

    assert health.status_code == 200


async def test_streams_of_others_have_a_limit(pair: Pair) -> None:
    api = pair.inspectors[0]._api
    assert api is not None
    taken = [api._taken_place() for _ in range(MOST_FORWARDED)]
    for place in taken:
        place.__enter__()
    full = await pair.http.get(f"{pair.far}/tasks")
    own = await pair.http.get("/api/tasks")
    for place in reversed(taken):
        place.__exit__(None, None, None)
    free = await pair.http.get(f"{pair.far}/tasks")

    assert said(full) == (503, "too-many-streams")
    assert full.headers["retry-after"] == "5"
    assert (own.status_code, free.status_code) == (200, 200)


async def test_a_body_is_no_longer_than_for_this_server(pair: Pair) -> None:
    answer = await pair.http.post(f"{pair.far}/tasks", content=b" " * 70_000)

    assert said(answer) == (413, "body-too-large")


def of_users(inspector: Inspector) -> httpx.AsyncClient:
    headers = {"origin": inspector.url}
    return httpx.AsyncClient(base_url=inspector.url, headers=headers, trust_env=False, timeout=SECONDS)


async def ada(scope: AsgiMessage) -> User | None:
    return User("Ada", Role.STEER)


async def bob(scope: AsgiMessage) -> User | None:
    return User("Bob", Role.VIEW)


@pytest.mark.parametrize(
    ("inspector", "shows"),
    [
        (Inspector(), True),
        (Inspector(host="::1"), True),
        (Inspector(neighbours=False), False),
        (Inspector(host="0.0.0.0"), False),
        (Inspector(allowed_hosts=["inspector.example"]), False),
        (Inspector(allowed_hosts=["inspector.example"], neighbours=True), True),
        (Inspector(auth=ada), False),
        (Inspector(auth=ada, neighbours=True), True),
    ],
    ids=range(8),
)
async def test_who_shows_others(inspector: Inspector, shows: bool) -> None:
    async with (
        runtime_with(inspector),
        client(inspector) if inspector.token else of_users(inspector) as http,
    ):
        answers = [await http.get(path) for path in ("/api/runtimes", f"/api/runtimes/{'0' * 16}/tasks")]

    assert answers[0].status_code == (200 if shows else 404)
    assert said(answers[1]) == (404, "unknown-runtime" if shows else "not-found")


async def test_a_mounted_one_shows_others_only_if_told_to() -> None:
    inspector = Inspector()
    statuses: list[int] = []
    async with runtime_with(inspector), runtime_with() as runtime:
        for neighbours in (False, True):
            app = asgi(runtime, "t" * 20, neighbours=neighbours)
            async with served_by(app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as http:
                http.headers["authorization"] = f"Bearer {'t' * 20}"
                answer = await http.get("/api/runtimes")
                statuses.append(answer.status_code)
        items = answer.json()["items"]

    assert statuses == [404, 200]
    assert [(item["url"], item["this"], item["answers"]) for item in items] == [(inspector.url, False, True)]


async def test_users_who_may_look_do_not_get_there() -> None:
    inspector = Inspector(auth=bob, neighbours=True)
    async with runtime_with(inspector), of_users(inspector) as http:
        answers = [await http.get(path) for path in ("/api/runtimes", f"/api/runtimes/{'0' * 16}/tasks")]

    assert [said(answer) for answer in answers] == [(403, "forbidden")] * 2


async def test_what_a_user_does_to_another_runtime_is_done_in_her_name() -> None:
    one, two = Inspector(auth=ada, neighbours=True), Inspector()
    async with runtime_with(two) as other, runtime_with(one), of_users(one) as http:
        await other.tasks.register_external("s", TaskSpec(id="t"))
        far = await path_of(http, two.url)
        me = (await http.get(f"{far}/me")).json()
        cancelled = await http.post(f"{far}/tasks/t/cancel", json={"actor": "mallory"})

    assert me == {"name": "Ada", "role": "steer", "auth": "users", "sees_runtimes": False}
    assert cancelled.json()["cancel_actor"] == "Ada"


def test_h11_reads_no_head_of_any_length() -> None:
    http = h11.Connection(h11.CLIENT)
    http.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
    http.receive_data(b"HTTP/1.1 200 OK\r\nx: " + b"x" * 100_000)
    with pytest.raises(h11.RemoteProtocolError):
        http.next_event()
