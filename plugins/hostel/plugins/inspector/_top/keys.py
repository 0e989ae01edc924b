"""What was typed, as keys. Pure.

A terminal sends a key as one character or as an escape sequence; several arrive at once when one types fast.
Sequences that mean nothing here are one key, so that no part of them is taken for a letter."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Key(StrEnum):
    """A key that means something."""

    UP = "up"
    DOWN = "down"
    PAGE_UP = "page up"
    PAGE_DOWN = "page down"
    HOME = "home"
    END = "end"
    OUTPUT = "output"
    ANSWER = "answer"
    CANCEL = "cancel"
    YES = "yes"
    QUIT = "quit"
    OTHER = "other"


KEYS = {
    "k": Key.UP,
    "j": Key.DOWN,
    "g": Key.HOME,
    "G": Key.END,
    "o": Key.OUTPUT,
    "\r": Key.OUTPUT,
    "\n": Key.OUTPUT,
    "a": Key.ANSWER,
    "c": Key.CANCEL,
    "y": Key.YES,
    "q": Key.QUIT,
    "\x1b[A": Key.UP,
    "\x1bOA": Key.UP,
    "\x1b[B": Key.DOWN,
    "\x1bOB": Key.DOWN,
    "\x1b[5~": Key.PAGE_UP,
    "\x1b[6~": Key.PAGE_DOWN,
    "\x1b[H": Key.HOME,
    "\x1bOH": Key.HOME,
    "\x1b[1~": Key.HOME,
    "\x1b[F": Key.END,
    "\x1bOF": Key.END,
    "\x1b[4~": Key.END,
}
SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]?|\x1bO.?|\x1b|.", re.DOTALL)


def keys_of(typed: str) -> Iterator[Key]:
    """Yield the keys that were pressed; what means nothing is OTHER."""
    return (KEYS.get(one, Key.OTHER) for one in SEQUENCE.findall(typed))
