"""Texts cut to cells, and columns fitted to a screen. Pure; a wide character takes two cells.

What one needs to act comes first and is never left out: which task, its state, when it was last heard of,
and the port of its runtime where there are several. The rest is added as the screen allows, in the order of
`EXTRA`, each with the least that makes sense; what is left over then goes to whoever wants more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

if TYPE_CHECKING:
    from collections.abc import Mapping

ORDER = ("task", "session", "kind", "state", "progress", "age", "sign", "doing", "runtime")
EXTRA = {"session": 8, "doing": 10, "progress": 4, "age": 7, "kind": 8}
"""What may be left out, and the least number of cells it makes sense in."""
MOST = {"task": 40, "session": 24, "kind": 16}
ID = 24
"""Cells of an id that a host has made up."""
ROOMY = 60
"""A screen from this width on has room for two spaces between columns."""


def fitted(wanted: Mapping[str, int], width: int, *, least_runtime: int) -> dict[str, int]:
    """Return the cells of each column that a screen has room for.

    `wanted` has the cells of each column's longest text; "runtime" only if it is to be shown, in no less
    than `least_runtime` cells.
    """
    gap = gap_of(width)
    cells = {name: wanted[name] for name in ("state", "sign")}
    if "runtime" in wanted:
        cells["runtime"] = min(wanted["runtime"], least_runtime)
    left = width - sum(cells.values()) - gap * len(cells)
    cells["task"] = max(1, min(wanted["task"], ID, left))
    left -= cells["task"]
    for name, least in EXTRA.items():
        least = least if name == "doing" else min(least, wanted[name])
        if wanted[name] and least + gap <= left:
            cells[name] = least
            left -= least + gap
    for name in ("task", "progress", "runtime", "session", "kind", "age"):
        more = (
            min(left, min(wanted.get(name, 0), MOST.get(name, width)) - cells[name]) if name in cells else 0
        )
        cells[name] = cells.get(name, 0) + max(0, more)
        left -= max(0, more)
    if "doing" in cells:
        cells["doing"] += left
    return {name: cells[name] for name in ORDER if cells.get(name)}


def gap_of(width: int) -> int:
    """Return how many spaces are between the columns of a screen."""
    return 2 if width >= ROOMY else 1


def shortened(text: str, cells: int, *, keep_end: bool = False) -> str:
    """Return `text` in at most so many cells, with an ellipsis where something is left out; `keep_end`
    leaves out its middle.
    """
    if cell_len(text) <= cells:
        return text
    if cells < 1:
        return ""
    end = _first(text[::-1], (cells - 1) // 2)[::-1] if keep_end else ""
    return _first(text, cells - 1 - cell_len(end)) + "…" + end


def padded(text: str, cells: int) -> str:
    """Return `text` with spaces after it, in exactly so many cells if it has no more."""
    return text + " " * (cells - cell_len(text))


def _first(text: str, cells: int) -> str:
    taken = 0
    for place, char in enumerate(text):
        taken += cell_len(char)
        if taken > cells:
            return text[:place]
    return text
