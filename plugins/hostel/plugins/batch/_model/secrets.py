"""References to secrets. What is stored names a secret; only what sends a request reads it."""

import os
import re

from .errors import InvalidInput
from .records import Problem

_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*")


def check_reference(reference: str) -> None:
    """Refuse what is not a reference.

    :raises InvalidInput: without repeating the text, which may be a secret
    """
    if not _REFERENCE.fullmatch(reference):
        message = "An api_key is a reference such as env:NAME, never the key itself."
        raise InvalidInput([Problem("invalid_api_key_reference", message, param="api_key")])


def read_secret(reference: str) -> str | None:
    """Read a secret from the environment; None if it is not set."""
    return os.environ.get(reference.removeprefix("env:")) if _REFERENCE.fullmatch(reference) else None
