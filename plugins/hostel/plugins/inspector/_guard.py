"""Who may ask: the checks every request passes before anything else looks at it.

A browser can be made to send requests here by any page its user visits. It then says so: by a Host that a
rebinding name server made ours, or by an Origin that is not ours. Both are refused. There is no cookie and
no CORS, so no other page can carry the token either: it comes in the Authorization header and nowhere else,
and is compared in constant time. Without it only `/health` and the page itself (which holds nothing) are
served."""

from __future__ import annotations

import ipaddress
import re
import secrets
from typing import TYPE_CHECKING

from ._problems import Problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[0-9A-Za-z.-]+))(?::[0-9]{1,5})?")

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


class Guard:
    """Lets requests through to `app` that name this server, come from no foreign page and carry the token."""

    def __init__(self, app: ASGIApp, *, token: str, host: str, public: frozenset[str]) -> None:
        self._app = app
        self._token = token.encode()
        self._names = {"localhost", host.lower()}
        self._any_address = not is_loopback(host)
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _with_guards(message.get("headers", ()))
            await send(message)

        headers = dict(scope["headers"])
        problem = self._objection(scope["path"], headers)
        app = self._app if problem is None else problem.response()
        await app(scope, receive, send_guarded)

    def _objection(self, path: str, headers: dict[bytes, bytes]) -> Problem | None:
        host = headers.get(b"host", b"").decode("latin-1")
        if not self._is_ours(host):
            return Problem(421, "foreign-host", "this server does not go by the name in the Host header")
        origin = headers.get(b"origin")
        if origin is not None and origin.decode("latin-1") not in (f"http://{host}", f"https://{host}"):
            return Problem(403, "foreign-origin", "pages of another origin may not ask this server")
        if path in self._public or self._is_authorized(headers.get(b"authorization", b"")):
            return None
        return Problem(
            401,
            "unauthorized",
            "send the token of this runtime as `Authorization: Bearer TOKEN`",
            headers={"www-authenticate": 'Bearer realm="hostel"'},
        )

    def _is_ours(self, host: str) -> bool:
        found = HOST.fullmatch(host)
        if found is None:
            return False
        name = (found["six"] or found["name"]).lower()
        if name in self._names:
            return True
        return _is_address(name) if self._any_address else is_loopback(name)

    def _is_authorized(self, given: bytes) -> bool:
        scheme, _, token = given.partition(b" ")
        return scheme.lower() == b"bearer" and secrets.compare_digest(token.strip(), self._token)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach `host`."""
    if host.lower() == "localhost":
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _with_guards(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    known = {name for name, _ in headers}
    more = [pair for pair in HEADERS if pair[0] not in known]
    if b"cache-control" not in known:
        more.append((b"cache-control", b"no-store"))
    return [*headers, *more]
