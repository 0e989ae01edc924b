"""The application another plugin mounts, with its failures noted against it and its peer told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from hostel.runtime import PluginFailed

from .http1 import PeerGone
from .problems import Problem

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Message, Receive, Scope, Send

    from hostel.runtime import Mount, PluginRegistry

FAILED = Problem(500, "error", "a plugin failed to answer this; `hostel plugins` says why")


class Mounted:
    """Runs the application of a mount; what it raises is noted against its plugin, unless its peer had
    gone.
    """

    def __init__(self, mount: Mount, plugins: PluginRegistry, plugin: str) -> None:
        self._mount, self._plugins, self._plugin = mount, plugins, plugin

    def covers(self, path: str) -> bool:
        """Tell whether the plugin answers at `path`."""
        return path == self._mount.path or path.startswith(f"{self._mount.path}/")

    def refuse(self, problem: Problem) -> Response:
        """Return an answer of the server in the form that the plugin gives it."""
        if self._mount.refuse is None:
            return problem.response()
        try:
            body = self._mount.refuse(problem.status, problem.kind, str(problem))
            return JSONResponse(body, problem.status, problem.headers)
        except Exception as error:  # noqa: BLE001 - a plugin's own code; the refusal holds, whatever its form
            self._plugins.note(self._plugin, f"refusing at {self._mount.path}", error)
            return problem.response()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_gone = has_begun = False

        async def receive_watched() -> Message:
            nonlocal is_gone
            message = await receive()
            is_gone = is_gone or message["type"] == "http.disconnect"
            return message

        async def send_watched(message: Message) -> None:
            nonlocal is_gone, has_begun
            has_begun = True
            try:
                await send(message)
            except PeerGone:
                is_gone = True
                raise

        async def run() -> None:
            try:
                await self._mount.app(scope, receive_watched, send_watched)
            except Exception:
                # a peer that left is no fault of the plugin, whatever it raised over it
                if not is_gone:
                    raise

        try:
            await self._plugins.call(self._plugin, f"answering {self._mount.path}", run)
        except PluginFailed:
            if not has_begun:
                await self.refuse(FAILED)(scope, receive, send)
