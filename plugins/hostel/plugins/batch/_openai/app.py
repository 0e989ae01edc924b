"""OpenAI's files and batches over HTTP, as a small application to mount under `/v1`.

Uploads are spooled to disk by the form parser and read from there line by line; downloads are pages of the
store. Every answer to a bad call has the shape of OpenAI's, so its client raises its own errors.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

import attrs
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from .._model.errors import InvalidInput, NotFound, StorageRefused, StorageUnavailable
from .._model.ids import BatchId, FileId
from .._model.jsonl import content_line, upload_items
from .._model.objects import batch_object, error_object, file_object, page_object
from .._model.records import (
    Batch,
    BatchInput,
    FileFilter,
    FileMetadata,
    OnDeadline,
    Problem,
    Purpose,
)
from .._model.streams import closing
from .._store.protocol import Storage

PIECE = 1024 * 1024
MAX_UPLOAD = 512 * 1024 * 1024
DEFAULT_SESSION = "batches"
_SHORTEST, _LONGEST = 3600, 2592000

Name = TypeVar("Name")
Created = Callable[[Batch], Awaitable[None]]
Cancelled = Callable[[Batch], Awaitable[None]]


def batch_app(
    storage: Storage,
    *,
    on_created: Created | None = None,
    cancel: Cancelled | None = None,
    on_deadline: OnDeadline = OnDeadline.EXPIRE,
) -> ASGIApp:
    """Serve a store to whoever asks; the paths are those below `/v1`.

    :param on_created: told of each new batch that is not failed
    :param cancel: cancels a batch; None to do it in the store alone
    """
    calls = _Calls(storage, on_created, cancel, on_deadline)
    routes = [
        Route("/files", calls.upload, methods=["POST"]),
        Route("/files", calls.list_files, methods=["GET"]),
        Route("/files/{id}", calls.get_file, methods=["GET"]),
        Route("/files/{id}", calls.delete_file, methods=["DELETE"]),
        Route("/files/{id}/content", calls.content, methods=["GET"]),
        Route("/batches", calls.create_batch, methods=["POST"]),
        Route("/batches", calls.list_batches, methods=["GET"]),
        Route("/batches/{id}", calls.get_batch, methods=["GET"]),
        Route("/batches/{id}/cancel", calls.cancel_batch, methods=["POST"]),
    ]
    handlers: Mapping[Any, Any] = {
        HTTPException: _refused,
        InvalidInput: _invalid,
        NotFound: _missing,
        StorageRefused: _unstorable,
        StorageUnavailable: _unavailable,
    }
    return Starlette(routes=routes, exception_handlers=handlers)


async def _refused(request: Request, error: HTTPException) -> Response:
    message = str(error.detail)
    if error.status_code in (404, 405):
        message = (
            f"Unknown request URL: {request.method} {request.url.path}. Files and batches are served here."
        )
    return JSONResponse(error_object(message), error.status_code, error.headers)


async def _invalid(_: Request, error: InvalidInput) -> Response:
    first = error.problems[0]
    return JSONResponse(error_object(first.message, param=first.param, code=first.code), 400)


async def _missing(_: Request, error: NotFound) -> Response:
    return JSONResponse(error_object(f"No such {error.kind} object: {error.name}", param="id"), 404)


async def _unstorable(_: Request, error: StorageRefused) -> Response:
    return JSONResponse(error_object(str(error)), 400)


async def _unavailable(_: Request, __: StorageUnavailable) -> Response:
    return JSONResponse(error_object("The batch database does not answer.", kind="server_error"), 503)


def _bad(message: str, param: str, code: str = "invalid_value") -> InvalidInput:
    return InvalidInput([Problem(code, message, param=param)])


@attrs.frozen
class _Calls:
    storage: Storage
    on_created: Created | None
    cancel: Cancelled | None
    on_deadline: OnDeadline

    async def upload(self, request: Request) -> Response:
        if int(request.headers.get("content-length", "0")) > MAX_UPLOAD + PIECE:
            raise HTTPException(413, f"A file may have {MAX_UPLOAD} bytes.")
        async with request.form(max_files=1, max_fields=10) as form:
            file, purpose = form.get("file"), form.get("purpose")
            if not isinstance(file, UploadFile):
                raise _bad("'file' is a required property", "file", "missing_required_parameter")
            if purpose != Purpose.BATCH:
                raise _bad("The purpose of a file here is 'batch'.", "purpose")
            if file.size is not None and file.size > MAX_UPLOAD:
                raise HTTPException(413, f"A file may have {MAX_UPLOAD} bytes.")
            kept = _expiry(form.get("expires_after[anchor]"), form.get("expires_after[seconds]"))
            meta = FileMetadata(file.filename or "upload.jsonl", None, Purpose.BATCH, kept)
            file_id = await self.storage.create_file_stream(upload_items(meta, _pieces(file)))
        return JSONResponse(file_object(await self.storage.get_file(file_id)))

    async def list_files(self, request: Request) -> Response:
        limit = _limit(request, 10000, 10000)
        order = request.query_params.get("order", "desc")
        purpose = request.query_params.get("purpose")
        if purpose is not None and purpose not in list(Purpose):
            return JSONResponse(page_object([], limit))
        wanted = FileFilter(
            purpose=None if purpose is None else Purpose(purpose),
            after=_after(request, FileId),
            limit=limit + 1,
            ascending=order == "asc",
        )
        files = await self.storage.list_files(wanted)
        return JSONResponse(page_object([file_object(file) for file in files], limit))

    async def get_file(self, request: Request) -> Response:
        return JSONResponse(file_object(await self.storage.get_file(FileId(request.path_params["id"]))))

    async def delete_file(self, request: Request) -> Response:
        file_id = FileId(request.path_params["id"])
        await self.storage.delete_file(file_id)
        return JSONResponse({"id": file_id, "object": "file", "deleted": True})

    async def content(self, request: Request) -> Response:
        file = await self.storage.get_file(FileId(request.path_params["id"]))
        return StreamingResponse(jsonl(self.storage, file.id), media_type="application/jsonl")

    async def create_batch(self, request: Request) -> Response:
        input = _input(await _json(request), self.on_deadline)
        batch = await self.storage.create_batch(input)
        if self.on_created is not None and batch.failed_at is None:
            await self.on_created(batch)
        return JSONResponse(batch_object(batch))

    async def list_batches(self, request: Request) -> Response:
        limit = _limit(request, 20, 100)
        found = await self.storage.list_batches(after=_after(request, BatchId), limit=limit + 1)
        return JSONResponse(page_object([batch_object(batch) for batch in found], limit))

    async def get_batch(self, request: Request) -> Response:
        return JSONResponse(batch_object(await self.storage.get_batch(BatchId(request.path_params["id"]))))

    async def cancel_batch(self, request: Request) -> Response:
        batch = await self.storage.get_batch(BatchId(request.path_params["id"]))
        if batch.is_finished and batch.cancelled_at is None:
            raise HTTPException(409, "Cannot cancel a batch that is finished.")
        if self.cancel is None:
            await self.storage.cancel_batch(batch.id)
        else:
            await self.cancel(batch)
        return JSONResponse(batch_object(await self.storage.get_batch(batch.id)))


async def jsonl(storage: Storage, file_id: FileId) -> AsyncIterator[bytes]:
    """Read a file as it is sent, in pieces of some lines."""
    gathered, size = [], 0
    async with closing(storage.get_file_content_stream(file_id)) as items:
        async for item in items:
            gathered.append(content_line(item).encode() + b"\n")
            size += len(gathered[-1])
            if size >= PIECE // 16:
                yield b"".join(gathered)
                gathered, size = [], 0
    yield b"".join(gathered)


async def _pieces(file: UploadFile) -> AsyncIterator[bytes]:
    while piece := await file.read(PIECE):
        yield piece


def _expiry(anchor: object, seconds: object) -> int | None:
    if anchor is None and seconds is None:
        return None
    if anchor != "created_at":
        raise _bad("The anchor is 'created_at'.", "expires_after[anchor]")
    if (
        not isinstance(seconds, str | int)
        or not str(seconds).isdigit()
        or not _SHORTEST <= int(seconds) <= _LONGEST
    ):
        raise _bad(f"A file is kept from {_SHORTEST} to {_LONGEST} seconds.", "expires_after[seconds]")
    return int(seconds)


async def _json(request: Request) -> dict[str, Any]:
    try:
        value = await request.json()
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _bad("The body is not a JSON object.", "body")
    return value


def _input(body: Mapping[str, Any], on_deadline: OnDeadline) -> BatchInput:
    metadata = body.get("metadata")
    if metadata is not None:
        _check_metadata(metadata)
    after = body.get("output_expires_after")
    kept = _expiry(after.get("anchor"), after.get("seconds")) if isinstance(after, dict) else None
    return BatchInput(
        file_id=FileId(_text(body, "input_file_id")),
        endpoint=_text(body, "endpoint"),
        completion_window=_text(body, "completion_window"),
        metadata=metadata,
        session_id=(metadata or {}).get("session_id") or DEFAULT_SESSION,
        on_deadline=on_deadline,
        output_expires_after_seconds=kept,
    )


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value or not value.isprintable():
        raise _bad(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    return value


def _check_metadata(metadata: object) -> None:
    if not isinstance(metadata, dict) or len(metadata) > 16:
        raise _bad("Metadata is an object of at most 16 pairs.", "metadata")
    for key, value in metadata.items():
        if not isinstance(value, str) or len(key) > 64 or len(value) > 512 or "\0" in key + value:
            raise _bad("Keys have at most 64 characters, values are strings of at most 512.", "metadata")
    try:
        json.dumps(metadata, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise _bad("Metadata must be text.", "metadata") from None


def _limit(request: Request, default: int, most: int) -> int:
    text = request.query_params.get("limit", str(default))
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise _bad(f"The limit is a number from 1 to {most}.", "limit")
    return int(text)


def _after(request: Request, kind: Callable[[str], Name]) -> Name | None:
    after = request.query_params.get("after")
    return None if after is None else kind(after)
