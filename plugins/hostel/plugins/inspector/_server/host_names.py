"""Names of servers, as the Host header has them."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from .._errors import InvalidHost

if TYPE_CHECKING:
    from collections.abc import Iterable

HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[0-9A-Za-z._-]+))(?::[0-9]{1,5})?")
NAME = re.compile(r"[0-9A-Za-z._-]+")


def host_names(names: Iterable[str]) -> frozenset[str]:
    """Return `names` in small letters.

    :raises InvalidHost: if one is neither a name nor an address.
    """
    found = [names] if isinstance(names, str) else list(names)
    for name in found:
        if not (NAME.fullmatch(name) or is_address(name)):
            raise InvalidHost(name)
    return frozenset(name.lower() for name in found)


def name_of(host: str) -> str:
    """Return the name or address in a Host header, in small letters; nothing if it is malformed."""
    found = HOST.fullmatch(host)
    return "" if found is None else (found["six"] or found["name"]).lower()


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach `host`."""
    if host.lower() == "localhost":
        return True
    return is_address(host) and ipaddress.ip_address(host).is_loopback


def is_address(name: str) -> bool:
    """Tell whether `name` is an address and not a name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
