"""What is wrong with a panel, in one sentence: pure, by what its plugin answers and the panels before it.

The page trusts what comes through here: each path is one of the plugin's own, each form can be shown, each
field that is named is a text, and following `within` ends. What a row really holds it finds out itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote

from hostel.runtime import Action, Save, Scope
from hostel.sessions import InvalidQuestion, checked_schema

from .addresses import fixed_part, places
from .json_form import panel_to_json

if TYPE_CHECKING:
    from collections.abc import Collection

    from hostel.runtime import Panel

    Routes = Collection[tuple[str, str]]

NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
MOST_COLUMNS = 30
LONGEST_TITLE = 80
MOST_BYTES = 64 * 1024


def check_panel(panel: Panel, routes: Routes, before: Mapping[str, Panel]) -> None:
    """Refuse a panel that cannot be shown.

    :param routes: methods and paths that its plugin answers, a mount with "" for a method
    :param before: the plugin's panels that were described before it, by name
    :raises ValueError: saying what is wrong.
    """
    _check_name(panel, before)
    _check_titles([panel.title, *(column.title for column in panel.columns)])
    _check_titles([one.title for one in panel.actions])
    if not 0 < len(panel.columns) <= MOST_COLUMNS:
        raise ValueError(f"it has 1 to {MOST_COLUMNS} columns")
    _check_endpoint("GET", panel.rows, routes)
    _check_fields(panel.key, *(column.field for column in panel.columns), *panel.params.values())
    for one in panel.actions:
        try:
            _check_offered(one, panel, routes)
        except ValueError as error:
            raise ValueError(f"{one.title!r}: {error}") from error
    _check_size(panel)


def _check_name(panel: Panel, before: Mapping[str, Panel]) -> None:
    if not NAME.fullmatch(panel.name):
        raise ValueError("its name is 1 to 64 letters, digits and -")
    if panel.name in before:
        raise ValueError("there is a panel of that name already")
    if panel.within is None and panel.params:
        raise ValueError("its params are fields of no row: it is within no panel")
    if panel.within is not None and panel.within not in before:
        raise ValueError(f"it is within {panel.within!r}, which is no panel before it")
    if not all(isinstance(name, str) and name for name in panel.params):
        raise ValueError("a query parameter is named by a text")


def _check_titles(titles: Iterable[str]) -> None:
    if not all(0 < len(title) <= LONGEST_TITLE for title in titles):
        raise ValueError(f"a title has 1 to {LONGEST_TITLE} characters")


def _check_endpoint(method: str, path: str, routes: Routes) -> None:
    if (method, path) not in routes:
        raise ValueError(f"its plugin does not answer {method} /api/{path}")


def _check_fields(*fields: object) -> None:
    for field in fields:
        if not isinstance(field, str) or not all(field.split(".")):
            raise ValueError(f"{field!r} names no field of a row")


def _check_offered(one: Action | Save, panel: Panel, routes: Routes) -> None:
    _check_fields(*one.when)
    for field, values in one.when.items():
        if isinstance(values, str) or not isinstance(values, Sequence):
            raise ValueError(f"{field!r} is held against a list of values")
    if isinstance(one, Action):
        _check_action(one, routes)
        filled_in = list(one.body.values())
    else:
        _check_address(one.address, routes)
        filled_in = [*places(one.address), *places(one.name)]
    _check_fields(*filled_in)
    if one.scope is Scope.PANEL and (one.when or not panel.params.keys() >= set(filled_in)):
        raise ValueError("it is about the whole panel and knows no row, only the panel's params")


def _check_action(action: Action, routes: Routes) -> None:
    _check_endpoint("POST", action.path, routes)
    _check_fields(*action.body)
    if action.schema is None:
        return
    try:
        asked = checked_schema(action.schema)["properties"]
    except InvalidQuestion as error:
        raise ValueError(error.problem) from error
    if isinstance(asked, dict) and not action.body.keys().isdisjoint(asked):
        raise ValueError("its form asks for what the row fills in")


def _check_address(address: str, routes: Routes) -> None:
    fixed = fixed_part(address)
    below = any(not method and fixed.startswith(f"{path.rstrip('/')}/") for method, path in routes)
    climbs = any(unquote(step) in (".", "..") for step in address.partition("?")[0].split("/"))
    if climbs or (not below and ("GET", fixed.removeprefix("/api/")) not in routes):
        raise ValueError(f"its plugin does not answer {address}")


def _check_size(panel: Panel) -> None:
    try:
        told = json.dumps(panel_to_json("", panel), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"it is no JSON ({error})") from error
    if len(told) > MOST_BYTES:
        raise ValueError(f"its description is longer than {MOST_BYTES} bytes")
