"""The kinds of tasks that may be started from outside, and starting one."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from hostel.runtime import RuntimeFault
from hostel.sessions import Priority, SessionsError
from hostel.sessions.json import record_to_json

from .._server.params import Body, Query, invalid
from .._server.problems import unknown_kind
from .finding import Resources, answer, quoted, revision

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from hostel.runtime import TaskKind
    from hostel.sessions import JsonValue

FIELDS = (
    "kind",
    "session_id",
    "params",
    "id",
    "label",
    "priority",
    "not_before",
    "timeout",
    "idempotency_key",
    "parent_task_id",
)


class Starting(Resources):
    """The resources of tasks that are started by name."""

    async def kinds(self, request: Request) -> Response:
        """List what may be started from outside."""
        Query(request, ())
        return answer({"items": [_kind_to_json(kind) for kind in self._exposed()], "next": None})

    async def start(self, request: Request) -> Response:
        """Start a task of an exposed kind."""
        Query(request, ())
        body = await Body.of(request, FIELDS)
        kind, session_id = body.name("kind"), body.name("session_id")
        exposed = [one.name for one in self._exposed()]
        if kind not in exposed:
            raise unknown_kind(kind, exposed)
        timeout = body.number("timeout")
        if timeout is not None and timeout <= 0:
            raise invalid("timeout is more than 0 seconds")
        try:
            handle = await self._runtime.start(
                session_id,
                kind,
                body.object("params"),
                id=body.text("id"),
                label=body.text("label") or "",
                priority=body.choice("priority", Priority, Priority.NORMAL),
                not_before=body.number("not_before"),
                timeout=timeout,
                idempotency_key=body.text("idempotency_key"),
                parent_task_id=body.text("parent_task_id"),
            )
        except ValueError as error:
            if isinstance(error, SessionsError | RuntimeFault):
                raise
            raise invalid(str(error)) from None
        record = handle.record
        place = f"tasks/{quoted(record.id)}?session_id={quote(record.session_id, safe='')}"
        # relative, since a proxy may cut off the beginning of the path
        headers = {"location": place, "etag": revision(record)}
        return answer(record_to_json(record), status=201, headers=headers)

    def _exposed(self) -> list[TaskKind]:
        return sorted((kind for kind in self._runtime.kinds if kind.exposed), key=lambda kind: kind.name)


def _kind_to_json(kind: TaskKind) -> JsonValue:
    return {
        "name": kind.name,
        "summary": kind.summary,
        "resumable": kind.resumable,
        "params": kind.params_schema,
    }
