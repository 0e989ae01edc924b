"""How many tasks may run at once, and where one waits."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


def _copied(limits: Mapping[str, int]) -> Mapping[str, int]:
    if not isinstance(limits, Mapping) or not all(isinstance(kind, str) for kind in limits):
        raise TypeError(f"per_kind maps kinds to limits, not {limits!r:.50}")
    return dict(limits)


@attrs.frozen
class Limits:
    """How many tasks run at once: in all, of each session, of each kind. None is no limit.

    :raises ValueError: if a limit is no whole number or below 1.
    :raises TypeError: if `per_kind` does not map texts.
    """

    total: int | None = None
    per_session: int | None = None
    per_kind: Mapping[str, int] = attrs.field(factory=dict, converter=_copied, hash=False)

    def __attrs_post_init__(self) -> None:
        single = {"total": self.total, "per_session": self.per_session}
        sizes = {name: size for name, size in single.items() if size is not None}
        sizes |= {f"per_kind[{kind!r}]": size for kind, size in self.per_kind.items()}
        for name, size in sizes.items():
            if type(size) is not int or size < 1:
                raise ValueError(f"{name} is {size!r}, but a limit is a whole number of at least 1")


@attrs.frozen
class Place:
    """Where a task waits: 1 is the next of those who wait for the same reason; `reason` is for people."""

    number: int
    reason: str
