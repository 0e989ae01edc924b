"""`hostel demo`: everything at once, offline and in half a minute. It plays the application, so it may use
every plugin.
"""

from typing import TYPE_CHECKING

from hostel.runtime import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def register_commands(app: "typer.Typer") -> None:
    """Add `hostel demo`."""

    @app.command()
    def demo() -> None:
        """Show hostel at work, offline: sessions, tasks, a model pull, a transfer, a cancellation."""
        from hostel.runtime import console

        from ._story import tell

        console.run(tell)
