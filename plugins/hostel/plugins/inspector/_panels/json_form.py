"""A panel as `GET /api/panels` tells it. Paths are whole: the page asks for them as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from hostel.runtime import Action, Column, Panel, Save

if TYPE_CHECKING:
    from hostel.sessions import JsonValue

    Json = dict[str, JsonValue]


def panel_to_json(plugin: str, panel: Panel) -> Json:
    """Return the description of a panel of `plugin`."""
    return {
        "plugin": plugin,
        "name": panel.name,
        "title": panel.title,
        "icon": panel.icon.value,
        "rows": f"/api/{panel.rows}",
        "key": panel.key,
        "columns": [_column(column) for column in panel.columns],
        "actions": [_action(one) if isinstance(one, Action) else _save(one) for one in panel.actions],
        "empty": panel.empty,
        "kinds": list(panel.kinds),
        "within": panel.within,
        "params": dict(panel.params),
    }


def _column(column: Column) -> Json:
    return {
        "title": column.title,
        "field": column.field,
        "format": column.format.value,
        "session_field": column.session_field,
    }


def _action(action: Action) -> Json:
    return {
        "type": "post",
        "title": action.title,
        "scope": action.scope.value,
        "when": _when(action),
        "path": f"/api/{action.path}",
        "body": dict(action.body),
        "schema": None if action.schema is None else dict(action.schema),
        "danger": action.danger,
        "confirm": action.confirm,
    }


def _save(save: Save) -> Json:
    return {
        "type": "save",
        "title": save.title,
        "scope": save.scope.value,
        "when": _when(save),
        "address": save.address,
        "name": save.name,
    }


def _when(offered: Action | Save) -> Json:
    return {field: cast("list[JsonValue]", list(values)) for field, values in offered.when.items()}
