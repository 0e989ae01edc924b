"""Behind nginx, which nobody here wrote: a name, TLS, a path before ours."""

import ssl
from pathlib import Path

import httpcore
import httpx
import httpx_sse
import pytest

from hostel.plugins.inspector import Inspector
from hostel.sessions import TaskSpec

from ..conftest import runtime_with
from ..program import SECONDS
from ..proxy import NAME, proxied

pytestmark = [
    pytest.mark.needs("nginx"),
    # httpx leaves its generators to the collector where a stream is left early, and trio says so
    pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning"),
]


class ToLoopback(httpcore.AsyncNetworkBackend):
    """Finds the name of the proxy on this machine."""

    def __init__(self) -> None:
        self._real = httpcore.AnyIOBackend()

    async def connect_tcp(self, host: str, port: int, *args, **kwargs):  # type: ignore[no-untyped-def]
        return await self._real.connect_tcp("127.0.0.1" if host == NAME else host, port, *args, **kwargs)


def client(url: str, inspector: Inspector, folder: Path) -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport()
    context = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    transport._pool = httpcore.AsyncConnectionPool(ssl_context=context, network_backend=ToLoopback())
    headers = {"authorization": f"Bearer {inspector.token}"}
    return httpx.AsyncClient(base_url=url, headers=headers, transport=transport, timeout=SECONDS)


@pytest.mark.parametrize("host", ["$http_host", "$host", "$proxy_host"])
async def test_all_of_it_can_be_asked_by_the_name_and_below_the_path(tmp_path: Path, host: str) -> None:
    inspector = Inspector(allowed_hosts=[NAME])
    async with runtime_with(inspector) as runtime:
        await runtime.tasks.register("s", TaskSpec(id="a"))
        with proxied(inspector.url, tmp_path / "nginx", host=host) as url:
            async with client(url, inspector, tmp_path / "nginx") as http:
                origin = {"origin": url.partition("/below")[0]}
                page = await http.get("./")
                script = await http.get("page/app.js")
                tasks = await http.get("api/tasks")
                async with httpx_sse.aconnect_sse(http, "GET", "api/events?after=start") as source:
                    first = [frame async for frame in first_of(source)]
                moved = await http.post("api/tasks/a/cancel", headers=origin)
                foreign = await http.post("api/tasks/a/cancel", headers={"origin": "https://evil.example"})

    assert "hostel" in page.text
    assert script.status_code == 200
    assert [item["id"] for item in tasks.json()["items"]] == ["a"]
    assert first[-1].event == "registered"
    assert (moved.status_code, foreign.status_code) == (200, 403)


async def first_of(source: httpx_sse.EventSource):  # type: ignore[no-untyped-def]
    async for frame in source.aiter_sse():
        yield frame
        if frame.data:
            return


async def test_a_name_that_was_not_allowed_is_refused_with_what_to_do(tmp_path: Path) -> None:
    inspector = Inspector()
    async with runtime_with(inspector):
        with proxied(inspector.url, tmp_path / "nginx") as url:
            async with client(url, inspector, tmp_path / "nginx") as http:
                refused = await http.get("api/tasks")

    assert refused.status_code == 421
    assert "--allowed-host" in refused.json()["detail"]
