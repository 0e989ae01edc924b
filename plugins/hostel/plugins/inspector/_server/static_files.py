"""The page: plain files of this package, the same for everybody and without anything of the runtime."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

    from starlette.requests import Request

MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def page_routes() -> list[Route]:
    """Return a route for each file of the page, `/` for the page itself."""
    folder = files("hostel.plugins.inspector").joinpath("page")
    return [
        _route("/" if path == "/page/index.html" else path, file.read_bytes())
        for path, file in _files_below("/page", folder)
        if _suffix(path) in MEDIA_TYPES
    ]


def _files_below(path: str, folder: Traversable) -> Iterator[tuple[str, Traversable]]:
    for found in sorted(folder.iterdir(), key=lambda found: found.name):
        if found.is_dir():
            yield from _files_below(f"{path}/{found.name}", found)
        else:
            yield f"{path}/{found.name}", found


def _suffix(path: str) -> str:
    return path.rpartition(".")[2]


def _route(path: str, data: bytes) -> Route:
    headers = {"etag": f'"{hashlib.sha256(data).hexdigest()[:16]}"', "cache-control": "no-cache"}
    media_type = MEDIA_TYPES["html" if path == "/" else _suffix(path)]

    async def respond(request: Request) -> Response:
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(data, headers=headers, media_type=media_type)

    return Route(path, respond)
