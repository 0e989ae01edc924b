"""Kinds of tasks that can be started by name, and therefore again: after a crash, or on another machine."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, TypedDict

import attrs

from ._errors import InvalidParams, UnknownKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from hostel.sessions import Backoff, CancelPolicy, ClosePolicy, JsonValue


class SpecFields(TypedDict, total=False):
    """The fields of `TaskSpec` that `Runtime.start` takes; the kind and the producer are known."""

    id: str | None
    label: str
    parent_task_id: str | None
    child_session_id: str | None
    cancel_policy: CancelPolicy | None
    close_policy: ClosePolicy
    max_attempts: int
    retry: Backoff
    timeout: float | None
    idempotency_key: str | None


@attrs.frozen
class TaskKind:
    """A named kind of task: `run(**params)` is an async callable, its params are JSON.

    A `resumable` kind is started again with the same params and the next attempt number when its host has
    died, so its `run` must bear being run twice. Closures cannot be started by name; `spawn_managed` takes
    them, and they end with their process."""

    name: str
    run: Callable[..., Awaitable[object]]
    resumable: bool = False

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot be started later.

        :raises TypeError: if the name is no text, or `run` cannot be called.
        """
        if not isinstance(self.name, str) or not self.name:
            raise TypeError("a task kind's name must be a text")
        if not callable(self.run):
            raise TypeError(f"the `run` of task kind {self.name!r} must be callable")


@attrs.define
class KindTable:
    """The kinds of all plugins, each with the plugin it comes from; those of plugins that were set aside
    since are not known.
    """

    _is_active: Callable[[str], bool]
    _kinds: dict[str, tuple[str, TaskKind]] = attrs.Factory(dict)

    def __iter__(self) -> Iterator[TaskKind]:
        return (kind for _, kind in self._known().values())

    def __contains__(self, name: str) -> bool:
        return name in self._known()

    def add(self, plugin: str, kind: TaskKind) -> None:
        """Add a kind of `plugin`.

        :raises ValueError: if its name is taken.
        """
        from hostel.sessions import PREDEFINED_KINDS

        if kind.name in PREDEFINED_KINDS:
            raise ValueError(f"the task kind {kind.name!r} is predefined")
        if kind.name in self._kinds:
            raise ValueError(f"the task kind {kind.name!r} is registered by {self._kinds[kind.name][0]!r}")
        self._kinds[kind.name] = plugin, kind

    def bind(self, name: str, params: Mapping[str, JsonValue]) -> tuple[str, Callable[[], Awaitable[object]]]:
        """Return the plugin a kind comes from and its `run` with `params` filled in.

        :raises UnknownKind: if no plugin has registered it, or its plugin was set aside.
        :raises InvalidParams: if `params` are not JSON.
        """
        known = self._known()
        if name not in known:
            raise UnknownKind(name, known, self._kinds[name][0] if name in self._kinds else None)
        try:
            given = json.loads(
                json.dumps(params, allow_nan=False)
            )  # the first run gets what a later one will
        except (TypeError, ValueError) as error:
            raise InvalidParams(name, error) from error
        plugin, kind = known[name]
        return plugin, partial(kind.run, **given)

    def is_resumable(self, name: str) -> bool:
        """Tell whether tasks of that kind may be started again."""
        known = self._known()
        return name in known and known[name][1].resumable

    def _known(self) -> dict[str, tuple[str, TaskKind]]:
        return {name: found for name, found in self._kinds.items() if self._is_active(found[0])}
