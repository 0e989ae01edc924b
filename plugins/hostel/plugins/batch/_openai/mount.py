"""What is at `/v1` of an inspector's server: files and batches, or why there are none."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from .._model.objects import error_object
from .app import batch_app

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from hostel.sessions import JsonValue

    from .._model.records import Batch
    from .._service import Batches

ABSENT = (
    "There is no /v1 here because requests would go nowhere:"
    " start `hostel serve` with --upstream URL or HOSTEL_UPSTREAM."
)

_asker: ContextVar[str] = ContextVar("hostel_batch_asker", default="client")
"""Whose request is answered: the user, where the server knows its users."""


def refuse(status: int, kind: str, detail: str) -> JsonValue:
    """Return what the server refuses in the form that OpenAI's clients expect."""
    code = "invalid_api_key" if status == 401 else kind.replace("-", "_")
    blame = "server_error" if status >= 500 else "invalid_request_error"
    return error_object(detail, kind=blame, code=code)


class V1:
    """Serves the batches of a runtime as soon as somebody works on them; takes nothing new while the daemon
    is dead.
    """

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        _asker.set(scope.get("hostel.user") or "client")
        app: ASGIApp = JSONResponse(error_object(ABSENT, code="no_upstream"), 404)
        # looked at for each request: work may begin at any time, long after routes were collected
        if self._batches.is_meant_to_work:
            app = self._app = self._app or await self._build()
            if scope["method"] == "POST" and not self._batches.works:
                message = f"Nothing is taken at present: {self._batches.trouble}."
                app = JSONResponse(error_object(message, kind="server_error"), 503, {"retry-after": "60"})
        await app(scope, receive, send)

    async def _build(self) -> ASGIApp:
        storage = await self._batches.storage()
        return batch_app(storage, on_created=self._batches.adopt, cancel=self._cancel)

    async def _cancel(self, batch: Batch) -> None:
        await self._batches.cancel(batch, actor=_asker.get())
