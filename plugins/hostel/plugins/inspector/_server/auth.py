"""Who may ask: the checks every request passes before anything else looks at it.

A browser can be made to send requests here by any page its user visits. It then says so: by a Host that a
rebinding name server made ours, or by an Origin that is not ours. Both are refused. There is no CORS, so no
other page can carry the token either: it comes in the Authorization header and nowhere else, and is compared
in constant time. Only an event stream can be had for a ticket in the address as well, which is good for one.
Without either only `/health`, `/proof` and the page itself (which holds nothing) are served.

Where the application's own users ask, their browsers may send what lets them in (a cookie) along with what
another page makes them send. So whatever changes something must say that it comes from our own page, and no
request may say that it comes from elsewhere. Who may only look is refused here, for all resources at once.

Behind a proxy the server goes by the proxy's names, which its user allows. The proxy may pass on another Host
than it was asked for; pages of the allowed names are ours all the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote

from hostel.runtime import RuntimeFault

from .._users import CALLER, FORWARDED, OWNER, USER, Caller, User, Way, forwarded
from .host_names import is_address, is_loopback, name_of
from .problems import Problem, forbidden

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from hostel.runtime import PluginRegistry

    from .._users import Auth
    from .tokens import Tokens

STREAM = re.compile("/api/(runtimes/[^/]+/)?(events|tasks/.+/output)")
"""What can be had for a ticket."""
LOOKING = ("GET", "HEAD")
LOOKING_POSTS = ("/api/events/ticket", "/api/tasks/wait")
"""What is posted and changes nothing."""
AUTH_SECONDS = 10.0

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


class Users:
    """Asks the application who sends a request; whatever goes wrong with that lets nobody in."""

    def __init__(self, auth: Auth, plugins: PluginRegistry, *, seconds: float = AUTH_SECONDS) -> None:
        self._auth = auth
        self._plugins = plugins
        self._seconds = seconds

    async def caller(self, scope: Scope) -> Caller | None:
        """Return who sends a request, None if the application does not know them.

        :raises Problem: if the application fails to say.
        """

        async def ask() -> User | None:
            # a copy: what it changes must not change what is asked for
            user: object = await self._auth(dict(scope))
            if user is not None and not isinstance(user, User):
                raise TypeError(f"auth must return a User or None, not {type(user).__name__}")
            return user

        try:
            user = await self._plugins.ask_other("auth of the application", ask, seconds=self._seconds)
        except RuntimeFault as error:
            raise Problem(
                503, "auth-failed", "the application failed to say who asks; its log says why"
            ) from error
        return None if user is None else Caller(user, Way.USERS)


class AuthMiddleware:
    """Lets requests through to `app` that name this server, come from no foreign page and carry the token, or
    are of one of the `users`.

    `host` is the address it listens on, `allowed` are its further names; `refuse` says how a path is told of
    a problem."""

    def __init__(
        self,
        app: ASGIApp,
        tokens: Tokens,
        users: Users | None,
        *,
        host: str,
        allowed: frozenset[str],
        public: frozenset[str],
        refuse: Callable[[str, Problem], ASGIApp],
    ) -> None:
        self._app = app
        self._tokens = tokens
        self._users = users
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

        problem = await self._objection(scope)
        app = self._app if problem is None else self._refuse(_path(scope), problem)
        await app(scope, receive, send_guarded)

    async def _objection(self, scope: Scope) -> Problem | None:
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        if not self._is_ours(host):
            return Problem(421, "foreign-host", FOREIGN_HOST)
        origin = headers.get(b"origin")
        if origin is not None and not self._is_own_page(origin.decode("latin-1"), host):
            return Problem(403, "foreign-origin", "pages of another origin may not ask this server")
        path = _path(scope)
        if path in self._public:
            return None
        try:
            caller = await self._caller(scope, path, headers)
        except Problem as problem:
            return problem
        return _forbidden(scope, path, caller)

    async def _caller(self, scope: Scope, path: str, headers: Mapping[bytes, bytes]) -> Caller:
        """Find out who asks and write it into the scope.

        :raises Problem: if they may not.
        """
        caller: Caller | None = None
        if scope["method"] == "GET" and STREAM.fullmatch(path):
            caller = self._of_ticket(scope["query_string"])
        if caller is None and self._users is None:
            caller = _owner(headers) if self._is_authorized(headers.get(b"authorization", b"")) else None
        elif caller is None and self._users is not None:
            _check_source(scope, path, headers)
            caller = await self._users.caller(scope)
        if caller is None:
            raise _stranger(by_token=self._users is None)
        scope[CALLER] = caller
        if caller.way is Way.USERS:
            scope[USER] = caller.user.name
        return caller

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

    def _of_ticket(self, query: bytes) -> Caller | None:
        given = parse_qs(query.decode("latin-1")).get("ticket", [])
        return self._tokens.redeem(given[0]) if len(given) == 1 else None


def _owner(headers: Mapping[bytes, bytes]) -> Caller:
    name = headers.get(FORWARDED.encode())
    return OWNER if name is None else forwarded(unquote(name.decode("latin-1")))


def _check_source(scope: Scope, path: str, headers: Mapping[bytes, bytes]) -> None:
    """Make sure that a browser was not made to send a request by another page.

    :raises Problem: if it may have been.
    """
    is_change = scope["method"] not in LOOKING
    if headers.get(b"sec-fetch-site", b"none") not in (b"same-origin", b"none"):
        raise Problem(403, "foreign-origin", "pages of another origin may not ask this server")
    if is_change and b"origin" not in headers:
        raise Problem(403, "foreign-origin", "what changes something says where it comes from: send Origin")
    media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if is_change and path.startswith("/api/") and media_type != b"application/json":
        raise Problem(415, "unsupported-media-type", "the body is application/json")


def _stranger(*, by_token: bool) -> Problem:
    scheme, detail = "Application", "log in to the application that this is part of"
    if by_token:
        scheme, detail = "Bearer", "send the token of this runtime as `Authorization: Bearer TOKEN`"
    return Problem(401, "unauthorized", detail, headers={"www-authenticate": f'{scheme} realm="hostel"'})


def _forbidden(scope: Scope, path: str, caller: Caller) -> Problem | None:
    if caller.steers or scope["method"] in LOOKING or path in LOOKING_POSTS:
        return None
    return forbidden(caller)


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
