"""Which plugins there are, where they come from, and what is wrong with them.

A plugin is any object with functions marked by `hookimpl`. A registry holds one pluggy manager of its own.
It loads the built-in ones first, then those installed under the entry-point group, one by one, then those
given by the application. A built-in or given plugin that fails raises; an installed stranger that fails to
import, validate or start is set aside with its reason, and the others run. Hooks are called one
implementation at a time, so that one that raises is noted against its plugin and does not stop the call for
the others."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec
from typing import TYPE_CHECKING

import anyio
import attrs
import pluggy

from . import hookspecs
from ._errors import PluginFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

ENTRY_POINT_GROUP = "hostel.plugins"
HOOK_SECONDS = 5.0


@attrs.frozen
class Builtin:
    """A plugin of this distribution: its `module` or `module:Class`, and the extra and package it needs."""

    name: str
    where: str
    extra: str | None = None
    needs: str | None = None

    def load(self) -> object:
        """Import the module, and make an instance of the class if one is named."""
        module, _, name = self.where.partition(":")
        found = importlib.import_module(module)
        return getattr(found, name)() if name else found


BUILTINS = (
    Builtin("model_pull", "hostel.plugins.model_pull._plugin:ModelPull"),
    Builtin("batch", "hostel.plugins.batch._plugin:BatchRequests", extra="batch", needs="sqlalchemy"),
    Builtin("inspector", "hostel.plugins.inspector", extra="inspector", needs="starlette"),
    Builtin("demo", "hostel.plugins.demo"),
)


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


@attrs.frozen
class Implementation:
    """One plugin's implementation of a hook."""

    plugin: str
    function: Callable[..., object]
    arguments: tuple[str, ...]

    def __call__(self, given: dict[str, object]) -> object:
        return self.function(*(given[name] for name in self.arguments))


