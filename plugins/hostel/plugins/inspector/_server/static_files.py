"""The page: plain files of this package, the same for everybody and without anything of the runtime."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def page_routes() -> list[Route]:
    """Return a route for each file of the page, `/` for the page itself."""
    found = sorted(files("hostel.plugins.inspector").joinpath("page").iterdir(), key=lambda file: file.name)
    return [
        _route("/" if file.name == "index.html" else f"/page/{file.name}", file.name, file.read_bytes())
        for file in found
        if file.name.rpartition(".")[2] in MEDIA_TYPES
    ]


def _route(path: str, name: str, data: bytes) -> Route:
    headers = {"etag": f'"{hashlib.sha256(data).hexdigest()[:16]}"', "cache-control": "no-cache"}
    media_type = MEDIA_TYPES[name.rpartition(".")[2]]

    async def respond(request: Request) -> Response:
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(data, headers=headers, media_type=media_type)

    return Route(path, respond)
