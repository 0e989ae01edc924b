"""The results of a batch as files, mounted at `/batches`: `/batches/ID/results` and `/batches/ID/errors`.

They have a line for each request that was answered, or failed, up to now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ._model.errors import NotFound, StorageRefused
from ._model.ids import BatchId
from ._openai.app import jsonl

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

    from ._service import Batches


def results_app(batches: Batches) -> ASGIApp:
    """Serve the results of the batches of a runtime, whoever worked on them."""
    files = _Files(batches)
    routes = [Route("/{id}/results", files.results), Route("/{id}/errors", files.errors)]
    return Starlette(routes=routes, exception_handlers={NotFound: _missing, StorageRefused: _missing})


class _Files:
    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    async def results(self, request: Request) -> Response:
        return await self._file(request, "output_file_id")

    async def errors(self, request: Request) -> Response:
        return await self._file(request, "error_file_id")

    async def _file(self, request: Request, which: str) -> Response:
        batch_id = BatchId(request.path_params["id"])
        if not (self._batches.is_open or self._batches.exists()):
            raise NotFound("batch", batch_id)
        storage = await self._batches.storage()
        file_id = getattr(await storage.get_batch(batch_id), which)
        if file_id is None:
            raise NotFound("file of results of the batch", batch_id)
        return StreamingResponse(jsonl(storage, file_id), media_type="application/jsonl")


async def _missing(_: Request, error: Exception) -> Response:
    problem = {
        "type": "urn:hostel:problem:not-found",
        "title": "Not Found",
        "status": 404,
        "detail": str(error),
    }
    return JSONResponse(problem, 404, media_type="application/problem+json")
