"""What plugins answer over HTTP where an inspector serves: descriptions, free of any web framework."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Literal

import attrs

from hostel.sessions import JsonValue

Answer = Callable[[Mapping[str, str], JsonValue], Awaitable[JsonValue]]
"""(query, body) -> the answer as JSON; `body` is None for a GET."""

AsgiMessage = MutableMapping[str, Any]
AsgiApp = Callable[
    [AsgiMessage, Callable[[], Awaitable[AsgiMessage]], Callable[[AsgiMessage], Awaitable[None]]],
    Awaitable[None],
]
"""An ASGI 3 application."""


@attrs.frozen
class Endpoint:
    """One thing to ask a plugin: `method` `/api/<path>` calls `answer(query, body)` and sends the answer.

    A list is sent as `{"items": [...], "next": null}`. LookupError becomes 404 and ValueError 400, with their
    text as the detail; any other exception becomes 500 and is noted against the plugin. `summary` says in one
    line what is asked."""

    path: str
    answer: Answer
    method: Literal["GET", "POST"] = "GET"
    summary: str = ""


@attrs.frozen
class Mount:
    """An ASGI application to serve below `path`, which begins with `/` and is cut off for it.

    Whoever asks has shown the token; Host and Origin have been checked. Bodies come in small
    parts, no faster than they are taken, and go as fast as the peer takes them; how long one may be is the
    application's own affair. What it raises becomes 500 unless it has begun to answer, and is noted against
    the plugin."""

    path: str
    app: AsgiApp
