"""What can go wrong when one talks to a runtime.

RuntimeFault
├── PluginFailed                a built-in or given plugin could not be used
├── UnknownKind (LookupError)   no plugin has registered that kind of task
├── InvalidParams (TypeError)   that is not what the kind takes
├── NotResumable                a task of that kind was left by an earlier runtime and cannot be run again
├── InvalidUpstream (ValueError)  that is no address to send requests to
└── NotOffered (LookupError)    no started plugin offers an object of that type
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


class RuntimeFault(Exception):
    """Base of what a runtime raises on purpose."""


class PluginFailed(RuntimeFault):
    """A plugin did what it must not; the cause, if there is one, is what it raised.

    `distribution` is None for a plugin given as an object. `phase` is the hook, or what was done with the
    plugin: importing, validating.
    """

    def __init__(self, plugin: str, phase: str, why: object, *, distribution: str | None = None) -> None:
        origin = f" of {distribution}" if distribution else ""
        super().__init__(f"plugin {plugin!r}{origin} failed: {phase}: {why}")
        self.plugin = plugin
        self.phase = phase
        self.why = str(why)
        self.distribution = distribution


class UnknownKind(RuntimeFault, LookupError):
    """No plugin has registered that kind of task; `known` are those that are. `set_aside` is the plugin that
    has and was set aside, None if there is none.
    """

    def __init__(self, kind: str, known: Collection[str], set_aside: str | None = None) -> None:
        why = f"no plugin registers the task kind {kind!r}"
        if set_aside is not None:
            why = f"the plugin {set_aside!r}, which registers the task kind {kind!r}, was set aside"
        super().__init__(f"{why}; there is {', '.join(sorted(known)) or 'none'}")
        self.kind = kind
        self.set_aside = set_aside
        self.known = tuple(sorted(known))


class InvalidParams(RuntimeFault, TypeError):
    """That is not what a task kind takes; `name` is the parameter at fault, None if all are."""

    def __init__(self, kind: str, why: object, name: str | None = None) -> None:
        super().__init__(f"a {kind!r} task cannot be started so: {why}")
        self.kind = kind
        self.name = name


class NotResumable(RuntimeFault):
    """Tasks of that kind cannot be run again: it is not resumable any more."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"the task kind {kind!r} is not resumable")
        self.kind = kind


class InvalidUpstream(RuntimeFault, ValueError):
    """That is no address to send requests to; the message does not repeat it, for it may hold a password."""

    def __init__(self, why: str) -> None:
        super().__init__(f"that address of an upstream cannot be used: {why}")
        self.why = why


class NotOffered(RuntimeFault, LookupError):
    """No started plugin offers an object of that type."""

    def __init__(self, wanted: type) -> None:
        super().__init__(f"nothing of type {wanted.__name__} is offered: is its plugin loaded and started?")
        self.wanted = wanted
