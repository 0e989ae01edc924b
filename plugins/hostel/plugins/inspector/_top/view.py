"""What is on the screen, and what a key does to it. Pure: no clock, no terminal.

Whoever asks a question comes first, then what looks wrong, then the rest by age; so rows keep their places
while their tasks report. The selection stays with its task, and passes to the row in its place when the task
has ended."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

import attrs
from rich.text import Text

from hostel.runtime import console

from .._cli.fitting import shortened
from .._cli.table import lines as table
from .keys import Key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._cli.rows import Row

HELP = ("q quit", "↑↓ move", "Enter output", "c cancel", "a answer")
AROUND = 3
"""Lines that are no tasks: what there is, the heads of columns, the keys."""


class Wish(Enum):
    """What is to be done with the selected task, or at all."""

    CANCEL = auto()
    ANSWER = auto()
    OUTPUT = auto()
    QUIT = auto()


@attrs.define
class TopView:
    """The rows, which of them is selected, what is to be confirmed and what to be told."""

    rows: list[Row] = attrs.Factory(list)
    note: str = ""
    page: int = 10
    confirming: bool = False
    _place: int = 0
    _first: int = 0

    @property
    def selected(self) -> Row | None:
        """The selected row, None if there is none."""
        return self.rows[self._place] if self.rows else None

    def show(self, rows: Iterable[Row]) -> None:
        """Take over what there is now."""
        before = None if self.selected is None else _key(self.selected)
        self.rows = sorted(rows, key=_order)
        places = {_key(row): place for place, row in enumerate(self.rows)}
        if before not in places:
            self.confirming = False  # who was meant is gone
        self._select(places.get(before, self._place) if before is not None else self._place)

    def press(self, key: Key) -> Wish | None:
        """Do what a key asks for; return what is left to others."""
        if self.confirming:
            self.confirming = False
            return Wish.CANCEL if key is Key.YES else None
        self.note = ""
        moves = {Key.UP: -1, Key.DOWN: 1, Key.PAGE_UP: -self.page, Key.PAGE_DOWN: self.page}
        moves |= {Key.HOME: -len(self.rows), Key.END: len(self.rows)}
        if key in moves:
            self._select(self._place + moves[key])
            return None
        if key is Key.QUIT:
            return Wish.QUIT
        if self.selected is None:
            return None
        return self._wish(key, self.selected)

    def _wish(self, key: Key, row: Row) -> Wish | None:
        match key:
            case Key.OUTPUT:
                return Wish.OUTPUT
            case Key.ANSWER if row.record.question is not None:
                return Wish.ANSWER
            case Key.ANSWER:
                self.note = f"{row.record.id} asks nothing"
            case Key.CANCEL:
                self.confirming = True
        return None

    def lines(self, now: float, width: int, height: int) -> list[Text]:
        """Return what to draw on a screen of that size."""
        self.page = max(1, height - AROUND)
        self._select(self._place)
        shown = self.rows[self._first : self._first + self.page]
        several = len({row.where for row in self.rows}) > 1
        head, *drawn = table(shown, now, width, runtimes=several)
        for place, line in enumerate(drawn, self._first):
            if place == self._place:
                line.pad_right(max(0, width - line.cell_len))
                line.stylize("reverse")
        above = Text(shortened(self._summary(), width), "bold", no_wrap=True)
        space = [Text("")] * (self.page - len(drawn))
        return [above, head, *drawn, *space, self._last_line(width)]

    def _summary(self) -> str:
        asking = sum(row.record.question is not None for row in self.rows)
        wrong = sum(bool(row.warning) for row in self.rows)
        parts = [f"{len(self.rows)} live tasks"]
        parts += [f"{asking} asking"] if asking else []
        parts += [f"{wrong} with warnings"] if wrong else []
        return ", ".join(parts)

    def _last_line(self, width: int) -> Text:
        if self.confirming and self.selected is not None:
            said = "y cancels it and what it started; any other key does not: "
            room = max(8, width - len(said))
            name = shortened(console.plain(self.selected.record.id), room, keep_end=True)
            text = f"cancel {name}? y/n" if room == 8 else f"{said}{name}"
            return Text(shortened(text, width), "bold red", no_wrap=True)
        if self.note:
            return Text(shortened(console.plain(self.note), width), "yellow", no_wrap=True)
        return Text(shortened("  ".join(HELP), width), "dim", no_wrap=True)

    def _select(self, place: int) -> None:
        self._place = max(0, min(place, len(self.rows) - 1))
        most = max(0, len(self.rows) - self.page)
        self._first = max(0, min(self._first, self._place, most), self._place - self.page + 1)


def _key(row: Row) -> tuple[str, str, str]:
    return row.where, row.record.session_id, row.record.id


def _order(row: Row) -> tuple[bool, bool, float, str]:
    record = row.record
    return record.question is None, not row.warning, record.created_at, record.id
