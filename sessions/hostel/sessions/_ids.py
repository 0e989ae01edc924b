"""Ids that are short, sort by time and cannot be guessed.

48 bits of milliseconds, then 96 random bits, in 24 characters of an alphabet that is in ASCII order and
safe in URLs."""

import binascii
import os
import re

from ._errors import InvalidTaskId

LONGEST_ID = 512

_SURROGATES = re.compile("[\ud800-\udfff]")
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_SORTED = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"
_ALPHABET = bytes.maketrans(_BASE64, _SORTED)


def new_id(at: float) -> str:
    """Return a fresh id for the moment `at` (seconds since the epoch)."""
    # big end first, and an alphabet in ASCII order: ids sort as their moments do
    raw = int(at * 1000).to_bytes(6, "big") + os.urandom(12)
    return binascii.b2a_base64(raw, newline=False).translate(_ALPHABET).decode()


def checked_id(given: str) -> str:
    """Return `given`.

    :raises InvalidTaskId: if it is empty, longer than 512 characters or has lone surrogates in it.
    :raises TypeError: if it is no text.
    """
    if not isinstance(given, str):
        raise TypeError(f"an id is a text, not {given!r:.50}")
    if not 0 < len(given) <= LONGEST_ID or (not given.isascii() and _SURROGATES.search(given)):
        raise InvalidTaskId(given, LONGEST_ID)
    return given
