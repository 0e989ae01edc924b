"""The panels of all plugins of a runtime, gathered once, when it begins to be served."""

from __future__ import annotations

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

    from .._server.plugin_routes import PluginRoutes

OWN_DISTRIBUTION = "hostel"


@attrs.define
class PluginPanels:
    """The panels that can be shown, by the names of their plugins and their own."""

    _plugins: PluginRegistry
    _found: dict[str, dict[str, Panel]] = attrs.Factory(dict)

    @classmethod
    def of(cls, plugins: PluginRegistry, routes: PluginRoutes) -> PluginPanels:
        """Ask all plugins, whose endpoints are known.

        :raises PluginFailed: if a built-in or given one describes what cannot be shown.
        """
        found = cls(plugins)
        for plugin, panel in plugins.collect(register_panels):
            before = found._found.setdefault(plugin, {})
            try:
                check_panel(panel, routes.of_plugin(plugin), before)
            except ValueError as error:
                plugins.refuse(plugin, "register_panels", f"panel {panel.name!r}: {error}")
            else:
                before[panel.name] = panel
        return found

    async def listing(self, request: Request) -> Response:
        """List the panels of the plugins that work: those that hostel brings first, then by plugin."""
        Query(request, ())
        names = sorted(
            (info.distribution != OWN_DISTRIBUTION, info.name) for info in self._plugins if info.active
        )
        shown = [
            panel_to_json(name, panel) for _, name in names for panel in self._found.get(name, {}).values()
        ]
        return answer({"items": [*shown], "next": None})
