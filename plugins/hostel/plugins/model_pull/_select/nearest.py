"""Which of several options a user means who did not name it exactly.

In this order: the option of that name, or of that label with or without ``UD-``; one that is written
otherwise (``q4-k-m``); one whose file is named; all of the family (``Q8``, ``mxfp4``). Whoever names a
family with one member means that one; with several he has to say which. Nothing else is ever guessed, only
suggested.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import Protocol, TypeVar

from .gguf_names import canonical_label

MOST_SUGGESTIONS = 3
_SUFFIX = re.compile(r"\.(gguf|bin)$")


class Named(Protocol):
    """What can be named."""

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str | None: ...
    @property
    def paths(self) -> tuple[str, ...]: ...


T = TypeVar("T", bound=Named)


def meant(options: Sequence[T], wanted: str) -> list[T]:
    """Return the options that are meant: one if it is clear, several if they share what was named."""
    ways: tuple[Callable[[T, str], bool], ...] = (_named, _dynamic, _alike, _holds, _kin)
    for way in ways:
        found = [option for option in options if way(option, wanted)]
        if found:
            return found
    return []


def is_exact(option: Named, wanted: str) -> bool:
    """Return whether an option is called by its own name or label."""
    return _named(option, wanted) or _alike(option, wanted)


def suggested(options: Sequence[Named], wanted: str, order: Sequence[str]) -> list[str]:
    """Return the names of up to three options that may have been meant, the likeliest first.

    :param order: labels from best to least; the nearest in it is the likeliest
    """
    label = canonical_label(wanted)
    if label in order:
        place = order.index(label)
        ranked = [option for option in options if option.label in order]
        near = sorted(ranked, key=lambda option: (_distance(order, option.label, place), option.name))
        return [option.name for option in near[:1]]
    names = {option.name.lower(): option.name for option in options}
    return [names[name] for name in get_close_matches(wanted.lower(), names, MOST_SUGGESTIONS)]


def did_you_mean(names: Iterable[str]) -> str:
    """Return the end of a sentence that asks, empty without names."""
    *first, last = [*names][:MOST_SUGGESTIONS] or [""]
    return f", did you mean {', '.join(first)}{' or ' if first else ''}{last}?" if last else ""


def _named(option: Named, wanted: str) -> bool:
    return option.name.lower() == wanted.lower() or (
        option.label is not None and option.label == canonical_label(wanted)
    )


def _dynamic(option: Named, wanted: str) -> bool:
    label = canonical_label(wanted)
    if label is None or option.label is None:
        return False
    return option.label != label and _plain(option.label) == _plain(label)


def _alike(option: Named, wanted: str) -> bool:
    key = _squashed(wanted)
    return bool(key) and key in (_squashed(option.name), _squashed(option.label or ""))


def _holds(option: Named, wanted: str) -> bool:
    files = {PurePosixPath(path).name.lower() for path in option.paths}
    return wanted.lower() in files | {_SUFFIX.sub("", name) for name in files}


def _kin(option: Named, wanted: str) -> bool:
    if option.label is None:
        return False
    own, family = _plain(option.label), _plain(wanted.upper())
    return own.startswith(f"{family}_") or (family.startswith("MXFP4_") and own == "MXFP4")


def _plain(label: str) -> str:
    return label.removeprefix("UD-")


def _squashed(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _distance(order: Sequence[str], label: str | None, place: int) -> int:
    return abs(order.index(label) - place) if label in order else len(order)
