"""The plugin's life in a runtime: what it opens, what it leaves, what others may add."""

import json
import logging
import socket
from collections.abc import Mapping
from pathlib import Path

import anyio
import httpx
import pytest

from hostel.plugins.inspector import Inspector, PortInUse, WeakToken
from hostel.runtime import AsgiMessage, Endpoint, Mount, PluginFailed, Runtime, cards, hookimpl
from hostel.sessions import JsonValue

from .conftest import client, runtime_with


def listening() -> set[str]:
    """The addresses this process listens at."""
    ours = {str(fd.readlink()) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()}
    lines = Path("/proc/self/net/tcp").read_text().splitlines()[1:]
    sockets = [line.split() for line in lines]
    return {one[1] for one in sockets if one[3] == "0A" and f"socket:[{one[9]}]" in ours}


async def test_a_runtime_without_an_inspector_opens_no_port(runtime_folder: Path) -> None:
    before = listening()
    async with runtime_with():
        assert listening() <= before
        assert not runtime_folder.exists()
    async with runtime_with(Inspector()):
        assert len(listening() - before) == 1


async def test_a_card_is_there_exactly_while_the_runtime_serves(runtime_folder: Path) -> None:
    inspector = Inspector()
    async with runtime_with(inspector):
        [card] = cards.running()
        assert (card.url, card.token) == (inspector.url, inspector.token)
        assert httpx.URL(card.url).host == "127.0.0.1"

    assert list(runtime_folder.iterdir()) == []


async def test_nobody_listens_any_more_when_the_runtime_has_stopped() -> None:
    inspector = Inspector()
    async with runtime_with(inspector):
        port = httpx.URL(inspector.url).port or 0
    with pytest.raises(OSError, match=r".*"):
        await anyio.connect_tcp("127.0.0.1", port)


async def test_a_runtime_can_be_served_again() -> None:
    inspector = Inspector()
    for _ in range(2):
        async with runtime_with(inspector), client(inspector) as http:
            assert (await http.get("/api/tasks")).status_code == 200


async def test_the_page_is_opened_with_the_token_where_no_server_sees_it() -> None:
    inspector = Inspector(token="a-token-of-my-own")
    async with runtime_with(inspector):
        url = httpx.URL(inspector.page_url)

    assert url.fragment == "token=a-token-of-my-own"
    assert b"token" not in url.raw_path


def test_tokens_are_made_up_long_and_differ() -> None:
    first, second = Inspector().token, Inspector().token

    assert first != second
    assert len(first) >= 32


@pytest.mark.parametrize("token", ["", "short", "x" * 15, "x" * 20 + " ", "x" * 20 + "\n", "x" * 20 + "ü"])
def test_a_weak_token_is_refused(token: str) -> None:
    with pytest.raises(WeakToken, match="16 printable ASCII"):
        Inspector(token=token)


async def test_a_port_that_another_program_has_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PluginFailed) as failed:
            async with runtime_with(Inspector(port=port)):
                pass

    cause = failed.value.__cause__
    assert isinstance(cause, PortInUse)
    assert cause.holder is None
    assert str(cause) == f"port {port} of 127.0.0.1 is in use by another program: choose another port"


async def test_a_port_that_a_runtime_of_ours_has_names_its_card() -> None:
    first = Inspector()
    async with runtime_with(first):
        port = httpx.URL(first.url).port or 0
        with pytest.raises(PluginFailed) as failed:
            async with runtime_with(Inspector(port=port)):
                pass
        [card] = cards.running()

    cause = failed.value.__cause__
    assert isinstance(cause, PortInUse)
    assert cause.holder == card
    assert f"the hostel runtime with pid {card.pid}" in str(cause)
    assert card.token not in str(cause)


async def test_it_serves_ipv6_and_names() -> None:
    for host in ("::1", "localhost"):
        inspector = Inspector(host=host)
        async with runtime_with(inspector), client(inspector) as http:
            assert (await http.get("/health")).status_code == 200


class Rooms:
    name = "rooms"

    @hookimpl
    def register_routes(self, runtime: Runtime) -> list[Endpoint | Mount]:
        async def rooms(query: Mapping[str, str], body: JsonValue) -> JsonValue:
            if query.get("floor") == "13":
                raise LookupError("there is no such floor")
            return [{"number": 1, "asked": dict(query), "body": body}]

        async def book(query: Mapping[str, str], body: JsonValue) -> JsonValue:
            if not isinstance(body, dict):
                raise ValueError("say which room")
            return {"booked": body["room"]}

        async def app(scope: AsgiMessage, receive, send) -> None:  # type: ignore[no-untyped-def]
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": scope["path"].encode()})

        return [
            Endpoint("rooms", rooms, summary="All rooms"),
            Endpoint("rooms", book, "POST"),
            Endpoint("downloads", rooms),
            Mount("/v1", app),
        ]


