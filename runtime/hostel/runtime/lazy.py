"""Packages whose names are imported when they are first asked for.

A plugin's package is imported by every command of the command line, so it must not import what only its
work needs. Its `__init__` says where its names are instead: `__getattr__ = lazily(__name__, {"_work":
("Work",)})`, and imports them under `TYPE_CHECKING` for type checkers."""

from __future__ import annotations

import sys
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any


def lazily(package: str, places: Mapping[str, Iterable[str]]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package whose names are in the modules that `places` says."""
    modules = {name: module for module, names in places.items() for name in names}

    def find(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f".{modules[name]}", package), name)
        setattr(sys.modules[package], name, value)
        return value

    return find
