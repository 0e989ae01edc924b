"""What can be done with a row of a panel, or with the whole: asking an endpoint, saving a file."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import attrs

from .typed import check, mapping

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hostel.sessions import JsonValue


class Scope(StrEnum):
    """What an action or a file is about."""

    ROW = "row"
    PANEL = "panel"


# one for each type: type checkers do not see through a generic converter


def _fields(given: Mapping[str, str]) -> dict[str, str]:
    return mapping(given)


def _values(given: Mapping[str, Sequence[JsonValue]]) -> dict[str, Sequence[JsonValue]]:
    return mapping(given)


def _schema(given: Mapping[str, JsonValue] | None) -> dict[str, JsonValue] | None:
    return None if given is None else mapping(given)


@attrs.frozen
class Action:
    """Something to do: POST `/api/<path>`, an endpoint of the same plugin.

    `body` maps fields of the body to fields of the row, or, for the whole panel, to names in its `params`.
    `schema` is the JSON Schema of a flat object, as for a question of a task: it is asked for in a form,
    and what is filled in is in the body, too. `when` maps fields of a row to the values with which the
    action is offered. What is a `danger` is marked; `confirm` is asked before it is done, "" asks nothing.
    If the answer has a text `message`, it is shown."""

    title: str
    path: str
    body: Mapping[str, str] = attrs.field(factory=dict, converter=_fields)
    schema: Mapping[str, JsonValue] | None = attrs.field(default=None, converter=_schema)
    scope: Scope = Scope.ROW
    when: Mapping[str, Sequence[JsonValue]] = attrs.field(factory=dict, converter=_values)
    danger: bool = False
    confirm: str = ""

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot be offered.

        :raises TypeError: if a field is of another type.
        """
        check(self, str, "title", "path", "confirm")
        check(self, Scope, "scope")
        check(self, bool, "danger")


@attrs.frozen
class Save:
    """Something to save as a file: what a GET of `address` answers.

    `address` begins with `/` and leads to an endpoint of the same plugin, `/api/...`, or below one of its
    mounts. A `{field}` in it, or in the `name` of the file, stands for that field of the row, or, for the
    whole panel, of its `params`. `when` is that of an action."""

    title: str
    address: str
    name: str
    scope: Scope = Scope.ROW
    when: Mapping[str, Sequence[JsonValue]] = attrs.field(factory=dict, converter=_values)

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot be offered.

        :raises TypeError: if a field is of another type.
        """
        check(self, str, "title", "address", "name")
        check(self, Scope, "scope")
