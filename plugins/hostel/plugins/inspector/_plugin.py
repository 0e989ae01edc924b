"""The plugin that serves a runtime over HTTP while it runs."""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING

import anyio
from anyio.abc import SocketAttribute

from hostel.runtime import cards, hookimpl

from ._errors import PortInUse, TwoWaysIn
from ._server.host_names import host_names, is_loopback
from ._server.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from anyio.abc import SocketStream
    from anyio.streams.stapled import MultiListener

    from hostel.runtime import AsgiApp, Runtime

    from ._server.api import Api
    from ._users import Auth

NAME = "inspector.server"
SPARE = 8
"""One connection in so many is kept for what is no event stream."""


class Inspector:
    """Serves the runtime it is given to: `Runtime(plugins=[Inspector()])`.

    `host` is the address to listen on; anything but a loopback address lets other machines ask. `port` 0
    takes a free one. `token` is what every request must carry; None makes one up. `allowed_hosts` are the
    names by which a proxy is asked for it. With `auth` there is no token, and requests are of whom `auth`
    says.

    With `neighbours` who may steer this runtime may steer the user's others on this machine, too; None means
    yes where only this machine can ask, by the token: on loopback, with no allowed hosts and no `auth`.

    Once the runtime has started, `url` is the server's address, `page_url` the page's with the token in it,
    and a card says the same to other processes of the user; with `auth` there is no card.

    :raises WeakToken: if `token` has fewer than 16 characters.
    :raises TwoWaysIn: if both `token` and `auth` are given.
    :raises InvalidHost: if one of `allowed_hosts` is neither a name nor an address.
    """

    name = NAME

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        allowed_hosts: Iterable[str] = (),
        auth: Auth | None = None,
        neighbours: bool | None = None,
    ) -> None:
        if token is not None and auth is not None:
            raise TwoWaysIn
        self.token = Tokens(token).token if auth is None else ""
        self._auth = auth
        self.url = ""
        self._allowed = host_names(allowed_hosts)
        self._host = host
        is_mine = is_loopback(host) and not self._allowed and auth is None
        self._neighbours = is_mine if neighbours is None else neighbours
        self._port = port
        self.card: Path | None = None
        self._api: Api | None = None
        self._stop = anyio.Event()
        self._stopped = anyio.Event()

    @property
    def page_url(self) -> str:
        """The address to open in a browser. The token is in the fragment, which browsers do not send."""
        return f"{self.url}/#token={self.token}" if self._auth is None else f"{self.url}/"

    @hookimpl
    async def on_startup(self, runtime: Runtime) -> None:
        """Listen, leave a card, and serve until the runtime stops."""
        from ._server.api import Api
        from ._server.app import build
        from ._server.http1 import connection_limit

        tokens, connections = Tokens(self.token or None, opens=self._auth is None), connection_limit()
        api = self._api = Api(runtime, tokens, max_streams=connections - connections // SPARE)
        listener = await self._listen()
        try:
            self.url = f"http://{_reachable(self._host)}:{listener.extra(SocketAttribute.local_port)}"
            api.own_url = self.url if self._neighbours else None
            app = build(runtime, api, tokens, self._auth, host=self._host, allowed=self._allowed)
            if self._auth is None:
                self.card = cards.leave(self.url, self.token, time.time())
        except BaseException:
            await listener.aclose()
            raise
        self._stop, self._stopped = anyio.Event(), anyio.Event()
        runtime.run_service(self._serve, runtime, listener, app, api, connections)

    @hookimpl
    async def on_shutdown(self) -> None:
        """End the streams, let requests finish, and take the card away."""
        self._stop.set()
        await self._stopped.wait()

    async def _listen(self) -> MultiListener[SocketStream]:
        try:
            return await anyio.create_tcp_listener(local_host=self._host, local_port=self._port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise PortInUse.at(self._host, self._port) from error

    async def _serve(
        self,
        runtime: Runtime,
        listener: MultiListener[SocketStream],
        app: AsgiApp,
        api: Api,
        connections: int,
    ) -> None:
        from ._server.http1 import serve

        def note(error: Exception) -> None:
            runtime.plugins.note(self.name, "serving", error)

        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._close_at_stop, api)
                await serve(listener, app, self._stop, note, connections)
                group.cancel_scope.cancel()
        finally:
            if self.card is not None:
                self.card.unlink(missing_ok=True)
            self._stopped.set()

    async def _close_at_stop(self, api: Api) -> None:
        await self._stop.wait()
        # streams last for ever: the server can stop once they end
        api.event_streams.close()


def _reachable(host: str) -> str:
    if host in ("0.0.0.0", ""):
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host
