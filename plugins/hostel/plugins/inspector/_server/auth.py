"""Who may ask: the checks every request passes before anything else looks at it.

A browser can be made to send requests here by any page its user visits. It then says so: by a Host that a
rebinding name server made ours, or by an Origin that is not ours. Both are refused. There is no cookie and
no CORS, so no other page can carry the token either: it comes in the Authorization header and nowhere else,
and is compared in constant time. Only an event stream can be had for a ticket in the address as well, which
is good for one. Without either only `/health`, `/proof` and the page itself (which holds nothing) are
served.

Behind a proxy the server goes by the proxy's names, which its user allows. The proxy may pass on another Host
than it was asked for; pages of the allowed names are ours all the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from .host_names import is_address, is_loopback, name_of
from .problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .tokens import Tokens

STREAM = re.compile("/api/(events|tasks/.+/output)")
"""What can be had for a ticket."""

FOREIGN_HOST = (
    "this server does not go by the name in the Host header: allow it with --allowed-host or allowed_hosts"
)
HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    ),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)


class AuthMiddleware:
    """Lets requests through to `app` that name this server, come from no foreign page and carry the token.

    `host` is the address it listens on, `allowed` are its further names; `refuse` says how a path is told of
    a problem."""

    def __init__(
        self,
        app: ASGIApp,
        tokens: Tokens,
        *,
        host: str,
        allowed: frozenset[str],
        public: frozenset[str],
        refuse: Callable[[str, Problem], ASGIApp],
    ) -> None:
        self._app = app
        self._tokens = tokens
        self._allowed = allowed
        self._names = {"localhost", host.lower(), *allowed} - {""}
        self._any_address = not is_loopback(host)
        self._public = public
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _with_guards(message.get("headers", ()))
            await send(message)

        problem = self._objection(scope)
        app = self._app if problem is None else self._refuse(_path(scope), problem)
        await app(scope, receive, send_guarded)

    def _objection(self, scope: Scope) -> Problem | None:
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        if not self._is_ours(host):
            return Problem(421, "foreign-host", FOREIGN_HOST)
        origin = headers.get(b"origin")
        if origin is not None and not self._is_own_page(origin.decode("latin-1"), host):
            return Problem(403, "foreign-origin", "pages of another origin may not ask this server")
        path = _path(scope)
        if path in self._public or self._is_authorized(headers.get(b"authorization", b"")):
            return None
        if scope["method"] == "GET" and STREAM.fullmatch(path) and self._has_ticket(scope["query_string"]):
            return None
        return Problem(
            401,
            "unauthorized",
            "send the token of this runtime as `Authorization: Bearer TOKEN`",
            headers={"www-authenticate": 'Bearer realm="hostel"'},
        )

    def _is_ours(self, host: str) -> bool:
        name = name_of(host)
        if name in self._names:
            return True
        return is_address(name) if self._any_address else is_loopback(name)

    def _is_own_page(self, origin: str, host: str) -> bool:
        scheme, _, place = origin.partition("://")
        return scheme in ("http", "https") and (place == host or name_of(place) in self._allowed)

    def _is_authorized(self, given: bytes) -> bool:
        scheme, _, token = given.partition(b" ")
        return scheme.lower() == b"bearer" and self._tokens.accepts(token.strip())

    def _has_ticket(self, query: bytes) -> bool:
        given = parse_qs(query.decode("latin-1")).get("ticket", [])
        return len(given) == 1 and self._tokens.redeem(given[0])


def _path(scope: Scope) -> str:
    """Return the path below the one the application is mounted at."""
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


def _with_guards(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    known = {name for name, _ in headers}
    more = [pair for pair in HEADERS if pair[0] not in known]
    if b"cache-control" not in known:
        more.append((b"cache-control", b"no-store"))
    return [*headers, *more]
