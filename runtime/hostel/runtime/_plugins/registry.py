"""The plugins of one runtime: which there are, what each did wrong, and the calls of their hooks.

A registry holds one pluggy manager of its own, which knows the hooks and the order of their implementations.
A plugin that is built in or given must work: what is wrong with it while it is loaded, or with what it
describes, is raised. A stranger is set aside, or loses what it described, and the others run. What goes wrong
later is noted against the plugin, whoever brought it."""

from __future__ import annotations

import inspect
import logging
from contextlib import suppress
from functools import partial
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar, cast

import attrs
import pluggy

from .. import hookspecs
from .._errors import PluginFailed, RuntimeFault
from .calling import Implementation, elsewhere, here
from .hooks import PROJECT, Expected, expected, specifications
from .loading import Origin, Plugin, PluginInfo, given_name, installed, is_optional, load
from .outcome import Misbehaved, one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator
    from importlib.metadata import EntryPoint

T = TypeVar("T")
P = ParamSpec("P")

log = logging.getLogger("hostel.runtime")


@attrs.frozen
class Listener(Generic[P]):
    """One plugin that wants to be told by an `on_*` hook."""

    _registry: PluginRegistry
    _found: Implementation

    @property
    def plugin(self) -> str:
        """The plugin's name."""
        return self._found.plugin.name

    async def tell(self, *args: P.args, **given: P.kwargs) -> Misbehaved | None:
        """Tell the plugin, unless it was set aside; return what it did wrong, which is noted, else None."""
        if not self._found.plugin.active:
            return None
        try:
            await self._found.tell(self._registry.bind(self._found.hook, args, given))
        except Misbehaved as fault:
            self._registry.fault(self._found, fault)
            return fault
        return None


