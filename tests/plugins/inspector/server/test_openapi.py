"""The API does what its description says."""

import subprocess
import sys
from pathlib import Path

import httpx
from starlette.routing import Route

from hostel.plugins.inspector._panels.gathering import PluginPanels
from hostel.plugins.inspector._server.api import Api
from hostel.plugins.inspector._server.app import _own_routes
from hostel.plugins.inspector._server.tokens import Tokens

from ..conftest import Served
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


async def test_every_route_is_described_and_every_description_has_a_route(served: Served) -> None:
    described = (await served.http.get("/openapi.json")).json()
    routes = {
        (method, route.path.replace(":path", ""))
        for route in _own_routes(Api(served.runtime, Tokens(None)), PluginPanels(served.runtime.plugins))
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }

    told = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}

    assert told == routes


async def test_it_names_the_version_and_the_way_in(served: Served) -> None:
    described = (await served.http.get("/openapi.json")).json()

    assert described["openapi"].startswith("3.1")
    assert described["info"]["version"] != "0"
    assert described["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert described["security"] == [{"token": []}]


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
                "--max-examples",
                "8",
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
