"""The plugin host: `Runtime` runs plugins and the tasks they start for each session.

hookspecs   the hooks, which is the manual of plugin authors
_plugins/   how plugins are found, checked and called
_kinds      kinds of tasks that can be started by name
_served/    what plugins answer over HTTP, and show of it
_upstream   the model endpoint an application offers
_services   what plugins run beside all tasks
_session    one session, the host's verbs with it filled in
_runtime    all of it together
cards       runtimes that run on this machine, and asking them (_proof, _proving: the token is not sent)
cli         the command `hostel`, made in _cli/; what commands share: console, paths, text, lazy"""

from typing import TYPE_CHECKING

from .lazy import lazily

if TYPE_CHECKING:
    from hostel.sessions import TaskSpec, current_task

    from ._errors import InvalidParams, InvalidUpstream, NotOffered, PluginFailed, RuntimeFault, UnknownKind
    from ._kinds import TaskKind
    from ._params import param_from_text
    from ._plugins.hooks import expect, hookimpl, hookspec
    from ._plugins.loading import PluginInfo
    from ._plugins.registry import Listener, PluginRegistry
    from ._runtime import Runtime
    from ._served.actions import Action, Save, Scope
    from ._served.panels import Column, Format, Icon, Panel
    from ._served.routes import AsgiApp, AsgiMessage, Endpoint, Mount
    from ._session import Session
    from ._upstream import Upstream

__getattr__ = lazily(
    __name__,
    {
        "_errors": (
            "InvalidParams",
            "InvalidUpstream",
            "NotOffered",
            "PluginFailed",
            "RuntimeFault",
            "UnknownKind",
        ),
        ".sessions": ("TaskSpec", "current_task"),
        "_plugins.hooks": ("expect", "hookimpl", "hookspec"),
        "_kinds": ("TaskKind",),
        "_params": ("param_from_text",),
        "_plugins.loading": ("PluginInfo",),
        "_plugins.registry": ("Listener", "PluginRegistry"),
        "_runtime": ("Runtime",),
        "_served.actions": ("Action", "Save", "Scope"),
        "_served.panels": ("Column", "Format", "Icon", "Panel"),
        "_served.routes": ("AsgiApp", "AsgiMessage", "Endpoint", "Mount"),
        "_session": ("Session",),
        "_upstream": ("Upstream",),
    },
)

__all__ = [
    "Runtime",
    "Session",
    "TaskKind",
    "TaskSpec",
    "Upstream",
    "current_task",
    "param_from_text",
    # plugins
    "Action",
    "AsgiApp",
    "AsgiMessage",
    "Column",
    "Endpoint",
    "Format",
    "Icon",
    "Listener",
    "Mount",
    "Panel",
    "PluginInfo",
    "PluginRegistry",
    "Save",
    "Scope",
    "expect",
    "hookimpl",
    "hookspec",
    # errors
    "InvalidParams",
    "InvalidUpstream",
    "NotOffered",
    "PluginFailed",
    "RuntimeFault",
    "UnknownKind",
]
