"""What a request asks for, parsed and checked once: from here on everything has its type."""

from __future__ import annotations

import json
import math
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar, cast

from hostel.sessions import TaskFilter, TaskState

from .http1 import PeerGone
from .problems import Problem

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.requests import Request

    from hostel.sessions import JsonValue

Choice = TypeVar("Choice", bound=StrEnum)

BODY_BYTES = 64 * 1024
LIMIT = 1_000
FILTER = ("session_id", "kind", "state", "parent_task_id", "include_terminal")
TEXT = 2_000
LONGEST_ID = 512
LARGEST = 1e15
"""No time and no number of seconds is larger."""


class Query:
    """The parameters of a request; one that is not `known`, or given twice, is a mistake."""

    def __init__(self, request: Request, known: Collection[str]) -> None:
        pairs = request.query_params.multi_items()
        self._given = dict(pairs)
        unknown = sorted(set(self._given) - set(known))
        if unknown:
            raise invalid(f"there is no parameter {unknown[0]!r} here, only {', '.join(known) or 'none'}")
        if len(pairs) != len(self._given):
            raise invalid("a parameter is given twice")

    def text(self, name: str) -> str | None:
        """Return a parameter as it is, None if it is not given."""
        return self._given.get(name)

    def flag(self, name: str) -> bool:
        """Return whether a parameter is given as true."""
        given = self._given.get(name, "false").lower()
        if given not in ("true", "false", "1", "0"):
            raise invalid(f"{name} is true or false, not {given!r}")
        return given in ("true", "1")

    def limit(self, default: int) -> int:
        """Return how many items a page may have."""
        return self.number("limit", default, 1, LIMIT)

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """Return a whole number from `least` to `most`."""
        given = self._given.get(name)
        if given is None:
            return default
        digits = given.removeprefix("-")
        # a text as long as a body would take a while to be a number
        is_number = digits.isascii() and digits.isdecimal() and len(digits) < 20
        if not is_number or not least <= int(given) <= most:
            raise invalid(f"{name} is a whole number from {least} to {most}")
        return int(given)

    def filter(self) -> TaskFilter:
        """Return which tasks are meant."""
        return TaskFilter(
            session_id=self.text("session_id"),
            kind=self.text("kind"),
            state=self._state(),
            parent_task_id=self.text("parent_task_id"),
            include_terminal=self.flag("include_terminal"),
        )

    def _state(self) -> TaskState | None:
        given = self._given.get("state")
        if given is None:
            return None
        try:
            return TaskState(given)
        except ValueError:
            raise invalid(f"state is one of {', '.join(TaskState)}") from None


class Body:
    """The JSON object a request carries; one that is empty stands for `{}`."""

    def __init__(self, fields: dict[str, JsonValue], known: Collection[str]) -> None:
        self._fields = fields
        unknown = sorted(set(fields) - set(known))
        if unknown:
            raise invalid(f"there is no field {unknown[0]!r} here, only {', '.join(known)}")

    @classmethod
    async def of(cls, request: Request, known: Collection[str]) -> Body:
        """Read and check the body of `request`."""
        value = await read_json(request)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise invalid("the body is a JSON object")
        return cls(value, known)

    def text(self, name: str) -> str | None:
        """Return a text of at most 2,000 characters, None if it is not given."""
        value = self._fields.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) > TEXT:
            raise invalid(f"{name} is a text of at most {TEXT} characters")
        return value

    def name(self, name: str) -> str:
        """Return how something is called, as a session or a kind, which must be given."""
        value = self.text(name)
        if not value or len(value) > LONGEST_ID:
            raise invalid(f"{name} is missing, or longer than {LONGEST_ID} characters")
        return value

    def name_or_none(self, name: str) -> str | None:
        """Return how something is called, None if it is not given."""
        return None if self._fields.get(name) is None else self.name(name)

    def json(self, name: str) -> JsonValue:
        """Return what is given as it is; it must be given, and may be null."""
        if name not in self._fields:
            raise invalid(f"{name} is missing")
        return self._fields[name]

    def object(self, name: str) -> dict[str, JsonValue]:
        """Return a JSON object, {} if it is not given."""
        value = self._fields.get(name)
        if value is not None and not isinstance(value, dict):
            raise invalid(f"{name} is a JSON object")
        return value or {}

    def number(self, name: str) -> float | None:
        """Return a number, None if it is not given."""
        value = self._fields.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > LARGEST:
            raise invalid(f"{name} is a number")
        return float(value)

    def choice(self, name: str, kind: type[Choice], default: Choice) -> Choice:
        """Return one of several texts."""
        value = self._fields.get(name)
        if value is None:
            return default
        if not isinstance(value, str) or value not in list(kind):
            raise invalid(f"{name} is one of {', '.join(kind)}")
        return kind(value)

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a truth value."""
        value = self._fields.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise invalid(f"{name} is true or false")
        return value

    def texts(self, name: str) -> list[str]:
        """Return a list of 1 to 1,000 texts."""
        value = self._fields.get(name)
        if not isinstance(value, list) or not 1 <= len(value) <= LIMIT:
            raise invalid(f"{name} is a list of 1 to {LIMIT} texts")
        if not all(isinstance(item, str) for item in value):
            raise invalid(f"{name} is a list of texts")
        return cast("list[str]", value)


async def read_json(request: Request) -> JsonValue:
    """Return the body of a request as JSON, None if it has none."""
    data = await read_body(request)
    if not data:
        return None
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(415, "unsupported-media-type", "the body is application/json")
    try:
        value: JsonValue = json.loads(data, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        raise invalid("the body is not JSON") from None
    return value


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("JSON has no infinity")
    return value


def _no_number(text: str) -> float:
    raise ValueError(f"JSON has no {text}")


async def read_body(request: Request) -> bytes:
    """Return the body of a request.

    :raises Problem: if it has more than 64 KiB.
    """
    data = bytearray()
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise PeerGone
        data += message.get("body", b"")
        if len(data) > BODY_BYTES:
            raise Problem(413, "body-too-large", f"a body has at most {BODY_BYTES} bytes")
        if not message.get("more_body", False):
            return bytes(data)


def check_match(request: Request, tag: str) -> None:
    """Make sure that a task is still as the caller saw it, if the caller cares; `tag` is its entity tag."""
    wanted = request.headers.get("if-match")
    if wanted is None or wanted.strip() == "*":
        return
    if tag not in [one.strip() for one in wanted.split(",")]:
        detail = "the task has changed since: look again"
        raise Problem(412, "task-changed", detail, headers={"etag": tag})


def invalid(detail: str) -> Problem:
    """Return the answer to a request that makes no sense."""
    return Problem(400, "invalid-request", detail)
