"""What other plugins answer over HTTP, as routes; one that is in the way of another is noted and left out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

import attrs
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.routing import Mount as StarletteMount

from hostel.runtime import Endpoint, Mount

from ._feed import to_json
from ._inputs import read_json
from ._mounted import FAILED, Mounted
from ._problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.requests import Request

    from hostel.runtime import Runtime

OWN = ("sessions", "tasks", "transfer", "events", "plugins")
RESERVED = ("/api", "/page", "/health", "/proof", "/openapi.json")


@attrs.define
class PluginRoutes:
    """The routes of all plugins of a runtime, and the endpoints among them."""

    routes: list[BaseRoute] = attrs.Factory(list)
    endpoints: list[Endpoint] = attrs.Factory(list)
    _taken: set[tuple[str, str]] = attrs.Factory(set)

    @classmethod
    def of(cls, runtime: Runtime) -> PluginRoutes:
        """Ask all plugins of `runtime`."""
        found = cls()
        for plugin, described in runtime.plugins.collect("register_routes", runtime=runtime):
            note = partial(runtime.plugins.note, plugin, "answering")
            for one in cast("Iterable[object]", described):
                try:
                    found.add(one, note)
                except ValueError as error:
                    runtime.plugins.note(plugin, "register_routes", error)
        return found

    def add(self, described: object, note: Callable[[Exception], None]) -> None:
        """Take in an endpoint or a mount; `note` is told what it raises.

        :raises ValueError: if it is neither, or its path is not free.
        """
        if isinstance(described, Endpoint):
            self._take(described.method, described.path, described.path.partition("/")[0] not in OWN)
            self.routes.append(_endpoint_route(described, note))
            self.endpoints.append(described)
        elif isinstance(described, Mount):
            is_free = described.path.startswith("/") and not described.path.startswith(RESERVED)
            self._take("", described.path, is_free and described.path != "/")
            self.routes.append(StarletteMount(described.path, Mounted(described.app, note)))
        else:
            raise ValueError(f"{described!r} is neither an Endpoint nor a Mount")

    def answers(self, method: str, path: str) -> bool:
        """Tell whether a plugin answers at `/api/<path>`."""
        return (method, path) in self._taken

    def _take(self, method: str, path: str, is_free: bool) -> None:
        if not is_free or (method, path) in self._taken:
            raise ValueError(f"the path {path!r} is taken")
        self._taken.add((method, path))


def _endpoint_route(endpoint: Endpoint, note: Callable[[Exception], None]) -> Route:
    async def respond(request: Request) -> Response:
        body = await read_json(request) if endpoint.method == "POST" else None
        try:
            value = await endpoint.answer(dict(request.query_params), body)
        except LookupError as error:
            raise Problem(404, "not-found", str(error)) from error
        except ValueError as error:
            raise Problem(400, "invalid-request", str(error)) from error
        except Exception as error:
            note(error)
            raise FAILED from error
        if isinstance(value, list):
            value = {"items": value, "next": None}
        return Response(to_json(value), media_type="application/json")

    return Route(f"/api/{endpoint.path}", respond, methods=[endpoint.method])
