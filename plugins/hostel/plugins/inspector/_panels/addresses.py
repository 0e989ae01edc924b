"""Places in an address, or in the name of a file, that a row fills in:
`/v1/files/{output_file_id}/content`."""

from __future__ import annotations

import re

_PLACE = re.compile(r"\{([^{}]*)\}")
_BRACE = re.compile(r"[{}]")


def places(template: str) -> list[str]:
    """Return the fields that are filled in.

    :raises ValueError: if a brace is left over, or a place names no field.
    """
    found = _PLACE.findall(template)
    if not all(found) or _BRACE.search(_PLACE.sub("", template)):
        raise ValueError(f"{template!r} has braces that name no field")
    return found


def fixed_part(template: str) -> str:
    """Return what comes before the first place, and before the query."""
    return template.partition("{")[0].partition("?")[0]
