"""What other plugins answer over HTTP, as routes; one that is in the way of another is noted and left out."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import attrs
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.routing import Mount as StarletteMount

from hostel.runtime import Endpoint, Mount, PluginFailed
from hostel.runtime.hookspecs import register_routes

from .._users import Way, caller_of
from .params import read_json
from .plugin_mounts import FAILED, Mounted
from .problems import Problem

if TYPE_CHECKING:
    from starlette.requests import Request

    from hostel.runtime import PluginRegistry, Runtime
    from hostel.sessions import JsonValue

    from .._users import Caller

OWN = (
    *("kinds", "me", "runtime", "runtimes", "sessions", "tasks", "transfer"),
    *("events", "plugins", "panels", "lints", "history"),
)
RESERVED = ("/api", "/page", "/health", "/proof", "/metrics", "/openapi.json")


@attrs.define
class PluginRoutes:
    """The routes of all plugins of a runtime, and the endpoints and mounts among them."""

    routes: list[BaseRoute] = attrs.Factory(list)
    endpoints: list[Endpoint] = attrs.Factory(list)
    mounts: list[Mount] = attrs.Factory(list)
    _mounted: list[Mounted] = attrs.Factory(list)
    _taken: dict[tuple[str, str], str] = attrs.Factory(dict)

    @classmethod
    def of(cls, runtime: Runtime) -> PluginRoutes:
        """Ask all plugins of `runtime`.

        :raises PluginFailed: if a built-in or given one describes what cannot be served.
        """
        found = cls()
        for plugin, described in runtime.plugins.collect(register_routes, runtime):
            try:
                found.add(described, runtime.plugins, plugin)
            except ValueError as error:
                runtime.plugins.note(plugin, "register_routes", error)
        return found

    def add(self, described: Endpoint | Mount, plugins: PluginRegistry, plugin: str) -> None:
        """Take in an endpoint or a mount of a plugin.

        :raises ValueError: if its path is not free.
        """
        if isinstance(described, Endpoint):
            is_free = described.path.partition("/")[0] not in OWN
            self._take(described.method, described.path, plugin, is_free=is_free)
            self.routes.append(_endpoint_route(described, plugins, plugin))
            self.endpoints.append(described)
        else:
            is_free = described.path.startswith("/") and not described.path.startswith(RESERVED)
            self._take("", described.path, plugin, is_free=is_free and described.path != "/")
            mounted = Mounted(described, plugins, plugin)
            self.routes.append(StarletteMount(described.path, mounted))
            self.mounts.append(described)
            self._mounted.append(mounted)

    def of_plugin(self, plugin: str) -> frozenset[tuple[str, str]]:
        """Return the methods and paths below `/api/` that a plugin answers; a mount has "" for a method."""
        return frozenset(route for route, owner in self._taken.items() if owner == plugin)

    def refuse(self, path: str, problem: Problem) -> Response:
        """Return how a request for `path` is told of `problem` before it reaches anybody."""
        there = next((mounted for mounted in self._mounted if mounted.covers(path)), None)
        return problem.response() if there is None else there.refuse(problem)

    def _take(self, method: str, path: str, plugin: str, *, is_free: bool) -> None:
        if not is_free or (method, path) in self._taken:
            raise ValueError(f"the path {path!r} is taken")
        self._taken[method, path] = plugin


def _endpoint_route(endpoint: Endpoint, plugins: PluginRegistry, plugin: str) -> Route:
    async def answer(query: dict[str, str], body: JsonValue) -> bytes:
        value = await endpoint.answer(query, body)
        page: JsonValue = {"items": value, "next": None} if isinstance(value, list) else value
        try:
            # infinities are no JSON, though Python writes them
            return json.dumps(page, separators=(",", ":"), allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            # a ValueError from the plugin itself would be the peer's mistake
            raise TypeError(f"answered with what is not JSON: {error}") from error

    async def respond(request: Request) -> Response:
        body = await read_json(request) if endpoint.method == "POST" else None
        body = _signed(body, caller_of(request.scope), endpoint)
        ask = partial(answer, dict(request.query_params), body)
        try:
            data = await plugins.call(plugin, where, ask, passing=(LookupError, ValueError))
        except PluginFailed as error:
            raise FAILED from error
        except LookupError as error:
            raise Problem(404, "not-found", str(error)) from error
        except ValueError as error:
            raise Problem(400, "invalid-request", str(error)) from error
        return Response(data, media_type="application/json")

    where = f"{endpoint.method} /api/{endpoint.path}"
    return Route(f"/api/{endpoint.path}", respond, methods=[endpoint.method])


def _signed(body: JsonValue, caller: Caller, endpoint: Endpoint) -> JsonValue:
    """Return what is posted with who does it as `actor`, where the plugin takes that or might."""
    if body is None and endpoint.method == "POST" and endpoint.takes_actor:
        body = {}
    if not isinstance(body, dict):
        return body
    given = body.get("actor")
    if endpoint.takes_actor:
        return {**body, "actor": caller.actor(given if isinstance(given, str) else None)}
    # no plugin may be told another name than the user's
    return {**body, "actor": caller.actor(None)} if given is not None and caller.way is Way.USERS else body
