"""What can be asked about a runtime over HTTP: one method for each resource, errors left to `problems`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

import attrs

from hostel.sessions import TaskFilter, UnknownCursor
from hostel.sessions.json import event_to_json, record_to_json, summary_to_json

from .._resources.ended import History
from .._resources.finding import answer, revision, task_answer
from .._resources.neighbours import Neighbours
from .._resources.starting import Starting
from .._resources.talking import Talking
from .._resources.telling import Telling
from .._resources.watching import Watching
from .._users import caller_of
from .cursors import Cursors
from .event_stream import MAX_STREAMS, EventStreams
from .params import FILTER, Body, Query, invalid
from .task_history import history
from .tokens import TICKET_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from hostel.runtime import Runtime
    from hostel.sessions import JsonValue

    from .event_stream import EventStream
    from .tokens import Tokens

NONCE = re.compile(r"[A-Za-z0-9_-]{16,128}")


class Api(Starting, Talking, Telling, Watching, Neighbours, History):
    """The resources of one runtime; `own_url` is the address on its card, None if it shows no others."""

    def __init__(
        self,
        runtime: Runtime,
        tokens: Tokens,
        *,
        max_streams: int = MAX_STREAMS,
        own_url: str | None = None,
    ) -> None:
        self._tokens = tokens
        self.own_url = own_url
        self._cursors = Cursors()
        super().__init__(runtime, EventStreams(runtime.tasks, self._cursors, max_streams=max_streams))

    async def health(self, _: Request) -> Response:
        """Say that the server answers."""
        return answer({"status": "ok"})

    async def proof(self, request: Request) -> Response:
        """Show that the server knows the token, or say that none opens it."""
        nonce = Query(request, ("nonce",)).text("nonce") or ""
        if not NONCE.fullmatch(nonce):
            raise invalid("nonce is 16 to 128 letters, digits, - or _, made up for this request")
        return answer({"run": self._tokens.run, "proof": self._tokens.proof(nonce)})

    async def me(self, request: Request) -> Response:
        """Say who asks."""
        Query(request, ())
        caller = caller_of(request.scope)
        user = caller.user
        told = {"name": user.name, "role": user.role.value, "auth": caller.way.value}
        return answer({**told, "sees_runtimes": self.shows_others_to(caller)})

    async def ticket(self, request: Request) -> Response:
        """Make up what opens one event stream."""
        Query(request, ())
        await Body.of(request, ())
        ticket = self._tokens.ticket(caller_of(request.scope))
        return answer({"ticket": ticket, "seconds": TICKET_SECONDS}, status=201)

    async def output(self, request: Request) -> Response | EventStream:
        """Show what a task has written; or the task whose id ends in what looks like this path."""
        if request.scope.get("raw_path", b"").lower().endswith(b"%2foutput"):
            request.path_params["task_id"] += "/output"
            return await self.task(request)
        return await super().output(request)

    async def sessions(self, request: Request) -> Response:
        """List sessions by first activity."""
        query = Query(request, ("limit", "after"))
        limit, after = query.limit(100), self._place(query)
        summaries = await self._host.sessions()
        keys = [f"{summary.first_activity!r} {summary.id}" for summary in summaries]
        if after is not None and after not in keys:
            raise UnknownCursor(after)
        first = 0 if after is None else keys.index(after) + 1
        chosen = summaries[first : first + limit]
        next_place = keys[first + limit - 1] if len(summaries) > first + limit else None
        return self._listing([summary_to_json(summary) for summary in chosen], next_place)

    async def tasks(self, request: Request) -> Response:
        """List tasks in the order they came."""
        query = Query(request, (*FILTER, "limit", "after"))
        page = await self._host.page(query.filter(), limit=query.limit(100), after=self._place(query))
        return self._listing([record_to_json(record) for record in page.records], page.next)

    async def task(self, request: Request) -> Response:
        """Show a task with its history, its children and its place among those that wait."""
        record = await self._find(request, Query(request, ("session_id",)))
        children = await self._host.list(TaskFilter(parent_task_id=record.id, include_terminal=True))
        place = await self._host.place(record.id, session_id=record.session_id)
        shown: dict[str, JsonValue] = {
            **record_to_json(record),
            "place": None if place is None else attrs.asdict(place),
            "history": [event_to_json(event) for event in await history(self._host, record)],
            "children": [record_to_json(child) for child in children],
        }
        return answer(shown, headers={"etag": revision(record)})

    async def cancel(self, request: Request) -> Response:
        """Ask a task to stop."""
        query = Query(request, ("session_id",))
        body = await Body.of(request, ("reason", "cascade", "actor"))
        reason, actor = body.text("reason"), caller_of(request.scope).actor(body.text("actor"))
        cascade = body.flag("cascade", default=True)
        record = await self._find_live(request, query)
        record = await self._host.request_cancel(
            record.id, reason, actor=actor, cascade=cascade, session_id=record.session_id
        )
        return task_answer(record)

    async def transfer(self, request: Request) -> Response:
        """Hand a task to another session."""
        query = Query(request, ("session_id",))
        body = await Body.of(request, ("session_id",))
        target = body.name("session_id")
        record = await self._find_live(request, query)
        record = await self._host.transfer(record.id, target, session_id=record.session_id)
        return task_answer(record)

    async def transfer_many(self, request: Request) -> Response:
        """Hand several tasks of one session to another, all or none."""
        Query(request, ())
        body = await Body.of(request, ("from_session_id", "session_id", "task_ids"))
        source, target = body.name("from_session_id"), body.name("session_id")
        moved = await self._host.transfer_managed(source, target, body.texts("task_ids"))
        return self._listing([record_to_json(record) for record in moved], None)

    async def events(self, request: Request) -> EventStream:
        """Stream what happens."""
        query = Query(request, (*FILTER, "after", "snapshot", "ticket"))
        after = request.headers.get("last-event-id") or query.text("after")
        return self.event_streams.open(query.filter(), after=after, snapshot=query.flag("snapshot"))

    async def plugins(self, request: Request) -> Response:
        """List plugins and what is wrong with them."""
        Query(request, ())
        infos = [{**attrs.asdict(info), "hooks": list(info.hooks)} for info in self._runtime.plugins]
        return self._listing(cast("list[dict[str, JsonValue]]", infos), None)

    def _place(self, query: Query) -> str | None:
        return self._cursors.place(query.text("after"))

    def _listing(self, items: Sequence[dict[str, JsonValue]], next_place: str | None) -> Response:
        cursor = self._cursors.write(next_place) if next_place is not None else None
        return answer({"items": list(items), "next": cursor})
