"""Ids that are short, sort by time and cannot be guessed: 48 bits of milliseconds, then 80 random bits, in
26 characters.
"""

import base64
import os

from ._errors import InvalidTaskId

LONGEST_ID = 512


def new_id(at: float) -> str:
    """Return a fresh id for the moment `at` (seconds since the epoch)."""
    raw = int(at * 1000).to_bytes(6, "big") + os.urandom(10)
    return base64.b32hexencode(raw)[:26].decode().lower()


def checked_id(given: str) -> str:
    """Return `given`.

    :raises InvalidTaskId: if it is empty or longer than 512 characters.
    """
    if not 0 < len(given) <= LONGEST_ID:
        raise InvalidTaskId(given, LONGEST_ID)
    return given