class PluginRegistry:
    """The plugins of one runtime. Iterating it gives a PluginInfo each, in order of loading."""

    def __init__(self, blocked: Collection[str] = ()) -> None:
        self._manager = pluggy.PluginManager("hostel")
        self._manager.add_hookspecs(hookspecs)
        self._blocked = frozenset(blocked)
        self._infos: dict[str, PluginInfo] = {}
        self._strangers: set[str] = set()

    def __iter__(self) -> Iterator[PluginInfo]:
        return iter(list(self._infos.values()))

    def __len__(self) -> int:
        return len(self._infos)

    def __contains__(self, name: str) -> bool:
        return name in self._infos and self._infos[name].active

    def __repr__(self) -> str:
        failed = sum(info.failure is not None for info in self)
        return f"<PluginRegistry {len(self)} plugins, {failed} with failures>"

    def load_builtins(self) -> None:
        """Load the plugins of this distribution, those whose extra is installed.

        :raises PluginFailed: if one cannot be used.
        """
        version = importlib.metadata.version("hostel")
        for builtin in BUILTINS:
            if builtin.name in self._blocked:
                continue
            if builtin.needs is not None and find_spec(builtin.needs) is None:
                why = f"not installed: pip install 'hostel[{builtin.extra}]'"
                self._infos[builtin.name] = PluginInfo(builtin.name, "hostel", version, (), why, active=False)
                continue
            try:
                plugin = builtin.load()
            except Exception as error:
                raise PluginFailed(builtin.name, "importing", error) from error
            self.add(plugin, name=builtin.name, distribution="hostel", version=version)

    def load_installed(self) -> None:
        """Load every plugin installed under the entry-point group except the blocked ones."""
        for entry_point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
            dist = entry_point.dist
            if {entry_point.name, dist.name if dist else ""} & self._blocked:
                continue
            self._load(entry_point)

    def add(
        self,
        plugin: object,
        *,
        name: str | None = None,
        distribution: str | None = None,
        version: str | None = None,
    ) -> str:
        """Add a plugin object and return its name.

        :raises PluginFailed: if its hooks do not fit.
        """
        found = str(name or getattr(plugin, "name", None) or type(plugin).__name__)
        if found in self._infos:
            raise PluginFailed(found, "registering", "there is a plugin of that name already")
        try:
            self._manager.register(plugin, found)
            _check(self._manager, plugin)
        except Exception as error:
            if self._manager.is_registered(plugin):
                self._manager.unregister(plugin)
            raise PluginFailed(found, "validating", error) from error
        hooks = tuple(sorted(caller.name for caller in self._manager.get_hookcallers(plugin) or ()))
        self._infos[found] = PluginInfo(found, distribution, version, hooks)
        return found

    def set_aside(self, name: str, phase: str, error: BaseException | str) -> None:
        """Take a plugin out of all further calls and note why.

        :raises PluginFailed: if it is not a stranger's.
        """
        self.note(name, phase, error)
        self._infos[name] = attrs.evolve(self._infos[name], active=False)
        if self._manager.has_plugin(name):
            self._manager.unregister(name=name)
        if name not in self._strangers:
            cause = error if isinstance(error, BaseException) else None
            raise PluginFailed(name, phase, error) from cause

    def note(self, name: str, phase: str, error: BaseException | str) -> None:
        """Note what a plugin did wrong."""
        why = f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else error
        self._infos[name] = attrs.evolve(self._infos[name], failure=f"{phase}: {why}")

    def implementations(self, hook: str) -> list[Implementation]:
        """Return the implementations of a hook in the order they are to be called."""
        caller = getattr(self._manager.hook, hook)
        return [
            Implementation(found.plugin_name, found.function, tuple(found.argnames))
            for found in reversed(caller.get_hookimpls())
        ]

    def collect(self, hook: str, **given: object) -> list[tuple[str, object]]:
        """Call a `register_*` hook and return each plugin's name and answer, those that are None left out."""
        answers: list[tuple[str, object]] = []
        for found in self.implementations(hook):
            try:
                answer = found(given)
            except Exception as error:  # noqa: BLE001 - a stranger's code; noted against its plugin
                self.note(found.plugin, hook, error)
                continue
            if answer is not None:
                answers.append((found.plugin, answer))
        return answers

    def first(self, hook: str, **given: object) -> tuple[str, object] | None:
        """Call a `choose_*` hook and return the first answer and its plugin's name, or None if nobody
        answers.
        """
        for found in self.implementations(hook):
            try:
                answer = found(given)
            except Exception as error:  # noqa: BLE001 - a stranger's code; noted against its plugin
                self.note(found.plugin, hook, error)
                continue
            if answer is not None:
                return found.plugin, answer
        return None

    async def notify(self, hook: str, **given: object) -> None:
        """Call an `on_*` hook of every plugin, awaiting those that are async, and note what fails."""
        for found in self.implementations(hook):
            error = await self.call(found, given)
            if error is not None:
                self.note(found.plugin, hook, error)

    async def call(self, found: Implementation, given: dict[str, object]) -> BaseException | str | None:
        """Call one `on_*` implementation within 5 seconds; return what went wrong, None if nothing did."""
        with anyio.move_on_after(HOOK_SECONDS):
            try:
                answer = found(given)
                if inspect.isawaitable(answer):
                    await answer
            except Exception as error:  # noqa: BLE001 - a stranger's code; the caller notes it
                return error
            return None
        return f"not done after {HOOK_SECONDS:g} s"

    def start_order(self) -> list[str]:
        """Return the names of the active plugins, each after those it requires; set aside who cannot
        start.
        """
        requires = {name: self._requires(name) for name in self._infos if name in self}
        for name, needed in requires.items():
            for missing in [other for other in needed if other not in requires]:
                self.set_aside(name, "starting", f"requires {missing!r}, which is not there")
        wanted = {
            name: [other for other in requires[name] if other in self] for name in requires if name in self
        }
        try:
            return list(TopologicalSorter(wanted).static_order())
        except CycleError as error:
            for name in error.args[1][:-1]:
                self.set_aside(name, "starting", f"requires itself: {' → '.join(error.args[1])}")
            return self.start_order()

    def _requires(self, name: str) -> Iterable[str]:
        return tuple(getattr(self._manager.get_plugin(name), "requires", ()))

    def _load(self, entry_point: importlib.metadata.EntryPoint) -> None:
        name, dist = entry_point.name, entry_point.dist
        dist_name, version = (dist.name, dist.version) if dist is not None else (None, None)
        phase = "importing"
        try:
            loaded = entry_point.load()
            plugin = loaded() if inspect.isclass(loaded) else loaded
            phase = "validating"
            self.add(plugin, name=name, distribution=dist_name, version=version)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a failing stranger must not stop the host
            if name not in self._infos:
                self._infos[name] = PluginInfo(name, dist_name, version, (), active=False)
                self.note(name, phase, error.__cause__ or error)
        else:
            self._strangers.add(name)


def _check(manager: pluggy.PluginManager, plugin: object) -> None:
    for caller in manager.get_hookcallers(plugin) or ():
        if not caller.has_spec():
            raise ValueError(f"there is no hook {caller.name!r}")
        for found in caller.get_hookimpls():
            if found.plugin is plugin and (found.hookwrapper or found.wrapper):
                raise ValueError(f"{caller.name!r} is a wrapper; hostel calls implementations one by one")
