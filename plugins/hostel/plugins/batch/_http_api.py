"""What a runtime that serves answers about its batches: `/api/batches`, their lines, and verbs on them.

Beside `/v1`, which speaks as OpenAI does and only where requests go somewhere: this is for looking at a store
and steering what is in it, whoever works on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from hostel.runtime import Endpoint

from ._model.errors import NotFound, StorageRefused
from ._model.ids import BatchId, RequestId
from ._model.objects import batch_status
from ._model.streams import closing
from ._task_sync import MARK, is_marked, summary

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from hostel.sessions import JsonValue

    from ._model.ids import FileId
    from ._model.records import Batch, BatchResultItem
    from ._service import Batches
    from ._store.store import SqlStorage

    Query = Mapping[str, str]
    Answer = Callable[[Query, JsonValue], Awaitable[JsonValue]]

USUAL_LIMIT, MOST = 50, 500
LONGEST_TEXT = 4_000
"""Characters of a body or an answer; the file of results has all of it."""
MODELS_KNOWN = 1_000


@attrs.frozen
class BatchesApi:
    """The batches of a runtime, over HTTP; `_models` are those of files, which do not change."""

    batches: Batches
    _models: dict[FileId, str] = attrs.Factory(dict)

    def endpoints(self) -> list[Endpoint]:
        """Return what is answered."""

        def post(path: str, verb: Answer, summary: str, *, takes_actor: bool = False) -> Endpoint:
            return Endpoint(path, _storable(verb), "POST", summary, takes_actor)

        return [
            Endpoint("batches", _storable(self._list), summary="List batches, the newest first"),
            Endpoint("batches/lines", _storable(self._lines), summary="List lines of `batch_id` that failed"),
            post("batches/cancel", self._cancel, "Cancel the batch `id`", takes_actor=True),
            post("batches/retry", self._retry, "Send the failed lines of the batch `id` again"),
            post("batches/retry-line", self._retry_line, "Send the failed line `id` again"),
        ]

    async def _list(self, query: Query, _: JsonValue) -> JsonValue:
        storage = await self._storage()
        if storage is None:
            return []
        limit, after = _limit(query), query.get("after")
        found = await storage.list_batches(after=None if after is None else BatchId(after), limit=limit + 1)
        rows: list[JsonValue] = [await self._row(storage, batch) for batch in found[:limit]]
        return {"items": rows, "next": found[limit - 1].id if len(found) > limit else None}

    async def _row(self, storage: SqlStorage, batch: Batch) -> JsonValue:
        done = batch.completed_requests + batch.failed_requests + batch.canceled_requests
        marked = is_marked(batch) and batch.created_by is not None
        return {
            "id": batch.id,
            "status": batch_status(batch),
            "share": done / batch.total_requests if batch.total_requests else None,
            "total": batch.total_requests,
            "completed": batch.completed_requests,
            "failed": batch.failed_requests,
            "canceled": batch.canceled_requests,
            "summary": summary(batch),
            "model": await self._model(storage, batch.file_id),
            "endpoint": batch.endpoint,
            "created_at": batch.created_at,
            "expires_at": batch.expires_at,
            "problems": "\n".join(map(str, batch.errors)) or None,
            "task_id": (batch.created_by or "").removeprefix(MARK).partition(":")[2] if marked else batch.id,
            "session_id": batch.session_id,
            "is_finished": batch.is_finished,
            "has_results": batch.completed_requests > 0,
            "has_failures": batch.failed_requests > 0,
        }

    async def _model(self, storage: SqlStorage, file_id: FileId) -> str | None:
        if file_id not in self._models:
            try:
                stats = await storage.get_file_template_stats(file_id)
            except NotFound:  # its file was deleted
                return None
            while len(self._models) >= MODELS_KNOWN:
                del self._models[next(iter(self._models))]
            self._models[file_id] = ", ".join(one.model for one in stats)
        return self._models[file_id] or None

    async def _lines(self, query: Query, _: JsonValue) -> JsonValue:
        storage = await self._there(query.get("batch_id", ""))
        batch = await storage.get_batch(BatchId(query.get("batch_id", "")))
        limit, offset = _limit(query), _number(query, "after", 0, 10**9)
        lines = storage.get_batch_results_stream(batch.id, offset, status=query.get("status", "failed"))
        rows: list[JsonValue] = []
        async with closing(lines) as items:
            async for item in items:
                if len(rows) == limit:
                    return {"items": rows, "next": str(offset + limit)}
                rows.append(_line(item))
        return {"items": rows, "next": None}

    async def _cancel(self, _: Query, body: JsonValue) -> JsonValue:
        batch_id = BatchId(_text(body, "id"))
        batch = await (await self._there(batch_id)).get_batch(batch_id)
        if batch.is_finished:
            raise ValueError(f"the batch {batch_id} is finished: it is {batch_status(batch)}")
        await self.batches.cancel(batch, actor=_text(body, "actor"))
        return {}

    async def _retry(self, _: Query, body: JsonValue) -> JsonValue:
        batch_id = BatchId(_text(body, "id"))
        retried = await (await self._there(batch_id)).retry_failed_requests_for_batch(batch_id)
        if not retried:
            raise ValueError(f"no line of the batch {batch_id} can be sent again")
        return await self._sent_again(batch_id, retried)

    async def _retry_line(self, _: Query, body: JsonValue) -> JsonValue:
        line = RequestId.parse(_text(body, "id"))
        (refused,) = await (await self._there(line.batch_id)).retry_failed_requests([line])
        if refused is not None:
            raise (refused if isinstance(refused, NotFound) else ValueError(str(refused)))
        return await self._sent_again(line.batch_id, 1)

    async def _sent_again(self, batch_id: BatchId, count: int) -> JsonValue:
        store = await self.batches.open_store()
        await self.batches.adopt(await store.storage.get_batch(batch_id))
        store.wake()
        lines = "1 line is" if count == 1 else f"{count} lines are"
        wait = (
            "" if self.batches.is_meant_to_work else ", once somebody sends requests: nobody does from here"
        )
        return {"retried": count, "message": f"{lines} sent again{wait}."}

    async def _storage(self) -> SqlStorage | None:
        """Return the store, None if there is none: asking for its batches makes no new one."""
        return await self.batches.storage() if self.batches.is_open or self.batches.exists() else None

    async def _there(self, batch_id: str) -> SqlStorage:
        storage = await self._storage()
        if storage is None:
            raise NotFound("batch", batch_id)
        return storage


def _storable(answer: Answer) -> Answer:
    """Let what a database does not take, a NUL in a name say, be the fault of who asks."""

    async def asked(query: Query, body: JsonValue) -> JsonValue:
        try:
            return await answer(query, body)
        except StorageRefused as error:
            raise ValueError(str(error)) from error

    return asked


def _line(item: BatchResultItem) -> JsonValue:
    return {
        # what a retry takes: the request of the line, not the one that raced it
        "id": str(attrs.evolve(item.id, escalated=False)),
        "line": item.id.line + 1,
        "custom_id": item.custom_id,
        "model": item.model,
        "status": item.status.value,
        "error": _cut(item.error),
        "asked": _cut(item.input_body),
        "answer": _cut(item.response_body),
    }


def _cut(text: str | None) -> str | None:
    if text is None or len(text) <= LONGEST_TEXT:
        return text
    return f"{text[:LONGEST_TEXT]}… ({len(text)} characters)"


def _text(body: JsonValue, name: str) -> str:
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is to be given as a text")
    return value


def _limit(query: Query) -> int:
    return max(1, _number(query, "limit", USUAL_LIMIT, MOST))


def _number(query: Query, name: str, default: int, most: int) -> int:
    given = query.get(name, str(default))
    if not (given.isascii() and given.isdecimal() and len(given) < 11 and int(given) <= most):
        raise ValueError(f"{name} is a whole number up to {most}")
    return int(given)
