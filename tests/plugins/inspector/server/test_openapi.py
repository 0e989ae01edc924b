"""The API does what its description says."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import httpx
from starlette.routing import Route

from hostel.plugins.inspector import Inspector
from hostel.plugins.inspector._panels.gathering import PluginPanels
from hostel.plugins.inspector._server.api import Api
from hostel.plugins.inspector._server.app import _own_routes
from hostel.plugins.inspector._server.tokens import Tokens
from hostel.runtime import TaskKind, hookimpl
from hostel.sessions import TaskSpec

from ..conftest import Served, client, runtime_with
from ..program import SECONDS, running

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "ignored_auth",
    "unsupported_method",
)


VERBS: dict[str, object] = {
    "cancel": {},
    "transfer": {"session_id": "t"},
    "answer": {"value": "x"},
    "messages": {"message": "x"},
}
"""What steers one task, with a body for each."""


async def test_every_route_is_described_and_every_description_has_a_route(served: Served) -> None:
    described = (await served.http.get("/openapi.json")).json()
    routes = {
        (method, route.path.replace(":path", ""))
        for route in _own_routes(Api(served.runtime, Tokens(None)), PluginPanels(served.runtime.plugins))
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }

    own = {path: methods for path, methods in described["paths"].items() if not path.startswith("/v1")}
    told = {(method.upper(), path) for path, methods in own.items() for method in methods}

    assert told == routes


async def test_it_names_the_version_and_the_way_in(served: Served) -> None:
    described = (await served.http.get("/openapi.json")).json()

    assert described["openapi"].startswith("3.1")
    assert described["info"]["version"] != "0"
    assert described["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert described["security"] == [{"token": []}]


async def test_what_may_insist_on_what_it_saw_says_how_it_is_told_that_it_is_not_so(served: Served) -> None:
    described = (await served.http.get("/openapi.json")).json()
    operations = [
        (method, path, item[method]) for path, item in described["paths"].items() for method in item
    ]
    insisting = {"$ref": "#/components/parameters/if_match"}

    declared = {path for _, path, operation in operations if "412" in operation["responses"]}
    may = {path for _, path, operation in operations if insisting in operation.get("parameters", [])}

    assert declared == may == {f"/api/tasks/{{task_id}}/{verb}" for verb in VERBS}
    await served.host.register_external("s", TaskSpec(id="a"))
    for verb, body in VERBS.items():
        answer = await served.http.post(f"/api/tasks/a/{verb}", json=body, headers={"if-match": '"stale"'})
        assert answer.status_code == 412, verb


class Kinds:
    """Brings a kind that may be started by whoever has the token."""

    name = "kinds"

    @hookimpl
    def register_task_kinds(self) -> list[TaskKind]:
        return [TaskKind("x", anyio.sleep_forever, exposed=True)]


async def test_limits_of_texts_are_true() -> None:
    inspector = Inspector()
    async with runtime_with(Kinds(), inspector), client(inspector) as http:
        described = (await http.get("/openapi.json")).json()
        assert await tried(http, described) > 10


async def tried(http: httpx.AsyncClient, described: Any) -> int:
    """Send each text that has a limit as long as it may be, and longer; return how many there are."""
    count = 0
    for path, item in described["paths"].items():
        body = item.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
        schema = body.get("schema", {})
        where = path.replace("{task_id}", "nobody").replace("{session_id}", "nobody")
        for name, limit in bounded(schema):
            least = {field: smallest(schema["properties"][field]) for field in schema.get("required", ())}
            fits = await http.post(where, json={**least, name: "x" * limit})
            too_long = await http.post(where, json={**least, name: "x" * (limit + 1)})
            count += 1

            assert fits.status_code != 400, (path, name, fits.text)
            assert too_long.status_code == 400, (path, name, too_long.text)
    return count


def bounded(schema: Any) -> list[tuple[str, int]]:
    found = schema.get("properties", {}).items()
    return [(name, field["maxLength"]) for name, field in found if "maxLength" in field]


def smallest(schema: Any) -> object:
    return ["x"] if schema.get("type") == "array" else "x"


def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    # what is wrong may be so long that its length is what is told
    refused = "[checks.negative_data_rejection]\nexpected-statuses = [400, 404, 409, 413, 422]\n"
    (tmp_path / "schemathesis.toml").write_text(refused)
    with running("trio", tmp_path) as program:
        url = httpx.URL(program.page_url)
        done = subprocess.run(
            [
                str(Path(sys.executable).parent / "schemathesis"),
                "run",
                str(url.copy_with(fragment=None, path="/openapi.json")),
                "--header",
                f"Authorization: Bearer {url.fragment.partition('=')[2]}",
                "--checks",
                ",".join(CHECKS),
                "--exclude-path",
                "/api/events",
                "--exclude-path-regex",
                "^/v1/",  # nothing is there without an upstream, and its forms are OpenAI's
                "--max-examples",
                "8",
                "--generation-deterministic",
                "--request-timeout",
                "60",
                "--no-color",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    assert done.returncode == 0, done.stdout
