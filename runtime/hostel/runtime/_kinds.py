"""Kinds of tasks that can be started by name, and therefore again: after a crash, or on another machine."""

from __future__ import annotations

import inspect
import json
from functools import partial
from typing import TYPE_CHECKING, TypedDict

import attrs

from ._errors import InvalidParams, UnknownKind
from ._params import check_params, params_schema

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from hostel.sessions import Backoff, CancelPolicy, ClosePolicy, JsonValue, Limits, Priority


LONGEST_TITLE = 200


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
    priority: Priority
    not_before: float | None


@attrs.frozen
class TaskKind:
    """A named kind of task: `run(**params)` is an async callable, its params are JSON.

    An `exposed` kind may be started from outside: over HTTP, on the command line, by a model. At most `limit`
    tasks of the kind run at once; None is no limit but the runtime's own.

    A `resumable` kind is started again with the same params and the next attempt number when its host has
    died, so its `run` must bear being run twice. Closures cannot be started by name; `spawn_managed` takes
    them, and they end with their process.

    `title(**params)` says for people what a task is about: its label, if it is started without one; None
    leaves it without. Labels are shown everywhere, so a title leaves secrets out."""

    name: str
    run: Callable[..., Awaitable[object]]
    resumable: bool = False
    exposed: bool = False
    limit: int | None = None
    title: Callable[..., str] | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot be started later.

        :raises TypeError: if the name is no text, or `run` or `title` cannot be called.
        :raises ValueError: if the limit is no whole number or below 1.
        """
        if not isinstance(self.name, str) or not self.name:
            raise TypeError("a task kind's name must be a text")
        if not callable(self.run):
            raise TypeError(f"the `run` of task kind {self.name!r} must be callable")
        if self.title is not None and not callable(self.title):
            raise TypeError(f"the `title` of task kind {self.name!r} must be callable")
        if self.limit is not None and (type(self.limit) is not int or self.limit < 1):
            raise ValueError(f"the limit of task kind {self.name!r} is {self.limit!r}, not 1 or more")

    @property
    def params_schema(self) -> dict[str, JsonValue]:
        """The JSON Schema of its params, drawn from the signature of `run`."""
        return params_schema(self.run)

    @property
    def summary(self) -> str:
        """The first line of what `run` says of itself."""
        return (inspect.getdoc(self.run) or "").partition("\n")[0]


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
        :raises InvalidParams: if `params` are not JSON, or not what it takes.
        """
        known = self._known()
        if name not in known:
            raise UnknownKind(name, known, self._kinds[name][0] if name in self._kinds else None)
        try:
            given = json.loads(
                json.dumps(params, allow_nan=False)
            )  # the first run gets what a later one will
        except (TypeError, ValueError) as error:
            raise InvalidParams(name, f"its params must be JSON: {error}") from error
        plugin, kind = known[name]
        check_params(name, kind.params_schema, given)
        return plugin, partial(kind.run, **given)

    def title_of(self, name: str, params: Mapping[str, JsonValue]) -> str:
        """Return what the kind says a task with such `params` is about; nothing if it does not say.

        :raises TypeError: if what it says is no text.
        """
        title = self._known()[name][1].title
        said = "" if title is None else title(**params)
        if not isinstance(said, str):
            raise TypeError(f"a title must be a text, not {said!r}")
        return said[:LONGEST_TITLE]

    def limits(self, own: Limits) -> Limits:
        """Return `own` with what kinds say of themselves, where it says nothing of them."""
        theirs = {kind.name: kind.limit for kind in self if kind.limit is not None}
        return attrs.evolve(own, per_kind={**theirs, **own.per_kind})

    def is_resumable(self, name: str) -> bool:
        """Tell whether tasks of that kind may be started again."""
        known = self._known()
        return name in known and known[name][1].resumable

    def _known(self) -> dict[str, tuple[str, TaskKind]]:
        return {name: found for name, found in self._kinds.items() if self._is_active(found[0])}
