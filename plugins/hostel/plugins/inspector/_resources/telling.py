"""What sessions are told, and waiting for several tasks at once.

What a wait has told a consumer is not in its inbox any more. It is acknowledged once the answer is sent, and
not before: a caller that has gone meanwhile finds it in the inbox."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import anyio
from starlette.background import BackgroundTask

from hostel.sessions import SessionsError
from hostel.sessions.json import notice_to_json, record_to_json

from .._server.http1 import PeerGone
from .._server.params import Body, Query, invalid
from .._server.problems import Problem, forbidden
from .._users import caller_of
from .finding import Resources, answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from starlette.requests import Request
    from starlette.responses import Response

    from hostel.sessions import JsonValue, TaskRecord, Waited

CONSUMER = "agent"
LONGEST_WAIT = 50.0
"""Seconds: proxies give up on what takes a minute."""
USUAL_WAIT = 30.0


class Mode(StrEnum):
    """What one waits for."""

    ANY = "any"
    ALL = "all"


class Telling(Resources):
    """The resources of whoever is to be told."""

    async def inbox(self, request: Request) -> Response:
        """List what a consumer has not acknowledged."""
        query = Query(request, ("consumer", "limit"))
        inbox = self._host.inbox(request.path_params["session_id"], query.text("consumer") or CONSUMER)
        notices = await inbox.drain(query.limit(100))
        return answer({"items": [notice_to_json(notice) for notice in notices], "next": None})

    async def acknowledge(self, request: Request) -> Response:
        """Acknowledge notices."""
        Query(request, ())
        body = await Body.of(request, ("consumer", "ids"))
        inbox = self._host.inbox(request.path_params["session_id"], body.name_or_none("consumer") or CONSUMER)
        await inbox.ack_ids(body.texts("ids"))
        return answer({})

    async def wait(self, request: Request) -> Response:
        """Wait for tasks, within bounds."""
        Query(request, ())
        body = await Body.of(request, ("task_ids", "mode", "timeout", "session_id", "consumer", "or_asking"))
        consumer, caller = body.name_or_none("consumer"), caller_of(request.scope)
        if consumer is not None and not caller.steers:
            raise forbidden(caller)
        wait = self._waiting(body)
        with self.event_streams.place():
            waited = await _while_asked(request, wait)
            response = answer({"ended": _to_json(waited.ended), "live": _to_json(waited.live)})
            if consumer is not None:
                response.background = BackgroundTask(self._told, waited.ended, consumer)
            return response
        raise Problem(503, "host-closed", "the server stops")

    def _waiting(self, body: Body) -> Callable[[], Awaitable[Waited]]:
        timeout = body.number("timeout")
        timeout = USUAL_WAIT if timeout is None else timeout
        if not 0 <= timeout <= LONGEST_WAIT:
            raise invalid(f"timeout is 0 to {LONGEST_WAIT:g} seconds; ask again to wait longer")
        is_any = body.choice("mode", Mode, Mode.ALL) is Mode.ANY
        ids, session_id = body.texts("task_ids"), body.name_or_none("session_id")
        asking = body.flag("or_asking", default=False)

        async def wait() -> Waited:
            of_them = self._host.wait_any if is_any else self._host.wait_all
            return await of_them(ids, timeout=timeout, session_id=session_id, or_asking=asking)

        return wait

    async def _told(self, ended: Iterable[TaskRecord], consumer: str) -> None:
        for record in ended:
            await self._host.inbox(record.session_id, consumer).ack_record(record)


def _to_json(records: Iterable[TaskRecord]) -> JsonValue:
    return [record_to_json(record) for record in records]


async def _while_asked(request: Request, wait: Callable[[], Awaitable[Waited]]) -> Waited:
    """Wait as long as the peer is there.

    :raises PeerGone: if it goes.
    """
    found: Waited | SessionsError | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(_cancel_when_gone, request, group.cancel_scope)
        try:
            found = await wait()
        except SessionsError as error:  # on its own, not in the group's
            found = error
        group.cancel_scope.cancel()
    if found is None:
        raise PeerGone
    if isinstance(found, SessionsError):
        raise found
    return found


async def _cancel_when_gone(request: Request, scope: anyio.CancelScope) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
