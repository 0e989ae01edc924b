"""The answer of another runtime, passed on as it comes.

A request takes the place of an event stream, whatever it asks for, and one of the few places for those that
are sent on: each costs a connection more. It lasts as long as both sides are there. No more than a part of an
answer is held: the other writes as fast as the peer of this server reads. Where the other goes before its
answer has begun, the peer is told; a stream then ends, for the peer to open it again, and any other answer is
cut, so that half of one is not taken for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import attrs

from .._server.http1 import PeerGone
from .._server.problems import Problem
from .asking import Gone, line_to

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import h11
    from starlette.types import Receive, Scope, Send

    from hostel.runtime import cards

    from .asking import Header, Line

LONGEST = 64 * 1024 * 1024
"""Bytes of an answer that is no stream."""
PASSED_ON = (
    b"content-type",
    b"content-length",
    b"etag",
    b"location",
    b"retry-after",
    b"allow",
    b"x-accel-buffering",
)
STREAM = b"text/event-stream"
REFUSALS = (401, 403, 421)
"""What it says who is not the one that proved itself to the page."""


GONE = Problem(502, "runtime-gone", "the runtime does not answer, or is gone")
TOO_LONG = Problem(502, "answer-too-long", f"the runtime answers with more than {LONGEST} bytes")
CLOSED = Problem(503, "host-closed", "the server stops")


@attrs.frozen
class Asked:
    """What is sent on."""

    method: str
    target: str
    headers: list[Header]
    body: bytes = attrs.field(repr=False)


class Forwarding:
    """A response that comes from the runtime of `card`; `place` takes what it needs of this server."""

    def __init__(
        self, card: cards.Card, asked: Asked, place: Callable[[], AbstractContextManager[object]]
    ) -> None:
        self._card = card
        self._asked = asked
        self._place = place
        self._problem: Problem | None = CLOSED
        self._is_stream = False
        self._is_peer_gone = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_done = False
        with self._place():
            async with anyio.create_task_group() as group:
                group.start_soon(self._cancel_when_gone, receive, group.cancel_scope)
                is_done = await self._pass_on(send)
                group.cancel_scope.cancel()
        if is_done or self._is_peer_gone:
            return
        if self._problem is not None:
            await self._problem.response()(scope, receive, send)
        elif self._is_stream:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            raise PeerGone

    async def _cancel_when_gone(self, receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._is_peer_gone = True
        scope.cancel()

    async def _pass_on(self, send: Send) -> bool:
        """Pass the answer on and tell whether all of it was."""
        asked = self._asked
        try:
            async with line_to(self._card) as line:
                response = await line.ask(asked.method, asked.target, asked.headers, asked.body)
                if self._begins(response):
                    headers = [pair for pair in response.headers if pair[0] in PASSED_ON]
                    start = {"type": "http.response.start", "status": response.status_code}
                    await send({**start, "headers": headers})
                    return await self._copy(line, send)
        except Gone:
            if self._problem is not None:  # else the answer has begun
                self._problem = GONE
        except OSError:  # here, not in the group
            self._is_peer_gone = True
        return False

    def _begins(self, response: h11.Response) -> bool:
        """Tell whether an answer is passed on; why not is the problem."""
        headers = dict(response.headers)
        self._is_stream = headers.get(b"content-type", b"").startswith(STREAM)
        self._problem = None
        if response.status_code in REFUSALS:
            self._problem = GONE
        elif int(headers.get(b"content-length", b"0")) > LONGEST:
            self._problem = TOO_LONG
        return self._problem is None

    async def _copy(self, line: Line, send: Send) -> bool:
        length = 0
        while (part := await line.part()) is not None:
            length += len(part)
            if length > LONGEST and not self._is_stream:
                return False
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return True