class PluginRegistry:
    """The plugins of one runtime. Iterating it gives a PluginInfo each, in order of loading.

    `given` are plugin objects; names of plugins or distributions in `blocked` are left out of those that are
    installed; without `load_installed` only those of this distribution are looked for.
    """

    def __init__(
        self,
        given: Iterable[object] = (),
        *,
        blocked: Iterable[str] = (),
        load_installed: bool = True,
    ) -> None:
        self._given = list(given)
        self._blocked = frozenset(blocked)
        self._load_installed = load_installed
        self._plugins: list[Plugin] = []
        self._manager = pluggy.PluginManager(PROJECT)
        self._specs: dict[str, Callable[..., object]] = {}
        self._said: dict[str, str] = {}
        self._add_specs(specifications(hookspecs))

    def __iter__(self) -> Iterator[PluginInfo]:
        return iter([plugin.info for plugin in self._plugins])

    def __len__(self) -> int:
        return len(self._plugins)

    def __contains__(self, name: str) -> bool:
        return self._find(name) is not None

    def __repr__(self) -> str:
        failed = sum(plugin.failure is not None for plugin in self._plugins)
        return f"<PluginRegistry {len(self)} plugins, {failed} with failures>"

    def load(self) -> None:
        """Find, read and check all plugins; first all hooks that they bring, then what they implement.

        :raises PluginFailed: if a built-in or given one cannot be used.
        """
        for plugin, source in self._candidates():
            self._plugins.append(plugin)
            if plugin.missing is None:
                self._attempt(plugin, "importing", partial(self._read, plugin, source))
            else:
                self._read_incomplete(plugin, source)
        for phase in (self._take_hooks, self._admit):
            for plugin in self._active():
                self._attempt(plugin, "validating", partial(phase, plugin))
        for number, plugin in enumerate(self._plugins):
            self._manager.register(_Face(plugin.implements), str(number))

    def close(self) -> None:
        """End the threads of the plugins' hooks."""
        for plugin in self._plugins:
            if plugin.thread is not None:
                plugin.thread.close()

    def note(self, name: str, phase: str, error: BaseException | str) -> None:
        """Note what the plugin of that name did wrong."""
        plugin = self._find(name)
        if plugin is not None:
            self._note(plugin, phase, _fault(error))

    def refuse(self, name: str, phase: str, error: BaseException | str) -> None:
        """Note that what a plugin describes cannot be used.

        :raises PluginFailed: if the plugin must work.
        """
        plugin = self._find(name)
        if plugin is not None:
            self._refuse(plugin, phase, _fault(error))

    def set_aside(self, name: str, phase: str, error: BaseException | str) -> None:
        """Take a plugin out of all further calls and note why.

        :raises PluginFailed: if it must work.
        """
        plugin = self._find(name)
        if plugin is not None:
            self._set_aside(plugin, phase, _fault(error))

    def collect(
        self, hook: Callable[P, Iterable[T] | None], *args: P.args, **given: P.kwargs
    ) -> list[tuple[str, T]]:
        """Call a `register_*` hook of all plugins: those given, the built-in ones, those installed.

        :return: everything that is described, with the name of its plugin. What a stranger does wrong is
            noted, and nothing of it is used.
        :raises PluginFailed: if a built-in or given plugin does wrong.
        """
        bound = self.bind(hook.__name__, args, given)
        answers: list[tuple[str, T]] = []
        for found in self.implementations(hook):
            items = self.described(found, partial(found.describe, bound))
            answers += [(found.plugin.name, item) for item in items or ()]  # type: ignore[misc]
        return answers

    async def first(self, hook: Callable[P, T | None], *args: P.args, **given: P.kwargs) -> T | None:
        """Call a `choose_*` hook of plugins until one answers: those given, those installed, the built-in
        ones. Wrong answers are noted and passed over.
        """
        bound = self.bind(hook.__name__, args, given)
        for found in sorted(self.implementations(hook), key=_choosing_order):
            try:
                answer = await found.choose(bound)
            except Misbehaved as fault:
                self.fault(found, fault)
                continue
            if answer is not None:
                return answer  # type: ignore[return-value]
        return None

    def listeners(self, hook: Callable[P, object]) -> list[Listener[P]]:
        """Return those who want to be told by an `on_*` hook."""
        return [Listener(self, found) for found in self.implementations(hook)]

    async def notify(self, hook: Callable[P, object], *args: P.args, **given: P.kwargs) -> None:
        """Tell all plugins by an `on_*` hook at the same time, each within 5 seconds; note what fails."""
        import anyio

        listeners = self.listeners(hook)
        if not listeners:
            return
        async with anyio.create_task_group() as group:
            for listener in listeners:
                group.start_soon(partial(listener.tell, *args, **given))

    async def call(
        self,
        name: str,
        phase: str,
        func: Callable[[], Awaitable[T]],
        *,
        passing: tuple[type[Exception], ...] = (),
    ) -> T:
        """Call what a plugin has described, in a task of its own, for as long as it takes.

        :param phase: what is called, for the note
        :param passing: what it may raise
        :raises PluginFailed: if it raises anything else, which is noted.
        """
        plugin = self._find(name)
        if plugin is None:
            raise PluginFailed(name, phase, "it was set aside")
        try:
            return await elsewhere(plugin, func, passing)
        except Misbehaved as fault:
            self._note(plugin, phase, fault)
            raise plugin.failed(phase, fault) from fault.__cause__

    async def ask_other(self, who: str, func: Callable[[], Awaitable[T]], *, seconds: float) -> T:
        """Call what the application brought and no plugin did, in a task of its own, for a limited time.

        :param who: what is called, for the log, which has the same fault once in a row
        :raises RuntimeFault: if it raises, or is not done after `seconds`.
        """
        from .apart import in_task

        try:
            value = (await in_task(func, seconds)).result()
        except Misbehaved as fault:
            failed = RuntimeFault(f"{who} failed: {fault}")
            if self._said.get(who) != str(failed):
                self._said[who] = str(failed)
                log.error("%s", failed, exc_info=fault.__cause__)
            raise failed from fault.__cause__
        self._said.pop(who, None)
        return value

    def implementations(
        self, hook: Callable[..., object], *, incomplete: bool = False
    ) -> list[Implementation]:
        """Return the implementations of a hook: those given, the built-in ones, those installed.

        :param incomplete: return those of plugins whose extra is not installed instead
        """
        name, asked = hook.__name__, expected(hook) or Expected()
        caller = getattr(self._manager.hook, name, None)
        found = [
            Implementation(self._plugins[int(impl.plugin_name)], name, impl.function, impl.argnames, asked)
            for impl in (reversed(caller.get_hookimpls()) if caller is not None else ())
        ]
        wanted = (one for one in found if (one.plugin.missing if incomplete else one.plugin.active))
        return sorted(wanted, key=lambda one: one.plugin.origin)

    def described(self, found: Implementation, func: Callable[[], T]) -> T | None:
        """Return what comes of a `register_*` hook; None if the plugin does wrong, which is noted.

        :raises PluginFailed: if the plugin must work.
        """
        try:
            return here(found.plugin, func)
        except Misbehaved as fault:
            self._refuse(found.plugin, found.hook, fault)
            return None

    def bind(self, hook: str, args: tuple[object, ...], given: dict[str, object]) -> dict[str, object]:
        """Return the arguments of a hook by name."""
        if not args:
            return given
        return inspect.signature(self._specs[hook]).bind(*args, **given).arguments

    def fault(self, found: Implementation, fault: Misbehaved) -> None:
        """Note what an implementation did wrong."""
        self._note(found.plugin, found.hook, fault)

    def start_order(self) -> list[str]:
        """Return the names of the active plugins, each after those it requires; set aside who requires
        itself.
        """
        wanted = {plugin.name: list(plugin.requires) for plugin in self._active()}
        present = {name: [other for other in needs if other in wanted] for name, needs in wanted.items()}
        try:
            return list(TopologicalSorter(present).static_order())
        except CycleError as error:
            circle = error.args[1]
            for name in circle[:-1]:
                self.set_aside(name, "starting", f"requires itself: {' → '.join(circle)}")
            return self.start_order()

    def requires(self, name: str) -> tuple[str, ...]:
        """Return the names of the plugins that must have started before that one."""
        plugin = self._find(name)
        return () if plugin is None else plugin.requires

    def _candidates(self) -> Iterator[tuple[Plugin, EntryPoint | object]]:
        """Give every plugin with where to get it from: those first that keep their names."""
        found = installed(self._blocked)
        yield from (one for one in found if one[0].origin is Origin.BUILT_IN)
        for thing in self._given:
            yield Plugin(type(thing).__name__, Origin.GIVEN), thing
        if self._load_installed:
            yield from (one for one in found if one[0].origin is Origin.INSTALLED)

    def _read(self, plugin: Plugin, source: EntryPoint | object) -> None:
        if plugin.origin is Origin.GIVEN:
            plugin.name, thing = given_name(source), source
        else:
            thing = load(source)  # type: ignore[arg-type]
        others = [other for other in self._plugins if other is not plugin and other.active]
        for other in others:
            if other.name == plugin.name:
                raise Misbehaved("there is a plugin of that name already")
            if other.thing is thing:
                raise Misbehaved(f"is the plugin {other.name!r}, which is there already")
        plugin.read(thing)

    def _read_incomplete(self, plugin: Plugin, source: EntryPoint | object) -> None:
        """Read a plugin whose extra is not installed for the sake of its commands, as far as that goes."""
        plugin.active, plugin.failure = False, f"not installed: {plugin.missing}"
        with suppress(Misbehaved):
            here(plugin, partial(self._read, plugin, source))

    def _take_hooks(self, plugin: Plugin) -> None:
        new = {name: spec for name, spec in plugin.brings.items() if self._specs.get(name) is not spec}
        for name in new:
            if name in self._specs:
                raise Misbehaved(f"brings a hook {name!r}, which there is already")
        self._add_specs(new)

    def _add_specs(self, specs: dict[str, Callable[..., object]]) -> None:
        if specs:
            self._manager.add_hookspecs(cast("type", _Face(specs)))
            self._specs.update(specs)

    def _admit(self, plugin: Plugin) -> None:
        for name, function in list(plugin.implements.items()):
            if name not in self._specs and is_optional(function):
                del plugin.implements[name]
                continue
            if name not in self._specs:
                raise Misbehaved(f"there is no hook {name!r}")
            offered = inspect.signature(self._specs[name]).parameters
            for parameter in inspect.signature(function).parameters.values():
                if parameter.default is parameter.empty and parameter.name not in offered:
                    raise Misbehaved(f"there is no argument {parameter.name!r} in {name!r}")

    def _attempt(self, plugin: Plugin, phase: str, func: Callable[[], None]) -> None:
        try:
            here(plugin, func)
        except Misbehaved as fault:
            self._set_aside(plugin, phase, fault)

    def _set_aside(self, plugin: Plugin, phase: str, fault: Misbehaved) -> None:
        plugin.active = False
        self._refuse(plugin, phase, fault)

    def _refuse(self, plugin: Plugin, phase: str, fault: Misbehaved) -> None:
        if plugin.must_work:
            plugin.failure = f"{phase}: {fault}"
            raise plugin.failed(phase, fault) from fault.__cause__
        self._note(plugin, phase, fault)

    def _note(self, plugin: Plugin, phase: str, fault: Misbehaved) -> None:
        failure = f"{phase}: {fault}"
        if plugin.failure != failure:
            plugin.failure = failure
            if plugin.must_work and phase == "on_startup":
                return  # it is raised
            log.warning("%s", plugin.failed(phase, fault))

    def _active(self) -> list[Plugin]:
        return [plugin for plugin in self._plugins if plugin.active]

    def _find(self, name: str) -> Plugin | None:
        return next((plugin for plugin in self._active() if plugin.name == name), None)


class _Face:
    """The functions of a plugin as pluggy sees them, without the object they come from."""

    def __init__(self, functions: dict[str, Callable[..., object]]) -> None:
        self.__dict__.update(functions)


def _choosing_order(found: Implementation) -> int:
    return [Origin.GIVEN, Origin.INSTALLED, Origin.BUILT_IN].index(found.plugin.origin)


def _fault(error: BaseException | str) -> Misbehaved:
    return Misbehaved.by(error) if isinstance(error, BaseException) else Misbehaved(one_line(error))
