"""Kinds of tasks that can be started by name, and therefore again: after a crash, or on another machine."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import attrs

from hostel.sessions import PREDEFINED_KINDS

from ._errors import InvalidParams, UnknownKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from hostel.sessions import JsonValue


@attrs.frozen
class TaskKind:
    """A named kind of task: `run(**params)` is an async callable, its params are JSON.

    A `resumable` kind is started again with the same params and the next attempt number when its host has
    died, so its `run` must bear being run twice. Closures cannot be started by name; `spawn_managed` takes
    them, and they end with their process."""

    name: str
    run: Callable[..., Awaitable[object]]
    resumable: bool = False


@attrs.define
class KindTable:
    """The kinds of all plugins, each with the plugin it comes from."""

    _kinds: dict[str, tuple[str, TaskKind]] = attrs.Factory(dict)

    def __iter__(self) -> Iterator[TaskKind]:
        return (kind for _, kind in self._kinds.values())

    def __contains__(self, name: str) -> bool:
        return name in self._kinds

    def add(self, plugin: str, kind: TaskKind) -> None:
        """Add a kind of `plugin`.

        :raises ValueError: if its name is taken.
        """
        if kind.name in PREDEFINED_KINDS:
            raise ValueError(f"the task kind {kind.name!r} is predefined")
        if kind.name in self._kinds:
            raise ValueError(f"the task kind {kind.name!r} is registered by {self._kinds[kind.name][0]!r}")
        self._kinds[kind.name] = plugin, kind

    def bind(self, name: str, params: Mapping[str, JsonValue]) -> tuple[str, Callable[[], Awaitable[object]]]:
        """Return the plugin a kind comes from and its `run` with `params` filled in.

        :raises UnknownKind: if no plugin has registered it.
        :raises InvalidParams: if `params` are not JSON.
        """
        if name not in self._kinds:
            raise UnknownKind(name, self._kinds)
        try:
            json.dumps(params, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InvalidParams(name, error) from error
        plugin, kind = self._kinds[name]
        return plugin, partial(kind.run, **params)

    def is_resumable(self, name: str) -> bool:
        """Tell whether tasks of that kind may be started again."""
        return name in self._kinds and self._kinds[name][1].resumable
