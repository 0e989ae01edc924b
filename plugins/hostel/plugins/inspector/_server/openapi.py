"""The description of the API, for programs that read OpenAPI."""

from __future__ import annotations

import json
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hostel.runtime import Endpoint, Mount
    from hostel.sessions import JsonValue

    Json = dict[str, JsonValue]


BELOW = "What a plugin answers below this path, in a form of its own"


def openapi(endpoints: Iterable[Endpoint], mounts: Sequence[Mount]) -> Json:
    """Return the description, with the endpoints of plugins in it and what they say of their mounts."""
    text = files("hostel.plugins.inspector").joinpath("openapi.json").read_text()
    described = cast("Json", json.loads(text))
    cast("Json", described["info"])["version"] = version("hostel")
    paths = cast("dict[str, Json]", described["paths"])
    for endpoint in endpoints:
        path = paths.setdefault(f"/api/{endpoint.path}", {})
        path.setdefault(endpoint.method.lower(), _operation(endpoint))
    for mount in mounts:
        paths.update({f"{mount.path}{path}": cast("Json", item) for path, item in mount.paths.items()})
    described["tags"] = [{"name": mount.path, "description": BELOW} for mount in mounts]
    return described


def _operation(endpoint: Endpoint) -> Json:
    operation: Json = {
        "summary": endpoint.summary or endpoint.path,
        "responses": {
            "200": {"description": "The answer of the plugin", "content": {"application/json": {}}},
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }
    if endpoint.method == "POST":
        operation["requestBody"] = {"content": {"application/json": {}}}
    return operation
