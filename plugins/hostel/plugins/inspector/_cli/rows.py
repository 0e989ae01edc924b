"""What a list of tasks has in each row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .._lints import findings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostel.sessions import TaskRecord

    from .._lints import Lint


@attrs.frozen
class Row:
    """One task: where it is, how deep it stands below others, what looks wrong with it in words."""

    record: TaskRecord
    where: str
    depth: int = 0
    warning: str = ""


def warnings(records: Iterable[TaskRecord], lints: Iterable[Lint], now: float) -> dict[tuple[str, str], str]:
    """Return what looks wrong with tasks, in words, by session and id."""
    told: dict[tuple[str, str], str] = {}
    for found in findings(records, lints, now):
        key = found.record.session_id, found.record.id
        told[key] = ", ".join([*([told[key]] if key in told else []), found.text(now)])
    return told
