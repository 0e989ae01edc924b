"""The web application of one runtime: its routes, those of its plugins, the page, who may ask before all."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hostel.runtime import RuntimeFault
from hostel.sessions import SessionsError

from .._panels.gathering import PluginPanels
from .auth import AuthMiddleware, Users
from .event_stream import to_json
from .openapi import openapi
from .plugin_routes import PluginRoutes
from .problems import Problem, on_http_error, on_known_error, on_problem
from .static_files import page_routes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from hostel.runtime import AsgiApp, Runtime
    from hostel.sessions import JsonValue

    from .._users import Auth
    from .api import Api
    from .tokens import Tokens


def build(
    runtime: Runtime, api: Api, tokens: Tokens, auth: Auth | None, *, host: str, allowed: frozenset[str]
) -> AsgiApp:
    """Return the application that serves `runtime` at `host`, which also goes by the names `allowed`.

    `auth` tells who asks; None leaves that to the token.
    """
    theirs, pages = PluginRoutes.of(runtime), page_routes()
    panels = PluginPanels.of(runtime.plugins, theirs)
    routes: list[BaseRoute] = [*_own_routes(api, panels), *theirs.routes, *pages]
    routes.append(Route("/openapi.json", _constant(openapi(theirs.endpoints, theirs.mounts))))
    app = Starlette(
        routes=routes,
        exception_handlers={
            Problem: on_problem,
            SessionsError: on_known_error,
            RuntimeFault: on_known_error,
            HTTPException: on_http_error,
            Exception: on_problem,
        },
    )
    app.router.redirect_slashes = False  # a redirect would name the host and the path behind a proxy
    public = frozenset(["/health", "/proof", *(page.path for page in pages)])
    users = None if auth is None else Users(auth, runtime.plugins)
    return cast(
        "AsgiApp",
        AuthMiddleware(app, tokens, users, host=host, allowed=allowed, public=public, refuse=theirs.refuse),
    )


def _own_routes(api: Api, panels: PluginPanels) -> list[Route]:
    return [
        Route("/health", api.health),
        Route("/proof", api.proof),
        Route("/api/me", api.me),
        Route("/api/sessions", api.sessions),
        Route("/api/sessions/{session_id:path}/inbox", api.inbox),
        Route("/api/sessions/{session_id:path}/inbox/ack", api.acknowledge, methods=["POST"]),
        Route("/api/kinds", api.kinds),
        Route("/api/tasks", api.tasks),
        Route("/api/tasks", api.start, methods=["POST"]),
        Route("/api/tasks/wait", api.wait, methods=["POST"]),
        Route("/api/tasks/{task_id:path}/cancel", api.cancel, methods=["POST"]),
        Route("/api/tasks/{task_id:path}/transfer", api.transfer, methods=["POST"]),
        Route("/api/tasks/{task_id:path}/answer", api.answer, methods=["POST"]),
        Route("/api/tasks/{task_id:path}/messages", api.send, methods=["POST"]),
        Route("/api/tasks/{task_id:path}/output", api.output),
        Route("/api/tasks/{task_id:path}", api.task),
        Route("/api/history", api.history),
        Route("/api/transfer", api.transfer_many, methods=["POST"]),
        Route("/api/events", api.events),
        Route("/api/events/ticket", api.ticket, methods=["POST"]),
        Route("/api/plugins", api.plugins),
        Route("/api/runtime", api.runtime),
        Route("/api/runtimes", api.runtimes),
        Route("/api/runtimes/{runtime_id}/{rest:path}", api.forward, methods=["GET", "POST"]),
        Route("/api/panels", panels.listing),
        Route("/api/lints", api.lints),
        Route("/metrics", api.metrics),
    ]


def _constant(value: JsonValue) -> Callable[[Request], Awaitable[Response]]:
    data = to_json(value)

    async def respond(_: Request) -> Response:
        return Response(data, media_type="application/json")

    return respond
