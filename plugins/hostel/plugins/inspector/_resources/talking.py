"""What passes between a task and whoever asks: its output, answers to it, messages for it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hostel.sessions import SessionsError

from .._server.params import Body, Query, invalid
from .._users import caller_of
from .finding import Resources, answer, task_answer
from .output_stream import output_to_json, write_output

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from .._server.event_stream import EventStream

LEAST, MOST = 4, 1024 * 1024
"""Bytes that one read may return."""
USUAL = 64 * 1024
FURTHEST = 2**62
STREAM = "text/event-stream"


class Talking(Resources):
    """The resources of a task that talks."""

    async def output(self, request: Request) -> Response | EventStream:
        """Show what a task has written, or follow it."""
        query = Query(request, ("session_id", "after", "limit", "ticket"))
        after = query.number("after", 0, -FURTHEST, FURTHEST)
        limit = query.number("limit", USUAL, LEAST, MOST)
        record = await self._find(request, query)
        if STREAM in request.headers.get("accept", ""):
            after = _offset(request.headers.get("last-event-id"), after)
            write = partial(write_output, self._host, record, after, self.event_streams.turn)
            return self.event_streams.stream(write)
        output = await self._host.read_output(record.id, after, limit, session_id=record.session_id)
        return answer(output_to_json(output))

    async def answer(self, request: Request) -> Response:
        """Answer what a task asks."""
        query = Query(request, ("session_id",))
        body = await Body.of(request, ("value", "question_id", "actor"))
        value, question_id = body.json("value"), body.text("question_id")
        actor = caller_of(request.scope).actor(body.text("actor"))
        record = await self._find_live(request, query)
        record = await self._host.answer(
            record.id, value, question_id=question_id, actor=actor, session_id=record.session_id
        )
        return task_answer(record)

    async def send(self, request: Request) -> Response:
        """Put a message into the mailbox of a task."""
        query = Query(request, ("session_id",))
        message = (await Body.of(request, ("message",))).json("message")
        record = await self._find_live(request, query)
        try:
            await self._host.send(record.id, message, session_id=record.session_id)
        except ValueError as error:
            if isinstance(error, SessionsError):
                raise
            raise invalid(str(error)) from None
        return task_answer(record, status=202)


def _offset(last_event_id: str | None, after: int) -> int:
    if not last_event_id:
        return after
    if not (last_event_id.isascii() and last_event_id.isdecimal() and len(last_event_id) < 20):
        raise invalid("Last-Event-ID is the id of an event of this stream")
    return int(last_event_id)
