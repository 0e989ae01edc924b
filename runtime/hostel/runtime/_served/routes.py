"""What plugins answer over HTTP where an inspector serves: descriptions, free of any web framework."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs

if TYPE_CHECKING:
    from hostel.sessions import JsonValue

Answer: TypeAlias = "Callable[[Mapping[str, str], JsonValue], Awaitable[JsonValue]]"
"""(query, body) -> the answer as JSON; `body` is None for a GET."""

AsgiMessage = MutableMapping[str, Any]
AsgiApp = Callable[
    [AsgiMessage, Callable[[], Awaitable[AsgiMessage]], Callable[[AsgiMessage], Awaitable[None]]],
    Awaitable[None],
]
"""An ASGI 3 application."""

Refuse: TypeAlias = "Callable[[int, str, str], JsonValue]"
"""(status, kind, detail) -> the body of an answer that the server gives in the place of an application."""


@attrs.frozen
class Endpoint:
    """One thing to ask a plugin: `method` `/api/<path>` calls `answer(query, body)` and sends the answer.

    A list is sent as `{"items": [...], "next": null}`. LookupError becomes 404 and ValueError 400, with their
    text as the detail; any other exception becomes 500 and is noted against the plugin. `summary` says in one
    line what is asked. With `takes_actor` a POST body, which is an object then, has who does it as `actor`:
    the user where the server knows its users, else whom the body names, or `inspector`."""

    path: str
    answer: Answer
    method: Literal["GET", "POST"] = "GET"
    summary: str = ""
    takes_actor: bool = False

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot be served.

        :raises TypeError: if a field is of another type.
        """
        _check(self.path, self.answer)
        if self.method not in ("GET", "POST"):
            raise TypeError(f"the method of endpoint {self.path!r} must be GET or POST")
        if not isinstance(self.summary, str):
            raise TypeError(f"the summary of endpoint {self.path!r} must be a text")


@attrs.frozen
class Mount:
    """An ASGI application to serve below `path`, which begins with `/` and is cut off for it.

    Whoever asks has shown the token, or is a user of the application; the scope has their name as
    `hostel.user` then, and who may only look sends only GET and HEAD. Host and Origin have been checked.
    Bodies come in small parts, no faster than they are taken, and go as fast as the peer takes them; how long
    one may be is the application's own affair. What it raises becomes 500 unless it has begun to answer, and
    is noted against the plugin.

    `paths` describe what is below `path`, as the path items of OpenAPI by their paths. What the server
    answers there itself (no token, a failure) has the form that `refuse` gives it; None for problems of RFC
    9457."""

    path: str
    app: AsgiApp
    paths: Mapping[str, JsonValue] = attrs.field(factory=dict, eq=False, kw_only=True)
    refuse: Refuse | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot be served.

        :raises TypeError: if a field is of another type.
        """
        _check(self.path, self.app)
        if not isinstance(self.paths, Mapping):
            raise TypeError(f"the paths of mount {self.path!r} must be a mapping")
        if not (self.refuse is None or callable(self.refuse)):
            raise TypeError(f"what refuses at {self.path!r} must be callable")


def _check(path: object, answers: object) -> None:
    if not isinstance(path, str):
        raise TypeError("the path of a route must be a text")
    if not callable(answers):
        raise TypeError(f"what answers at {path!r} must be callable")
