"""What a task writes, as text that a terminal may be sent: lines and colours, and nothing else that it would
obey.

Output comes in parts, and a part may end inside an escape sequence. What could still become a colour waits
for the next part; every other sequence is left out as a whole, and what is left of control characters shows
as a replacement. A carriage return ends a line, so that nothing is written over what was read."""

from __future__ import annotations

import re

SEQUENCE = re.compile(
    r"\x1b\[[0-9;:]*m"  # colours
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # other control sequences
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # titles, links and other strings
    r"|\x1b[ -/]*[0-~]"
    r"|\r?\n|\r"
    r"|[^\x1b\r]",
    re.DOTALL,
)
COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
UNFINISHED = re.compile(r"(?:\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?|\r)\Z")
LONGEST = 4_096
"""What has not become a sequence by then will not."""
RESET = "\x1b[0m"


class TerminalText:
    """The text of one stream, part by part."""

    def __init__(self) -> None:
        self._held = ""
        self._is_coloured = False

    def part(self, text: str) -> str:
        """Return what of the next part may be shown now."""
        text = self._held + text
        unfinished = UNFINISHED.search(text)
        is_held = unfinished is not None and len(unfinished[0]) <= LONGEST
        end = unfinished.start() if unfinished is not None and is_held else len(text)
        self._held = text[end:]
        return self._shown(text[:end])

    def end(self) -> str:
        """Return what is left, and what ends the colours."""
        text, self._held = self._shown(self._held), ""
        return text + (RESET if self._is_coloured else "")

    def _shown(self, text: str) -> str:
        return "".join(map(self._token, SEQUENCE.findall(text)))

    def _token(self, token: str) -> str:
        if token in ("\n", "\t"):
            return token
        if token in ("\r", "\r\n"):
            return "\n"
        if COLOUR.fullmatch(token):
            self._is_coloured = token not in (RESET, "\x1b[m")
            return token
        if token.startswith("\x1b"):
            return ""
        return token if token.isprintable() else "�"
