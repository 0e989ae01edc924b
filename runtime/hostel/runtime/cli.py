"""The `hostel` command: a few commands of its own and those of every plugin."""

from __future__ import annotations

import importlib.metadata
import sys
from typing import Annotated

import typer

from . import _doctor, console
from ._errors import PluginFailed
from ._registry import PluginRegistry


def main() -> None:
    """Run the command line and exit."""
    registry = PluginRegistry()
    try:
        registry.load_builtins()
        registry.load_installed()
        app = build(registry)
    except PluginFailed as error:
        sys.stderr.write(f"hostel: {error}\n")
        raise SystemExit(console.FAILED) from None
    try:
        app(prog_name="hostel")
    except KeyboardInterrupt:
        raise SystemExit(console.INTERRUPTED) from None


def build(registry: PluginRegistry) -> typer.Typer:
    """Return the command line with the commands of the registry's plugins."""
    app = typer.Typer(
        help="Houses plugins and the background tasks they run for each session of an agent framework.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    @app.callback()
    def root(
        version: Annotated[
            bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version.")
        ] = False,
    ) -> None:
        pass

    @app.command()
    def plugins(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
        """List the plugins, where they come from, and what is wrong with those that do not work."""
        list_plugins(registry, as_json=as_json)

    registry.collect("register_commands", app=app)
    return app


def list_plugins(registry: PluginRegistry, *, as_json: bool) -> None:
    """Print the plugins of `registry` and those that fail in runtimes that run."""
    findings = _doctor.examine(registry)
    if as_json:
        console.print_json(findings)
        return
    console.print_table(_doctor.COLUMNS, _doctor.rows(findings), "no plugins")


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"hostel {importlib.metadata.version('hostel')}\n")
        raise typer.Exit
