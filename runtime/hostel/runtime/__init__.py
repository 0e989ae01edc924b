"""The plugin host: `Runtime` runs plugins and the tasks they start for each session."""

import pluggy

from hostel.sessions import current_task

from ._errors import InvalidParams, InvalidUpstream, NotOffered, PluginFailed, RuntimeFault, UnknownKind
from ._kinds import TaskKind
from ._registry import PluginInfo, PluginRegistry
from ._routes import AsgiApp, AsgiMessage, Endpoint, Mount
from ._runtime import Runtime
from ._session import Session
from ._upstream import Upstream

hookimpl = pluggy.HookimplMarker("hostel")
"""Marks a function of a plugin as the implementation of a hook."""

__all__ = [
    "Runtime",
    "Session",
    "TaskKind",
    "Upstream",
    "current_task",
    # plugins
    "AsgiApp",
    "AsgiMessage",
    "Endpoint",
    "Mount",
    "PluginInfo",
    "PluginRegistry",
    "hookimpl",
    # errors
    "InvalidParams",
    "InvalidUpstream",
    "NotOffered",
    "PluginFailed",
    "RuntimeFault",
    "UnknownKind",
]
