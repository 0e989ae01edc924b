"""The description of the API, for programs that read OpenAPI."""

from __future__ import annotations

import json
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostel.runtime import Endpoint
    from hostel.sessions import JsonValue

    Json = dict[str, JsonValue]


def openapi(endpoints: Iterable[Endpoint]) -> Json:
    """Return the description, with the endpoints of plugins in it."""
    text = files("hostel.plugins.inspector").joinpath("openapi.json").read_text()
    described = cast("Json", json.loads(text))
    cast("Json", described["info"])["version"] = version("hostel")
    paths = cast("dict[str, Json]", described["paths"])
    for endpoint in endpoints:
        path = paths.setdefault(f"/api/{endpoint.path}", {})
        path.setdefault(endpoint.method.lower(), _operation(endpoint))
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
