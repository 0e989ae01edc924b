"""The application another plugin mounts, with its failures noted against it and its peer told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._http import PeerGone
from ._problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

FAILED = Problem(500, "error", "a plugin failed to answer this; `hostel plugins` says why")


class Mounted:
    """Runs `app`; `note` is told what it raises, unless its peer had gone."""

    def __init__(self, app: ASGIApp, note: Callable[[Exception], None]) -> None:
        self._app = app
        self._note = note

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

        try:
            await self._app(scope, receive_watched, send_watched)
        except Exception as error:  # noqa: BLE001 - a stranger's code; noted against its plugin
            if not is_gone:
                self._note(error)
            if not has_begun:
                await FAILED.response()(scope, receive, send)
