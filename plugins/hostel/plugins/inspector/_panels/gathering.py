"""The panels of all plugins of a runtime, gathered once, when it begins to be served."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import attrs

from hostel.runtime.hookspecs import register_panels

from .._resources.finding import answer
from .._server.params import Query
from .checking import check_panel
from .json_form import panel_to_json

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from hostel.runtime import Panel, PluginRegistry
    from hostel.sessions import JsonValue

    from .._server.plugin_routes import PluginRoutes

OWN = "hostel"


@attrs.define
class PluginPanels:
    """The panels that can be shown, as they are told, by the names of their plugins."""

    _plugins: PluginRegistry
    _told: dict[str, list[JsonValue]] = attrs.Factory(dict)

    @classmethod
    def of(cls, plugins: PluginRegistry, routes: PluginRoutes) -> PluginPanels:
        """Ask all plugins, whose endpoints are known.

        :raises PluginFailed: if a built-in or given one describes what cannot be shown.
        """
        found = cls(plugins)
        before: dict[str, dict[str, Panel]] = {}
        for plugin, panel in plugins.collect(register_panels):
            theirs = before.setdefault(plugin, {})
            try:
                check_panel(panel, routes.of_plugin(plugin), theirs)
                # from here on nothing is asked of what a stranger has made
                told: JsonValue = json.loads(json.dumps(panel_to_json(plugin, panel), allow_nan=False))
            except Exception as error:  # noqa: BLE001 - it may hold anything
                plugins.refuse(plugin, "register_panels", f"panel {panel.name!r}: {error}")
            else:
                theirs[panel.name] = panel
                found._told.setdefault(plugin, []).append(told)
        return found

    async def listing(self, request: Request) -> Response:
        """List the panels of the plugins that work: those that hostel brings first, then by plugin."""
        Query(request, ())
        active = (info for info in self._plugins if info.active)
        names = [name for _, name in sorted((info.distribution != OWN, info.name) for info in active)]
        return answer(
            {"items": [panel for name in names for panel in self._told.get(name, ())], "next": None}
        )
