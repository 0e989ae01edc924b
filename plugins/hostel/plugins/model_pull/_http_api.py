"""What a runtime that serves answers about its downloads and models: `/api/downloads`, what is below it, and
`/api/models`."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.to_thread
import attrs

from hostel.runtime import Endpoint
from hostel.sessions import SessionsError

from ._cache.models import cached_models
from ._errors import PullError
from ._events import to_json
from ._queue.download_request import SESSION, DownloadRequest
from ._queue.queue import NotInQueue
from ._settings import hub_cache

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from hostel.sessions import BackgroundTaskHost, JsonValue

    from ._cache.models import CachedModel
    from ._manager import DownloadManager

    Body = Mapping[str, JsonValue]

T = TypeVar("T", bound=object)
USUAL_LIMIT, MOST = 100, 1_000


@attrs.frozen
class DownloadsApi:
    """The verbs of a queue over HTTP.

    :ivar manager: raises LookupError as long as there is none
    """

    manager: Callable[[], DownloadManager]
    host: BackgroundTaskHost
    _reading: anyio.Lock = attrs.Factory(anyio.Lock)

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
            Endpoint("models", self._models, summary="List the models in the cache"),
        ]

    async def _list(self, _query: Mapping[str, str], _body: JsonValue) -> JsonValue:
        shown = to_json(await self.manager().get_queue_snapshot())
        failed = [{**failure, "status": "failed"} for failure in shown["recent_failures"]]
        return [{**row, **await self._for_panel(row)} for row in (*shown["items"], *failed)]

    async def _for_panel(self, row: Mapping[str, Any]) -> dict[str, JsonValue]:
        """Return what a row of a table needs beside what is known of a download."""
        done, total = row["downloaded"], row["total"]
        task_id = next(iter(row.get("request_ids", ())), None)
        return {
            "share": min(1.0, done / total) if total else None,
            "task_id": task_id,
            "session_id": None if task_id is None else await self._session_of(task_id),
        }

    async def _session_of(self, task_id: str) -> str | None:
        """Return where a task is now; None if that is not known, or not of one task alone."""
        with suppress(SessionsError):
            record = await self.host.get(task_id)
            return None if record is None else record.session_id
        return None

    async def _models(self, query: Mapping[str, str], _body: JsonValue) -> JsonValue:
        limit, after = _limit(query), query.get("after", "")
        # one thread at a time reads the disk, however many ask
        async with self._reading:
            models = await anyio.to_thread.run_sync(cached_models, hub_cache())
        page = [model for model in models if model.id > after][: limit + 1]
        more = page[limit - 1].id if len(page) > limit else None
        return {"items": [_model(model) for model in page[:limit]], "next": more}

    async def _queue(self, _query: Mapping[str, str], _body: JsonValue) -> JsonValue:
        manager = self.manager()
        folder = manager.stored_in
        shown = to_json(await manager.get_queue_snapshot())
        return {**shown, "stored_in": None if folder is None else str(folder)}

    async def _add(self, body: Body) -> JsonValue:
        session = _given(body, "session_id", str, SESSION)
        # a form gives what was left empty as ""
        params = {name: value for name, value in body.items() if name != "session_id" and value != ""}
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


def _model(model: CachedModel) -> JsonValue:
    return {
        "id": model.id,
        "repo_id": model.repo_id,
        "revision": ", ".join(model.refs) or None,
        "commit": model.commit,
        "files": model.files,
        "size": model.size,
        "modified_at": model.modified_at,
        "path": str(model.folder),
    }


def _limit(query: Mapping[str, str]) -> int:
    given = query.get("limit", str(USUAL_LIMIT))
    if not (given.isascii() and given.isdecimal() and len(given) < 5 and 1 <= int(given) <= MOST):
        raise ValueError(f"limit is a whole number from 1 to {MOST}")
    return int(given)
