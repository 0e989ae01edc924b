"""The commands of the inspector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostel.runtime import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def register_commands(app: typer.Typer) -> None:
    """Add them."""