async def test_other_plugins_answer_over_http_too() -> None:
    inspector = Inspector()
    async with runtime_with(Rooms(), inspector), client(inspector) as http:
        listed = (await http.get("/api/rooms", params={"floor": "2"})).json()
        booked = (await http.post("/api/rooms", json={"room": 7})).json()
        missing = await http.get("/api/rooms?floor=13")
        wrong = await http.post("/api/rooms", json=[])
        crash = await http.post("/api/rooms", json={})
        mounted = await http.get("/v1/files")
        downloads = (await http.get("/api/downloads")).json()
        described = (await http.get("/openapi.json")).json()

    assert listed == {"items": [{"number": 1, "asked": {"floor": "2"}, "body": None}], "next": None}
    assert booked == {"booked": 7}
    assert (missing.status_code, missing.json()["detail"]) == (404, "there is no such floor")
    assert (wrong.status_code, wrong.json()["detail"]) == (400, "say which room")
    assert crash.status_code == 404
    assert mounted.text == "/v1/files"
    assert downloads["items"]
    assert described["paths"]["/api/rooms"]["get"]["summary"] == "All rooms"


async def test_what_plugins_answer_is_behind_the_token() -> None:
    inspector = Inspector()
    async with runtime_with(Rooms(), inspector), httpx.AsyncClient(trust_env=False) as stranger:
        for path in ("/api/rooms", "/v1/files"):
            assert (await stranger.get(inspector.url + path)).status_code == 401


class Pushy:
    name = "pushy"

    @hookimpl
    def register_routes(self) -> list[Endpoint | Mount]:
        async def answer(query: Mapping[str, str], body: JsonValue) -> JsonValue:
            raise RuntimeError("a bug of the plugin")

        async def app(scope: AsgiMessage, receive, send) -> None:  # type: ignore[no-untyped-def]
            raise RuntimeError("a bug of the mount")

        return [
            Endpoint("tasks", answer),
            Endpoint("fine", answer),
            Mount("/app", app),
            Mount("/api/x", app),
        ]


async def test_a_route_in_the_way_is_noted_and_left_out() -> None:
    inspector = Inspector()
    async with runtime_with(Pushy(), inspector) as runtime, client(inspector) as http:
        tasks = await http.get("/api/tasks")
        failures = {info.name: info.failure for info in runtime.plugins}

    assert tasks.json()["items"] == []
    assert failures["pushy"] is not None
    assert failures["pushy"].startswith("register_routes:")


@pytest.mark.parametrize(
    ("path", "note"),
    [
        ("/api/fine", "GET /api/fine: RuntimeError: a bug of the plugin"),
        ("/app/x", "answering /app: RuntimeError: a bug of the mount"),
    ],
)
async def test_a_bug_in_a_route_is_500_noted_against_its_plugin_and_harms_nobody(
    path: str, note: str
) -> None:
    inspector = Inspector()
    async with runtime_with(Pushy(), inspector) as runtime, client(inspector) as http:
        answer = await http.get(path)
        again = await http.get("/api/tasks")
        failures = {info.name: info.failure for info in runtime.plugins}

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "bug" not in answer.text
    assert again.status_code == 200
    assert failures["pushy"] == note
    assert failures["inspector.server"] is None


ITSELF: list[object] = []
ITSELF.append(ITSELF)


@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, b"bytes", {"a": object()}, {(1, 2): 3}, [float("nan")], {"a": float("inf")}, ITSELF],
    ids=["object", "set", "bytes", "object within", "key", "NaN", "infinity", "circle"],
)
async def test_an_answer_that_is_not_json_is_500_noted_against_its_plugin(value: object) -> None:
    class Odd:
        name = "odd"

        @hookimpl
        def register_routes(self) -> list[Endpoint]:
            async def answer(query: Mapping[str, str], body: JsonValue) -> JsonValue:
                return value  # type: ignore[return-value]

            return [Endpoint("odd", answer)]

    inspector = Inspector()
    async with runtime_with(Odd(), inspector) as runtime, client(inspector) as http:
        answer = await http.get("/api/odd")
        again = await http.get("/api/tasks")
        failures = {info.name: info.failure or "" for info in runtime.plugins}

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert again.status_code == 200
    assert failures["odd"].startswith("GET /api/odd: TypeError: ")
    assert "JSON" in failures["odd"]
    assert failures["inspector.server"] == ""


async def test_the_token_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    inspector = Inspector()
    async with runtime_with(Pushy(), inspector), client(inspector) as http:
        await http.get("/api/fine")
        await http.get("/api/tasks", headers={"authorization": "Bearer wrong"})

    assert inspector.token not in caplog.text


async def test_a_card_names_nothing_but_how_to_reach_the_runtime(runtime_folder: Path) -> None:
    async with runtime_with(Inspector()):
        [path] = runtime_folder.iterdir()
        assert set(json.loads(path.read_text())) == {"url", "token", "pid", "started_at", "process_start"}
