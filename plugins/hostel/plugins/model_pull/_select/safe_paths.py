"""Names in a listing, held to be harmless before any of them touches the disk.

A listing is somebody else's text that becomes paths of ours. Every name must stay inside its folder on
Linux, macOS and Windows alike, and no two names may be one file on a disk that ignores case or composes
accents.
"""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from .._errors import UnsafePath

_DEVICES = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|clock\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(\..*)?", re.IGNORECASE
)
_DRIVE = re.compile(r"[A-Za-z]:")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")
_LONGEST_NAME = 255


def check_paths(paths: Iterable[str]) -> None:
    """Refuse a listing that could write outside its folder or over itself.

    :raises UnsafePath: naming the first path at fault
    """
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        check_path(path)
        key = _folded(path)
        if key in files:
            other = files[key]
            twice = "it is listed twice" if other == path else f"it differs from {other!r} only by case"
            raise UnsafePath(path, twice)
        files[key] = path
        for parent in PurePosixPath(path).parents:
            folders[_folded(str(parent))] = path
    for key, path in files.items():
        if key in folders:
            raise UnsafePath(path, f"it is also the folder of {folders[key]!r}")


def check_path(path: str) -> None:
    """Refuse one name that could leave its folder.

    :raises UnsafePath: if it is absolute, climbs, names a device, or holds what some system cannot write
    """
    reason = _reason(path)
    if reason:
        raise UnsafePath(path, reason)


def _reason(path: str) -> str | None:
    if path.startswith("/") or _DRIVE.match(path):
        return "it is absolute"
    if "\\" in path:
        return "it holds a backslash"
    if _FORBIDDEN.search(path):
        return "it holds a control character"
    for part in path.split("/"):
        if reason := _part_reason(part):
            return reason
    return None


def _part_reason(part: str) -> str | None:
    if part == "..":
        return "it climbs out of its folder"
    if part in ("", "."):
        return "a part of it is empty"
    if part[-1] in ". ":
        return "a part of it ends in a dot or space"
    if _DEVICES.fullmatch(part):
        return f"{part!r} is a device"
    try:
        length = len(part.encode())
    except UnicodeEncodeError:
        return "it is not Unicode"
    return "a part of it is too long" if length > _LONGEST_NAME else None


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
