"""Frozen values made at the price of plain ones.

Every task makes two records and two events, of 22 and 11 fields. A frozen class with slots sets each field
through `object.__setattr__`, which looks its name up anew: two thirds of what such a value costs. So a value
is made as a draft, an instance of a class with the same slots that is not frozen, and becomes one of the
frozen class once it is whole. Python allows that for classes of one layout; nobody ever sees the draft."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


def maker(frozen: Callable[P, T]) -> Callable[P, T]:
    """Return what makes values of an attrs class as the class itself does, its fields given by position.

    The class has slots, none of them for weak references, and neither converters nor validators.
    """
    kind = cast("type[attrs.AttrsInstance]", frozen)
    fields = {field.name: attrs.field(default=field.default) for field in attrs.fields(kind)}
    draft = cast(
        "Callable[P, T]",
        attrs.make_class(f"{kind.__name__}Draft", fields, eq=False, slots=True, weakref_slot=False),
    )

    def make(*values: P.args, **named: P.kwargs) -> T:
        made = draft(*values, **named)
        made.__class__ = kind  # type: ignore[assignment]
        return made

    return make
