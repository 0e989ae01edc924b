"""The inspector as an application to mount in a server of one's own."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ._errors import TwoWaysIn
from ._server.api import Api
from ._server.app import build
from ._server.host_names import host_names
from ._server.http1 import PeerGone
from ._server.problems import Problem
from ._server.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Receive, Scope, Send

    from hostel.runtime import AsgiApp, Runtime

    from ._users import Auth

CLOSED = Problem(503, "host-closed", "the runtime is not open")


class MountedInspector:
    """Serves a runtime below any path of another server; `token` is what every request must carry, empty
    where `auth` tells who asks.

    The runtime may be opened after this was made; until then everything is answered with 503."""

    def __init__(
        self,
        runtime: Runtime,
        token: str | None,
        allowed_hosts: Iterable[str],
        auth: Auth | None,
        *,
        neighbours: bool,
    ) -> None:
        if token is not None and auth is not None:
            raise TwoWaysIn
        self._runtime = runtime
        self._auth = auth
        self._neighbours = neighbours
        self._tokens = Tokens(token, opens=auth is None)
        self._allowed = host_names(allowed_hosts)
        self._app: AsgiApp | None = None
        self.token = self._tokens.token if self._tokens.opens else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(f"the inspector answers http, not {scope['type']}")
        app = self._opened() or CLOSED.response()
        with suppress(PeerGone):
            await app(scope, receive, send)

    def _opened(self) -> AsgiApp | None:
        if self._app is None and hasattr(self._runtime, "tasks"):
            # it leaves no card, so none of the runtimes it shows is this one
            api = Api(self._runtime, self._tokens, own_url="" if self._neighbours else None)
            self._app = build(
                self._runtime, api, self._tokens, self._auth, host="localhost", allowed=self._allowed
            )
        return self._app
