"""The task that a request means, and what it is answered: what all resources share."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import Response

from hostel.sessions.json import record_to_json

from .._server.event_stream import to_json
from .._server.params import check_match
from .._server.problems import finished_task, unknown_task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from hostel.runtime import Runtime
    from hostel.sessions import JsonValue, TaskRecord

    from .._server.event_stream import EventStreams
    from .._server.params import Query

DOTS = {"%2e": ".", "%2e%2e": ".."}
"""What browsers would read as a place in the path, however it is quoted, unless it is quoted twice."""
REPORTED = ("progress", "output_bytes", "updated_at", "seq", "heartbeat_at")
"""What changes as often as a task reports."""


class Resources:
    """Part of what can be asked of one runtime; `event_streams` are all that last."""

    def __init__(self, runtime: Runtime, event_streams: EventStreams) -> None:
        self._runtime = runtime
        self._host = runtime.tasks
        self.event_streams = event_streams

    async def _find(self, request: Request, query: Query) -> TaskRecord:
        task_id = request.path_params["task_id"]
        session_id = query.text("session_id")
        record = await self._host.get(task_id, session_id=session_id)
        if record is None and task_id.lower() in DOTS:
            record = await self._host.get(DOTS[task_id.lower()], session_id=session_id)
        if record is None:
            raise unknown_task(task_id)
        return record

    async def _find_live(self, request: Request, query: Query) -> TaskRecord:
        record = await self._find(request, query)
        if record.is_terminal:
            raise finished_task(record)
        check_match(request, revision(record))
        return record


def quoted(task_id: str) -> str:
    """Return an id as it is in a path."""
    if task_id in DOTS.values():
        return task_id.replace(".", "%252E")
    return quote(task_id, safe="")


def answer(value: JsonValue, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response."""
    return Response(to_json(value), status, headers, "application/json")


def task_answer(record: TaskRecord, *, status: int = 200) -> Response:
    """Return a task with its entity tag."""
    return answer(record_to_json(record), status=status, headers={"etag": revision(record)})


def revision(record: TaskRecord) -> str:
    """Return the entity tag of a task, which stays the same while the task only reports."""
    known = {name: value for name, value in record_to_json(record).items() if name not in REPORTED}
    return f'"{hashlib.sha256(to_json(known)).hexdigest()[:16]}"'
