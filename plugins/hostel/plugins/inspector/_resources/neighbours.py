"""The other runtimes of this user, through this server: which there are, and asking one of them.

Each has left a card, and says itself what it is. What is asked of `/api/runtimes/{id}/...` is asked of the
other's `/api/...`, as it came and in the name of who asks. A request that was sent on is not sent on again,
so that none goes in a circle. Who gets here may steer all that this user runs, so it takes who may steer, and
a server that was told to (or one that only this machine can ask, by its token)."""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from string import punctuation
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

import anyio

from hostel.runtime import cards

from .._server.params import Query, read_body
from .._server.problems import Problem, forbidden
from .._users import FORWARDED, Way, caller_of
from .asking import Gone, line_to
from .finding import Resources, answer
from .forwarding import Asked, Forwarding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from hostel.sessions import JsonValue

    from .._users import Caller
    from .asking import Header

MOST_FORWARDED = 64
ASKED_AT_ONCE = 8
SECONDS = 2.0
"""How long a runtime that is listed may take to prove itself."""
LONGEST_TITLE = 200
SENT = ("accept", "content-type", "if-match", "last-event-id")
TICKET = b"ticket="


class Neighbours(Resources):
    """The resources of whoever may ask all runtimes of this user."""

    own_url: str | None = None
    """The address on this one's card, empty if it has left none; None if it shows no others."""
    _forwarded = 0

    async def runtime(self, request: Request) -> Response:
        """Say which process this is."""
        Query(request, ())
        return answer({"title": _title(), "pid": os.getpid()})

    async def runtimes(self, request: Request) -> Response:
        """List the runtimes of this user on this machine, the longest running first."""
        Query(request, ())
        self._check(caller_of(request.scope))
        found = await anyio.to_thread.run_sync(cards.running)
        titles: dict[cards.Card, str] = {}
        limiter = anyio.CapacityLimiter(ASKED_AT_ONCE)

        async def try_out(card: cards.Card) -> None:
            async with limiter:
                title = _title() if self._is_this(card) else await _asked_title(card)
                if title is not None:
                    titles[card] = title

        async with anyio.create_task_group() as group:
            for card in found:
                group.start_soon(try_out, card)
        items: list[JsonValue] = [
            {
                "id": _id(card),
                "title": titles.get(card, ""),
                "url": card.url,
                "pid": card.pid,
                "started_at": card.started_at,
                "this": self._is_this(card),
                "answers": card in titles,
            }
            for card in found
        ]
        return answer({"items": items, "next": None})

    async def forward(self, request: Request) -> Forwarding:
        """Ask another runtime of this user."""
        caller, wanted = caller_of(request.scope), request.path_params["runtime_id"]
        self._check(caller)
        found = await anyio.to_thread.run_sync(cards.running)
        card = next((card for card in found if _id(card) == wanted), None)
        if card is None:
            raise Problem(404, "unknown-runtime", f"no runtime {wanted!r} of this user runs here")
        body = await read_body(request)
        asked = Asked(request.method, _target(request), _headers(request.headers, caller), body)
        return Forwarding(card, asked, self._taken_place)

    def shows_others_to(self, caller: Caller) -> bool:
        """Tell whether somebody may ask the other runtimes through this server."""
        return caller.steers and self.own_url is not None and not caller.is_forwarded

    def _check(self, caller: Caller) -> None:
        if not caller.steers:
            raise forbidden(caller)
        if self.own_url is None:
            raise Problem(404, "not-found", "this server shows no other runtimes")
        if caller.is_forwarded:
            raise Problem(508, "forwarded-already", "a request that was sent on is not sent on again")

    @contextmanager
    def _taken_place(self) -> Iterator[None]:
        if self._forwarded >= MOST_FORWARDED:
            detail = f"{MOST_FORWARDED} requests are at other runtimes already"
            raise Problem(503, "too-many-streams", detail, headers={"retry-after": "5"})
        self._forwarded += 1
        try:
            with self.event_streams.place():
                yield
        finally:
            self._forwarded -= 1

    def _is_this(self, card: cards.Card) -> bool:
        return card.url == self.own_url and card.pid == os.getpid()


async def _asked_title(card: cards.Card) -> str | None:
    """Return what a runtime says it is, None if it does not answer."""
    with anyio.move_on_after(SECONDS):
        try:
            async with line_to(card) as line:
                await line.ask("GET", "/api/runtime")
                return str((await line.json()).get("title", ""))[:LONGEST_TITLE]
        except Gone:
            pass
    return None


def _title() -> str:
    """Say what this process is, for people: its program and the folder it works in."""
    program = Path(sys.argv[0] if sys.argv else "")
    name = program.parent.name if program.name == "__main__.py" else program.name
    with suppress(OSError):  # the folder is gone
        return f"{name if name and name != '-c' else 'python'} in {Path.cwd().name}"
    return name


def _id(card: cards.Card) -> str:
    return hashlib.sha256(f"{card.url} {card.pid} {card.started_at!r}".encode()).hexdigest()[:16]


def _headers(given: Mapping[str, str], caller: Caller) -> list[Header]:
    name = caller.user.name if caller.way is Way.USERS else ""
    sent = [(header.encode(), given[header].encode("latin-1")) for header in SENT if header in given]
    return [*sent, (FORWARDED.encode(), quote(name, safe="").encode())]


def _target(request: Request) -> str:
    """Return what to ask the other for, encoded anew: no part of it leads out of `/api/`."""
    runtime_id, scope = request.path_params["runtime_id"], request.scope
    raw = bytes(scope.get("raw_path") or quote(scope["path"]).encode())
    rest = raw.partition(f"/runtimes/{runtime_id}/".encode())[2]
    path = "/".join(_segment(unquote_to_bytes(part)) for part in rest.split(b"/"))
    # a ticket is for this server
    query = b"&".join(part for part in scope["query_string"].split(b"&") if not part.startswith(TICKET))
    return f"/api/{path}{'?' if query else ''}{quote(query, safe=punctuation)}"


def _segment(part: bytes) -> str:
    return part.decode().replace(".", "%2E") if part in (b".", b"..") else quote(part, safe="")
