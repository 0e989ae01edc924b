"""What a runtime that serves answers about its downloads: `/api/downloads` and what is below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import attrs

from hostel.runtime import Endpoint

from ._errors import PullError
from ._events import to_json
from ._queue.download_request import SESSION, DownloadRequest
from ._queue.queue import NotInQueue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from hostel.sessions import JsonValue

    from ._manager import DownloadManager

    Body = Mapping[str, JsonValue]

T = TypeVar("T", bound=object)


@attrs.frozen
class DownloadsApi:
    """The verbs of a queue over HTTP.

    :ivar manager: raises LookupError as long as there is none
    """

    manager: Callable[[], DownloadManager]

    def endpoints(self) -> list[Endpoint]:
        """Return what is answered."""

        def post(path: str, verb: Callable[[Body], Awaitable[JsonValue]], summary: str) -> Endpoint:
            async def answer(_query: Mapping[str, str], body: JsonValue) -> JsonValue:
                if not isinstance(body, dict):
                    raise ValueError("the body is a JSON object")
                try:
                    return await verb(body)
                except PullError as error:
                    if isinstance(error, LookupError):
                        raise
                    raise ValueError(str(error)) from error

            return Endpoint(path, answer, "POST", summary)

        return [
            Endpoint("downloads", self._list, summary="List the queue of downloads and those that failed"),
            Endpoint("downloads/queue", self._queue, summary="Show the queue of downloads as one value"),
            post(
                "downloads", self._add, "Put a model into the queue: the fields of a request for a download"
            ),
            post("downloads/reorder", self._reorder, "Move the waiting download `id` to `position`, from 1"),
            post("downloads/retry", self._retry, "Queue the failed download `id` again"),
            post(
                "downloads/cancel", self._cancel, "Cancel or forget the download `id`; `clear_cache` drops it"
            ),
            post("downloads/clear", self._clear, "Forget all failures"),
        ]

    async def _list(self, _query: Mapping[str, str], _body: JsonValue) -> JsonValue:
        shown = to_json(await self.manager().get_queue_snapshot())
        failed = [{**failure, "status": "failed"} for failure in shown["recent_failures"]]
        return [*shown["items"], *failed]

    async def _queue(self, _query: Mapping[str, str], _body: JsonValue) -> JsonValue:
        manager = self.manager()
        folder = manager.stored_in
        shown = to_json(await manager.get_queue_snapshot())
        return {**shown, "stored_in": None if folder is None else str(folder)}

    async def _add(self, body: Body) -> JsonValue:
        session = _given(body, "session_id", str, SESSION)
        params = {name: value for name, value in body.items() if name != "session_id"}
        try:
            request = DownloadRequest.from_params(params, session_id=session)
        except TypeError as error:
            raise ValueError(str(error.args[0])) from error
        name = str(await self.manager().queue_download(request))
        rows = (await self.manager().get_queue_snapshot()).items
        return {"id": name, "position": next((row.position for row in rows if row.id == name), 0)}

    async def _reorder(self, body: Body) -> JsonValue:
        place = await self.manager().reorder_queue(_given(body, "id", str), _given(body, "position", int))
        return {"position": place}

    async def _retry(self, body: Body) -> JsonValue:
        return {"position": await self.manager().retry(_given(body, "id", str))}

    async def _cancel(self, body: Body) -> JsonValue:
        clear = _given(body, "clear_cache", bool, False)
        receipt = await self.manager().cancel_download(_given(body, "id", str), clear_cache=clear)
        if not receipt.matched:
            raise NotInQueue(_given(body, "id", str))
        return attrs.asdict(receipt)

    async def _clear(self, _body: Body) -> JsonValue:
        await self.manager().clear_failed()
        return {}


def _given(body: Body, name: str, kind: type[T], default: T | None = None) -> T:
    value = body.get(name, default)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{name} is to be given as {kind.__name__}")
    return value
