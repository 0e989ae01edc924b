"""Text for a model: bounded, without what only terminals understand, and with what others wrote in quotes.

What tasks write, return and ask is not the application's word. It stands between marks that it cannot forge,
so that a model can tell it from what the toolbox says."""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours and moves
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # titles, links and other strings
    r"|\x1b[ -/]*[0-~]"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def readable(text: str) -> str:
    """Return what a terminal would show of a text at last: no colours, no overwritten progress bars."""
    lines = _ESCAPES.sub("", text).split("\n")
    return _CONTROLS.sub("", "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines))


def quoted(mark: str, text: str) -> str:
    """Return a text of somebody else between marks."""
    inside = re.sub(rf"<(\s*/\s*{mark})", r"<\\\1", readable(text), flags=re.IGNORECASE)
    return f"<{mark}>\n{inside}{'' if inside.endswith(chr(10)) else chr(10)}</{mark}>"


def one_line(text: str, limit: int = 200) -> str:
    """Return a text of somebody else as one short line."""
    return shortened(" ".join(readable(text).split()), limit)


def shortened(text: str, limit: int) -> str:
    """Return at most `limit` characters of a text; what is left out of its middle is said."""
    if len(text) <= limit:
        return text
    mark = f" [… {len(text) - limit:,} characters and more left out …] "
    if len(mark) >= limit:
        return text[:limit]
    kept = limit - len(mark)
    return text[: kept - kept // 3] + mark + text[len(text) - kept // 3 :]
