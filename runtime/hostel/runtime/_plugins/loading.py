"""Where plugins come from, and what is read from them before any is called.

There are three origins: this distribution, the application, and whatever else is installed. The first and the
last come by entry points. A plugin is read here once, by code that expects nothing of it: its name, what it
requires, the hooks it brings and those it implements. Only what was read is used from then on."""

from __future__ import annotations

import importlib.metadata
import inspect
import os
import re
from collections.abc import Callable, Iterable
from enum import IntEnum
from itertools import islice
from types import ModuleType
from typing import TYPE_CHECKING

import attrs

from .._errors import PluginFailed
from .hooks import MOST, specifications
from .outcome import Misbehaved, one_line

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from .apart import HookThread

BLOCKED = "HOSTEL_PLUGINS_BLOCKED"
ENTRY_POINT_GROUP = "hostel.plugins"
OWN = "hostel"

Function = Callable[..., object]


class Origin(IntEnum):
    """Where a plugin comes from; who comes first keeps a name or a path that two want."""

    GIVEN = 0
    BUILT_IN = 1
    INSTALLED = 2


@attrs.frozen
class PluginInfo:
    """One plugin as `hostel plugins` shows it.

    `distribution` and `version` are None for a plugin given as an object. `failure` says why it was set
    aside, or what it did wrong last; None if nothing."""

    name: str
    distribution: str | None
    version: str | None
    hooks: tuple[str, ...]
    failure: str | None = None
    active: bool = True


@attrs.define(eq=False)
class Plugin:
    """A plugin of one registry; `must_work` tells whether the runtime does without it."""

    name: str
    origin: Origin
    distribution: str | None = None
    version: str | None = None
    thing: object = None
    brings: dict[str, Function] = attrs.Factory(dict)
    implements: dict[str, Function] = attrs.Factory(dict)
    requires: tuple[str, ...] = ()
    missing: str | None = None
    failure: str | None = None
    active: bool = True
    thread: HookThread | None = None

    @property
    def must_work(self) -> bool:
        """Whether hostel or the application brought it, so that what is wrong with it is raised."""
        return self.origin is not Origin.INSTALLED

    @property
    def info(self) -> PluginInfo:
        """What is told about it."""
        hooks = tuple(sorted(self.implements))
        return PluginInfo(self.name, self.distribution, self.version, hooks, self.failure, self.active)

    def failed(self, phase: str, why: object) -> PluginFailed:
        """Return the error that says what it did wrong."""
        return PluginFailed(self.name, phase, why, distribution=self.distribution)

    def read(self, thing: object) -> None:
        """Read all that is used of a plugin object.

        :raises Misbehaved: if it is none.
        """
        if inspect.isclass(thing):
            raise Misbehaved("is a class: give an instance of it")
        self.thing = thing
        self.requires = _requires(thing)
        self.brings = _brings(thing)
        self.implements = _implements(thing)
        if not self.implements and not self.brings:
            raise Misbehaved("has no hooks: mark its functions with @hookimpl")


def given_name(thing: object) -> str:
    """Return what a plugin object is called: its `name`, else the name of its module or class."""
    name = getattr(thing, "name", None)
    if name is None:
        return thing.__name__ if isinstance(thing, ModuleType) else type(thing).__name__
    if not isinstance(name, str) or not name:
        raise Misbehaved("has a `name` that is not a text")
    return name


def installed(blocked: Iterable[str]) -> list[tuple[Plugin, EntryPoint]]:
    """Find all plugins that are installed, except those that are blocked by name or distribution; what
    HOSTEL_PLUGINS_BLOCKED names, separated by commas, is blocked, too.
    """
    left_out = {*blocked, *(name.strip() for name in os.environ.get(BLOCKED, "").split(","))} - {""}
    dists = {canonical(name) for name in left_out}
    found: list[tuple[Plugin, EntryPoint]] = []
    known: dict[int, _Distribution] = {}
    for entry_point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        dist = known.setdefault(id(entry_point.dist), _Distribution.of(entry_point.dist))
        if entry_point.name in left_out or canonical(dist.name) in dists:
            continue
        origin = Origin.BUILT_IN if canonical(dist.name) == OWN else Origin.INSTALLED
        missing = dist.missing(entry_point.extras)
        plugin = Plugin(entry_point.name, origin, dist.name, dist.version, missing=missing)
        found.append((plugin, entry_point))
    return found


def load(entry_point: EntryPoint) -> object:
    """Import what an entry point names, and make an instance if it is a class."""
    loaded = entry_point.load()
    return loaded() if inspect.isclass(loaded) else loaded


def is_optional(function: Function) -> bool:
    """Tell whether an implementation does without its hook, as pluggy's `optionalhook` says."""
    return bool(getattr(function, "hostel_impl", {}).get("optionalhook"))


def canonical(name: str) -> str:
    """Return the name of a distribution as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@attrs.frozen
class _Distribution:
    name: str = ""
    version: str = ""
    requires: tuple[str, ...] = ()

    @classmethod
    def of(cls, dist: importlib.metadata.Distribution | None) -> _Distribution:
        if dist is None:
            return cls()
        text = dist.read_text("METADATA") or dist.read_text("PKG-INFO") or ""
        lines = [line.partition(": ") for line in text.partition("\n\n")[0].splitlines()]
        facts = {name: value for name, _, value in lines}
        requires = tuple(value for name, _, value in lines if name == "Requires-Dist")
        return cls(facts.get("Name", ""), facts.get("Version", ""), requires)

    def missing(self, extras: Iterable[str]) -> str | None:
        """Return how to install what an entry point's extras ask for; None if it is there."""
        for extra in extras:
            asked = re.compile(rf"""extra\s*==\s*["']{re.escape(extra)}["']""")
            needed = [line for line in self.requires if asked.search(line)]
            if not all(map(_is_installed, needed)):
                return f"pip install '{self.name}[{extra}]'"
        return None


def _is_installed(requirement: str) -> bool:
    name = re.match(r"[\w.-]+", requirement)
    try:
        importlib.metadata.distribution(name[0] if name else "")
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return False
    return True


def _requires(thing: object) -> tuple[str, ...]:
    names = getattr(thing, "requires", ())
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise Misbehaved("has a `requires` that is not a list of names")
    found = tuple(islice(names, MOST))
    if not all(isinstance(name, str) for name in found):
        raise Misbehaved("has a `requires` that is not a list of names")
    return found


def _brings(thing: object) -> dict[str, Function]:
    namespace = getattr(thing, "hookspecs", None)
    return {} if namespace is None else specifications(namespace)


def _implements(thing: object) -> dict[str, Function]:
    found: dict[str, Function] = {}
    for name in dir(thing):
        if isinstance(getattr(type(thing), name, None), property):
            continue  # what it computes is not for us to ask
        function = getattr(thing, name, None)
        options = getattr(function, "hostel_impl", None)
        if isinstance(options, dict) and inspect.isroutine(function):
            if options.get("wrapper") or options.get("hookwrapper"):
                raise Misbehaved(f"{one_line(name)!r} is a wrapper; hostel calls implementations one by one")
            found[options.get("specname") or name] = function
    return found
