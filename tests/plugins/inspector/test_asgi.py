"""The inspector in a server of one's own: below a path, in whatever order things are opened."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx
import httpx_sse
import pytest
from anyio.abc import SocketAttribute
from starlette.applications import Starlette
from starlette.routing import Mount

from hostel.plugins.inspector import InvalidHost, WeakToken, asgi
from hostel.plugins.inspector._server import http1
from hostel.runtime import AsgiApp
from hostel.sessions import TaskSpec

from .conftest import runtime_with
from .program import SECONDS

TOKEN = "a-token-of-the-application"


@asynccontextmanager
async def served(app: AsgiApp) -> AsyncIterator[str]:
    """Serve `app` as any server would and yield its address."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    stop, errors = anyio.Event(), list[Exception]()
    with anyio.fail_after(SECONDS):
        async with anyio.create_task_group() as group:
            group.start_soon(http1.serve, listener, app, stop, errors.append, 50)
            yield f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
            stop.set()
    assert errors == []


def client(url: str, token: str = TOKEN) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {token}"}
    return httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=SECONDS)


async def test_it_is_mounted_below_any_path() -> None:
    runtime = runtime_with()
    app = Starlette(routes=[Mount("/deep/down", asgi(runtime, TOKEN))])
    async with runtime, served(app) as url, client(f"{url}/deep/down/") as http:
        await runtime.tasks.register("s", TaskSpec(id="a"))
        page, script, health = [await http.get(path) for path in ("./", "page/app.js", "health")]
        tasks = (await http.get("api/tasks")).json()
        cancelled = await http.post("api/tasks/a/cancel", json={"reason": "enough"})
        described = (await http.get("openapi.json")).json()

    assert "<title>hostel</title>" in page.text
    assert (script.status_code, health.json()) == (200, {"status": "ok"})
    assert [item["id"] for item in tasks["items"]] == ["a"]
    assert cancelled.json()["cancel_reason"] == "enough"
    assert described["servers"] == [{"url": "."}]


async def test_nothing_is_told_without_its_token() -> None:
    runtime = runtime_with()
    inspector = asgi(runtime)
    app = Starlette(routes=[Mount("/hostel", inspector)])
    async with runtime, served(app) as url, client(f"{url}/hostel/", "no-token-of-this-one") as http:
        refused = [await http.get(path) for path in ("api/tasks", "openapi.json", "api/health")]
        page = await http.get("./")
        opened = await http.get("api/tasks", headers={"authorization": f"Bearer {inspector.token}"})

    assert {answer.status_code for answer in refused} == {401}
    assert inspector.token not in page.text
    assert opened.status_code == 200
    assert len(inspector.token) >= 32


async def test_it_goes_by_the_names_it_was_given() -> None:
    runtime = runtime_with()
    inspector = asgi(runtime, TOKEN, allowed_hosts=["app.example"])
    async with runtime, served(inspector) as url, client(url) as http:
        known = await http.get("/api/tasks", headers={"host": "app.example"})
        foreign = await http.get("/api/tasks", headers={"host": "evil.example"})

    assert (known.status_code, foreign.status_code) == (200, 421)


async def test_streams_follow_the_runtime_and_end_with_it() -> None:
    runtime = runtime_with()
    told: list[str] = []
    async with served(asgi(runtime, TOKEN)) as url, client(url) as http, anyio.create_task_group() as group:
        begun, ended = anyio.Event(), anyio.Event()

        async def follow() -> None:
            async with httpx_sse.aconnect_sse(http, "GET", "/api/events?after=start") as source:
                async for frame in source.aiter_sse():
                    told.append(frame.event)
                    begun.set()
            ended.set()

        async with runtime:
            await runtime.tasks.register("s", TaskSpec(id="a"))
            group.start_soon(follow)
            await begun.wait()
        await ended.wait()

    assert "registered" in told


async def test_a_runtime_may_be_opened_later_and_closed_before_its_server() -> None:
    runtime = runtime_with()
    async with served(asgi(runtime, TOKEN)) as url, client(url) as http:
        before = await http.get("/api/tasks")
        async with runtime:
            await runtime.tasks.register("s", TaskSpec(id="a"))
            found = (await http.get("/api/tasks")).json()["items"]
        after = await http.post("/api/tasks/a/cancel")

    for closed in (before, after):
        assert (closed.status_code, closed.json()["type"]) == (503, "urn:hostel:problem:host-closed")
    assert [item["id"] for item in found] == ["a"]


def test_a_weak_token_and_a_wrong_name_are_refused_at_once() -> None:
    with pytest.raises(WeakToken):
        asgi(runtime_with(), "short")
    with pytest.raises(InvalidHost):
        asgi(runtime_with(), TOKEN, allowed_hosts=["https://app.example"])


async def test_it_answers_http_and_says_so_to_others() -> None:
    async def nothing(*_: object) -> None:
        return None

    with pytest.raises(NotImplementedError, match="lifespan"):
        await asgi(runtime_with(), TOKEN)({"type": "lifespan"}, nothing, nothing)  # type: ignore[arg-type]
