"""Whether the fields of a description are of the types they must be, said in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import TypeVar

T = TypeVar("T")
Kinds = type | tuple[type, ...]


def several(given: Iterable[T]) -> tuple[T, ...]:
    """Keep a list; a text is none."""
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise TypeError(f"a list is expected, not an object of type {type(given).__name__!r}")
    return tuple(given)


def mapping(given: Mapping[str, T]) -> dict[str, T]:
    """Keep a copy of a mapping."""
    if not isinstance(given, Mapping):
        raise TypeError(f"a mapping is expected, not an object of type {type(given).__name__!r}")
    return dict(given)


def check(thing: object, wanted: Kinds, *names: str) -> None:
    """Refuse a description if one of the fields `names` is of no type that is wanted.

    :raises TypeError: naming it.
    """
    for name in names:
        if not isinstance(getattr(thing, name), wanted):
            raise TypeError(f"the {name} of {_a(type(thing))} must be {_words(wanted)}")


def check_each(thing: object, wanted: Kinds, name: str) -> None:
    """Do the same with everything in the field `name`.

    :raises TypeError: naming it.
    """
    if not all(isinstance(one, wanted) for one in getattr(thing, name)):
        raise TypeError(f"each of the {name} of {_a(type(thing))} must be {_words(wanted)}")


def _words(wanted: Kinds) -> str:
    kinds = wanted if isinstance(wanted, tuple) else (wanted,)
    return " or ".join(_word(kind) for kind in kinds)


def _word(kind: type) -> str:
    if issubclass(kind, Enum):
        return f"one of {kind.__name__}"
    return {str: "a text", bool: "true or false", type(None): "None"}.get(kind) or _a(kind)


def _a(kind: type) -> str:
    return f"an {kind.__name__}" if kind.__name__[0] in "AEIOU" else f"a {kind.__name__}"
