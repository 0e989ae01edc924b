"""Parts of an output as they are printed: each stream where it belongs, faithfully into files and pipes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

import attrs

from hostel.runtime import console

from .terminal_text import TerminalText

if TYPE_CHECKING:
    from .._cli.client import Part


class Printer:
    """Prints the parts of one output; what went to `stderr` goes there."""

    def __init__(self, *, as_json: bool = False) -> None:
        self._as_json = as_json
        self._texts: dict[str, TerminalText] = {}

    def show(self, part: Part) -> None:
        """Print a part."""
        if self._as_json:
            console.print_json(attrs.asdict(part))
            return
        if part.dropped:
            console.warn(f"{part.dropped} bytes of the output are gone")
        out = sys.stderr if part.stream == "stderr" else sys.stdout
        if not out.isatty():
            _write(out, part.text)
            return
        _write(out, self._texts.setdefault(part.stream, TerminalText()).part(part.text))

    def end(self) -> None:
        """Print what was held back."""
        for stream, text in self._texts.items():
            _write(sys.stderr if stream == "stderr" else sys.stdout, text.end())


def _write(out: TextIO, text: str) -> None:
    # as it is: no translation of line ends, and no error where the terminal's encoding lacks a character
    out.flush()
    out.buffer.write(text.encode())
    out.buffer.flush()
