"""The one way into a plugin's code.

Every implementation is called here, and every answer checked here. Whatever the code raises, answers or
leaves undone comes out as `Misbehaved` with a sentence, so that callers know only two cases. The command line
comes by here without a loop, and does not import one."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING

import attrs

from .outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
    from typing import TypeVar

    from .hooks import Expected
    from .loading import Plugin

    T = TypeVar("T")

HOOK_SECONDS = 5.0
START_SECONDS = 60.0
"""How long `on_startup` may take: a plugin opens its files and ports there, on a busy machine too."""

_owner: ContextVar[str | None] = ContextVar("hostel_plugin", default=None)


def owner() -> str | None:
    """Return the name of the plugin whose code runs; None outside of plugins."""
    return _owner.get()


@contextmanager
def as_plugin(name: str) -> Iterator[None]:
    """Let what the block starts belong to a plugin."""
    token = _owner.set(name)
    try:
        yield
    finally:
        _owner.reset(token)


def here(plugin: Plugin, func: Callable[[], T]) -> T:
    """Call sync code of a plugin in this thread.

    :raises Misbehaved: if it raises anything.
    """
    with as_plugin(plugin.name):
        return Outcome.of(func).result()


async def elsewhere(
    plugin: Plugin, func: Callable[[], Awaitable[T]], passing: tuple[type[Exception], ...] = ()
) -> T:
    """Call async code of a plugin in a task of its own, for as long as it takes.

    :raises Misbehaved: if it raises anything but what is in `passing`.
    """
    from .apart import in_task

    with as_plugin(plugin.name):
        return (await in_task(func)).result(passing)


@attrs.frozen
class Implementation:
    """One plugin's implementation of a hook."""

    plugin: Plugin
    hook: str
    _function: Callable[..., object]
    _arguments: Sequence[str]
    _expected: Expected

    def describe(self, given: Mapping[str, object]) -> list[object]:
        """Call a `register_*` hook in this thread and return what it describes.

        :raises Misbehaved: if it raises, or answers with something else.
        """
        return here(self.plugin, lambda: self._expected.items(self._call(given)))

    async def choose(self, given: Mapping[str, object]) -> object:
        """Call a `choose_*` hook in the plugin's thread and return its choice, or None.

        :raises Misbehaved: if it raises, is late, or answers with something else.
        """
        return await self._in_thread(lambda: self._expected.one(self._call(given), given))

    async def tell(self, given: Mapping[str, object]) -> None:
        """Call an `on_*` hook, in the plugin's thread unless it is async.

        :raises Misbehaved: if it raises or is late.
        """
        if inspect.iscoroutinefunction(self._function):
            await self._on_loop(lambda: self._call(given))  # type: ignore[arg-type, return-value]
            return
        answer = _Answer()
        try:
            promise = await self._in_thread(lambda: answer.keep(self._call(given)))
        except BaseException:
            answer.drop()
            raise
        if promise is not None:
            await self._on_loop(partial(_await, promise))

    @property
    def _seconds(self) -> float:
        return START_SECONDS if self.hook == "on_startup" else HOOK_SECONDS

    def _call(self, given: Mapping[str, object]) -> object:
        return self._function(*(given[name] for name in self._arguments))

    async def _on_loop(self, func: Callable[[], Awaitable[object]]) -> None:
        from .apart import in_task

        with as_plugin(self.plugin.name):
            (await in_task(func, self._seconds)).result()

    async def _in_thread(self, func: Callable[[], T]) -> T:
        from .apart import HookThread

        thread = self.plugin.thread = self.plugin.thread or HookThread()
        with as_plugin(self.plugin.name):
            return (await thread.run(self.hook, func, self._seconds)).result()


class _Answer:
    """What a hook answers in its thread; a coroutine that nobody will await any more is closed."""

    def __init__(self) -> None:
        self._promise: Awaitable[object] | None = None
        self._dropped = False

    def keep(self, answer: object) -> Awaitable[object] | None:
        self._promise = answer if inspect.isawaitable(answer) else None
        if self._dropped:
            self.drop()
        return self._promise

    def drop(self) -> None:
        self._dropped = True
        if inspect.iscoroutine(self._promise):
            self._promise.close()


async def _await(promise: Awaitable[object]) -> None:
    await promise
