"""The application of another plugin: bodies are streamed, refusals have its form, its paths are told."""

from collections.abc import AsyncIterator

import anyio
import httpx
from anyio.abc import SocketStream

from hostel.plugins.inspector import Inspector
from hostel.runtime import AsgiMessage, Mount, Runtime, hookimpl
from hostel.sessions import JsonValue

from ..conftest import client, runtime_with
from ..program import SECONDS

MIB = 2**20
LONG = 48 * MIB
IN_FLIGHT = 16 * MIB
"""More than the kernel keeps for a connection between two sockets of one machine."""


class Files:
    """Takes bodies and sends them, part by part, once it may."""

    name = "files"

    def __init__(self) -> None:
        self.begun = anyio.Event()
        self.go_on = anyio.Event()
        self.parts: list[int] = []
        self.sent = 0

    @hookimpl
    def register_routes(self, runtime: Runtime) -> list[Mount]:
        return [Mount("/files", self.app)]

    async def app(self, scope: AsgiMessage, receive, send) -> None:  # type: ignore[no-untyped-def]
        if scope["method"] == "POST":
            await self._take(receive)
            await send({"type": "http.response.start", "status": 201, "headers": []})
            await send({"type": "http.response.body", "body": str(sum(self.parts)).encode()})
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while self.sent < LONG:
                self.sent += MIB
                await send({"type": "http.response.body", "body": bytes(MIB), "more_body": self.sent < LONG})

    async def _take(self, receive) -> None:  # type: ignore[no-untyped-def]
        more = True
        while more:
            message = await receive()
            assert message["type"] == "http.request"
            self.parts.append(len(message["body"]))
            more = message["more_body"]
            self.begun.set()
            await self.go_on.wait()


async def test_an_upload_is_as_fast_as_the_application_takes_it_and_in_small_parts() -> None:
    files, inspector, given = Files(), Inspector(), 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal given
        while given < LONG:
            given += MIB
            yield bytes(MIB)

    async def upload(http: httpx.AsyncClient) -> None:
        answers.append(await http.post("/files/x", content=body()))

    answers: list[httpx.Response] = []
    async with runtime_with(files, inspector), client(inspector) as http:
        with anyio.fail_after(SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(upload, http)
                await files.begun.wait()
                await anyio.wait_all_tasks_blocked()
                ahead = given
                files.go_on.set()

    assert ahead < IN_FLIGHT
    assert (answers[0].status_code, answers[0].text) == (201, str(LONG))
    assert max(files.parts) <= 64 * 1024


async def test_a_response_is_made_as_fast_as_its_peer_takes_it() -> None:
    files, inspector = Files(), Inspector()
    async with runtime_with(files, inspector):
        url = httpx.URL(inspector.url)
        head = f"GET /files/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {inspector.token}\r\n\r\n"
        with anyio.fail_after(SECONDS):
            async with await anyio.connect_tcp(url.host, url.port or 80) as peer:
                await peer.send(head.encode())
                received = len(await peer.receive(1))
                await anyio.wait_all_tasks_blocked()
                ahead = files.sent
                received += await _count(peer, LONG)

    assert ahead < IN_FLIGHT
    assert received >= LONG


async def _count(peer: SocketStream, wanted: int) -> int:
    received = 0
    while received < wanted:
        received += len(await peer.receive())
    return received


async def test_a_peer_that_leaves_is_no_failure_of_the_application() -> None:
    files, inspector = Files(), Inspector()
    async with runtime_with(files, inspector) as runtime:
        url = httpx.URL(inspector.url)
        head = f"POST /files/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {inspector.token}\r\n"
        with anyio.fail_after(SECONDS):
            async with await anyio.connect_tcp(url.host, url.port or 80) as peer:
                await peer.send(f"{head}Content-Length: 1000\r\n\r\nhalf".encode())
                await files.begun.wait()
            files.go_on.set()
            async with client(inspector) as http:
                await http.get("/health")
        failures = {info.name: info.failure for info in runtime.plugins}

    assert failures["files"] is None


class Rooms:
    """Says in its own words why it does not answer."""

    name = "rooms"

    def __init__(self) -> None:
        self.is_confused = False

    @hookimpl
    def register_routes(self) -> list[Mount]:
        described: JsonValue = {
            "get": {"summary": "Show a room", "responses": {"200": {"description": "It"}}}
        }
        return [Mount("/rooms", self.app, paths={"/{number}": described}, refuse=self.refuse)]

    async def app(self, scope: AsgiMessage, receive, send) -> None:  # type: ignore[no-untyped-def]
        raise RuntimeError("the door is stuck")

    def refuse(self, status: int, kind: str, detail: str) -> JsonValue:
        if self.is_confused:
            raise KeyError("words")
        return {"sorry": [status, kind, detail.partition(" ")[0]]}


async def test_a_mount_says_in_its_own_form_what_the_server_refuses_or_fails_at() -> None:
    inspector, failed = Inspector(), ["error", "a"]
    async with runtime_with(Rooms(), inspector), client(inspector) as http:
        nobody = await http.get("/rooms/1", headers={"authorization": "Bearer wrong"})
        foreign = await http.get("/rooms", headers={"host": "evil.example"})
        broken = await http.get("/rooms/1")
        beside = await http.get("/roomsandmore", headers={"authorization": ""})

    assert (nobody.status_code, nobody.json()) == (401, {"sorry": [401, "unauthorized", "send"]})
    assert nobody.headers["www-authenticate"] == 'Bearer realm="hostel"'
    assert nobody.headers["x-content-type-options"] == "nosniff"
    assert (foreign.status_code, foreign.json()["sorry"][1]) == (421, "foreign-host")
    assert (broken.status_code, broken.json()["sorry"]) == (500, [500, *failed])
    assert beside.json()["type"] == "urn:hostel:problem:unauthorized"


async def test_a_mount_that_fails_to_refuse_is_noted_and_what_it_guards_stays_shut() -> None:
    rooms, inspector = Rooms(), Inspector()
    rooms.is_confused = True
    async with runtime_with(rooms, inspector) as runtime, client(inspector) as http:
        nobody = await http.get("/rooms/1", headers={"authorization": ""})
        failures = {info.name: info.failure for info in runtime.plugins}

    assert (nobody.status_code, nobody.json()["type"]) == (401, "urn:hostel:problem:unauthorized")
    assert failures["rooms"] == "refusing at /rooms: KeyError: 'words'"


async def test_what_a_mount_says_of_its_paths_is_in_the_description_and_others_are_mentioned() -> None:
    inspector = Inspector()
    async with runtime_with(Rooms(), Files(), inspector), client(inspector) as http:
        described = (await http.get("/openapi.json")).json()

    assert described["paths"]["/rooms/{number}"]["get"]["summary"] == "Show a room"
    assert {tag["name"] for tag in described["tags"]} == {"/rooms", "/files"}
