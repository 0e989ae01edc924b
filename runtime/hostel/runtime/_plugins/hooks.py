"""The two marks of the plugin system, and what a hook expects to be answered.

`hookspec` describes a hook, `hookimpl` marks a plugin's implementation of one. A hook is named after what
becomes of its answer: `register_*` describes things, `choose_*` picks one, `on_*` is told and answers
nothing. What a specification says about the answer is checked where the answer comes in, and nowhere
else."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import TypeVar, overload

import attrs
import pluggy

from .outcome import Misbehaved

PROJECT = "hostel"
MOST = 1_000
PREFIXES = ("register_", "choose_", "on_")

F = TypeVar("F", bound=Callable[..., object])
T = TypeVar("T")
U = TypeVar("U")
Check = Callable[..., object]

hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin as the implementation of a hook."""

_mark = pluggy.HookspecMarker(PROJECT)


@attrs.frozen
class Expected:
    """What a hook is to answer: an iterable of `each`, one `answer`, or, if both are None, nothing."""

    each: Check | None = None
    answer: Check | None = None

    def items(self, answer: object) -> list[object]:
        """Return what a `register_*` hook has answered, checked.

        :raises Misbehaved: if it is not what the hook asks for.
        """
        _refuse_awaitable(answer)
        if self.each is None or answer is None:
            return []
        if isinstance(answer, str | bytes | Mapping) or not isinstance(answer, Iterable):
            raise Misbehaved(f"answered with {a_type(answer)} where a list is expected")
        found = list(islice(answer, MOST + 1))
        if len(found) > MOST:
            raise Misbehaved(f"answered with more than {MOST} things")
        return [self.each(one) for one in found]

    def one(self, answer: object, given: Mapping[str, object]) -> object:
        """Return what a `choose_*` hook has answered to `given`, checked; None if it leaves it to others.

        :raises Misbehaved: if it is not what the hook asks for.
        """
        _refuse_awaitable(answer)
        if answer is None or self.answer is None:
            return None
        return self.answer(answer, **given)


@overload
def hookspec(function: F, /) -> F: ...


@overload
def hookspec(*, each: Check | None = None, answer: Check | None = None) -> Callable[[F], F]: ...


def hookspec(
    function: F | None = None, /, *, each: Check | None = None, answer: Check | None = None
) -> F | Callable[[F], F]:
    """Mark a function as the specification of a hook.

    :param each: checks an item of a `register_*` hook's answer and returns it, or raises what is wrong with
        it; see `expect`
    :param answer: checks the answer of a `choose_*` hook; it is called with the arguments of the hook, too,
        by name
    """

    def mark(function: F) -> F:
        function.hostel_answer = Expected(each, answer)  # type: ignore[attr-defined]
        return _mark(function)

    return mark if function is None else mark(function)


def specifications(namespace: object) -> dict[str, Callable[..., object]]:
    """Return the functions of a module or object that are marked as hooks, by name.

    :raises Misbehaved: if a hook's name does not tell what becomes of its answer.
    """
    found = {name: getattr(namespace, name) for name in dir(namespace)}
    hooks = {name: value for name, value in found.items() if isinstance(expected(value), Expected)}
    for name in hooks:
        if not name.startswith(PREFIXES):
            raise Misbehaved(f"its hook {name!r} does not begin with {', '.join(PREFIXES)}")
    return hooks


def expected(specification: object) -> Expected | None:
    """Return what a hook expects; None if that is no specification."""
    return getattr(specification, "hostel_answer", None)


@overload
def expect(value: object, wanted: type[T], /) -> T: ...


@overload
def expect(value: object, wanted: type[T], other: type[U], /) -> T | U: ...


def expect(value: object, *types: type) -> object:
    """Return a value that is of one of the types.

    :raises Misbehaved: if it is not.
    """
    for kind in types:
        if isinstance(value, kind):
            return value
    wanted = " or ".join(kind.__name__ for kind in types)
    raise Misbehaved(f"answered with {a_type(value)} where {wanted} is expected")


def a_type(value: object) -> str:
    """Name the type of a value, which is not asked for anything itself."""
    return f"an object of type {type(value).__name__!r}"


def _refuse_awaitable(answer: object) -> None:
    if inspect.iscoroutine(answer):
        answer.close()
    if inspect.isawaitable(answer) or inspect.isasyncgen(answer):
        raise Misbehaved("answered with a coroutine: this hook must not be async")
