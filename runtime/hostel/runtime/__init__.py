"""The plugin host: `Runtime` runs plugins and the tasks they start for each session."""

from typing import TYPE_CHECKING

from .lazy import lazily

if TYPE_CHECKING:
    from hostel.sessions import TaskSpec, current_task

    from ._errors import InvalidParams, InvalidUpstream, NotOffered, PluginFailed, RuntimeFault, UnknownKind
    from ._hooks import expect, hookimpl, hookspec
    from ._kinds import TaskKind
    from ._loading import PluginInfo
    from ._registry import Listener, PluginRegistry
    from ._routes import AsgiApp, AsgiMessage, Endpoint, Mount
    from ._runtime import Runtime
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
        "_hooks": ("expect", "hookimpl", "hookspec"),
        "_kinds": ("TaskKind",),
        "_loading": ("PluginInfo",),
        "_registry": ("Listener", "PluginRegistry"),
        "_routes": ("AsgiApp", "AsgiMessage", "Endpoint", "Mount"),
        "_runtime": ("Runtime",),
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
    # plugins
    "AsgiApp",
    "AsgiMessage",
    "Endpoint",
    "Listener",
    "Mount",
    "PluginInfo",
    "PluginRegistry",
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
