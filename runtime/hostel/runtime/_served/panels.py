"""What plugins show in an inspector: tables of rows and verbs on them, as descriptions without script or
markup.

A panel names an endpoint of its plugin that answers the rows, and says which fields of a row make a column
and how each is written. What can be done with a row, or with the whole panel, is an action (another
endpoint) or a file to save. Here only the types of a description are checked, as it is made; what it says
is checked where it is shown, which knows what the plugin answers, so that a stranger loses one panel and
not all."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import attrs

from .actions import Action, Save
from .typed import check, check_each, mapping, several

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Format(StrEnum):
    """How the value of a column is written; null, or a field that a row does not have, stays empty."""

    TEXT = "text"
    LINES = "lines"
    """A text of several lines, as an error or an output."""
    NUMBER = "number"
    BYTES = "bytes"
    RATE = "rate"
    """Bytes per second."""
    DURATION = "duration"
    """Seconds."""
    MOMENT = "moment"
    """Seconds since the epoch, UTC."""
    SHARE = "share"
    """How far something is, from 0 to 1; null is not known."""
    STATE = "state"
    """A word for how something stands, as those of tasks."""
    TASK = "task"
    """The id of a task to open; the column's `session_field` has its session."""


class Icon(StrEnum):
    """What stands beside a panel's title."""

    LIST = "list"
    DOWNLOAD = "download"
    DISK = "disk"
    STACK = "stack"
    TERMINAL = "terminal"


@attrs.frozen
class Column:
    """One column of a panel: `field` is a key of a row, or a path of keys with dots between them."""

    title: str
    field: str
    format: Format = Format.TEXT
    session_field: str | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot be shown.

        :raises TypeError: if a field is of another type.
        """
        check(self, str, "title", "field")
        check(self, Format, "format")
        check(self, (str, type(None)), "session_field")


def _columns(given: Iterable[Column]) -> tuple[Column, ...]:
    return several(given)


def _actions(given: Iterable[Action | Save]) -> tuple[Action | Save, ...]:
    return several(given)


def _texts(given: Iterable[str]) -> tuple[str, ...]:
    return several(given)


def _fields(given: Mapping[str, str]) -> dict[str, str]:
    return mapping(given)


@attrs.frozen
class Panel:
    """A view of a plugin: GET `/api/<rows>` answers a list of objects, or `{"items": [...], "next": ...}`
    where `next`, if it is not null, asks for more as the query parameter `after`.

    `name` is part of an address: letters, digits and `-`. `key` is the field that tells rows apart. `empty`
    is shown where there is no row. Events of tasks of the `kinds` make the rows be asked for again.
    `within` names a panel described before, whose rows open this one; `params` maps query parameters to
    fields of such a row."""

    name: str
    title: str
    rows: str
    columns: Sequence[Column] = attrs.field(converter=_columns)
    actions: Sequence[Action | Save] = attrs.field(default=(), converter=_actions)
    key: str = "id"
    empty: str = ""
    kinds: Sequence[str] = attrs.field(default=(), converter=_texts)
    within: str | None = None
    params: Mapping[str, str] = attrs.field(factory=dict, converter=_fields)
    icon: Icon = Icon.LIST

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot be shown.

        :raises TypeError: if a field is of another type.
        """
        check(self, str, "name", "title", "rows", "key", "empty")
        check(self, (str, type(None)), "within")
        check(self, Icon, "icon")
        check_each(self, Column, "columns")
        check_each(self, (Action, Save), "actions")
        check_each(self, str, "kinds")
