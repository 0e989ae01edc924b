"""The terminal, taken over as a whole and given back as it was, however the command ends.

Keys arrive as they are pressed and are not echoed; Ctrl-C still interrupts. Ctrl-Z is off meanwhile: a shell
would get a terminal in this state."""

from __future__ import annotations

import os
import sys
import termios
import tty
from typing import TYPE_CHECKING

import anyio
from rich.console import Console

from .keys import Key, keys_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from types import TracebackType
    from typing import Self

    from rich.text import Text

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l\x1b[H", "\x1b[?25h\x1b[?1049l"
CHUNK = 1_024


class Screen:
    """The screen of the terminal; a context manager, which may be entered again."""

    def __init__(self) -> None:
        self._keyboard = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._keyboard)
        self._console = Console()

    def __enter__(self) -> Self:
        tty.setcbreak(self._keyboard)
        mode = termios.tcgetattr(self._keyboard)
        mode[6][termios.VSUSP] = b"\0"
        termios.tcsetattr(self._keyboard, termios.TCSADRAIN, mode)
        self._write(ENTER)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._write(LEAVE)
        finally:
            termios.tcsetattr(self._keyboard, termios.TCSAFLUSH, self._before)

    @property
    def size(self) -> tuple[int, int]:
        """How many columns and lines there are."""
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
        return max(columns, 20), max(rows, 5)

    def draw(self, lines: Iterable[Text]) -> None:
        """Show lines that are no wider than the screen and no more than it has."""
        self._console.width = self.size[0]
        with self._console.capture() as captured:
            for line in lines:
                self._console.print(line, soft_wrap=True)
        drawn = captured.get().removesuffix("\n").replace("\n", "\x1b[K\n")
        self._write(f"\x1b[H{drawn}\x1b[K\x1b[J")

    def clear(self) -> None:
        """Begin an empty screen, to be written to line by line."""
        self._write("\x1b[H\x1b[2J")

    async def keys(self) -> AsyncIterator[Key]:
        """Yield each key as it is pressed, QUIT when the terminal is gone."""
        while True:
            await anyio.wait_readable(self._keyboard)
            try:
                typed = os.read(self._keyboard, CHUNK)
            except OSError:
                typed = b""
            if not typed:
                yield Key.QUIT
                return
            for key in keys_of(typed.decode(errors="replace")):
                yield key

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()
