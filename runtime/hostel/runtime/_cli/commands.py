"""The commands of the command line: its own, and those of all plugins.

Each plugin registers its commands on an application of its own, which is built and looked through before any
of them is taken over. So a plugin cannot break another one's commands, nor take their names."""

from __future__ import annotations

import importlib.metadata
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
import typer.core
import typer.main

from .. import console, hookspecs
from .._plugins.outcome import Misbehaved

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .._plugins.calling import Implementation
    from .._plugins.registry import PluginRegistry

    Context = Any  # click's own, or typer's copy of it
    Parameter = Any
    Command = typer.core.TyperCommand | typer.core.TyperGroup

Block = Annotated[
    list[str], typer.Option(help="Leave out a plugin or a distribution; may be repeated.", metavar="NAME")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def build(registry: PluginRegistry) -> typer.core.TyperGroup:
    """Return the command line with the commands of the registry's plugins.

    :raises PluginFailed: if those of a built-in one cannot be used.
    """
    group = _own_commands()
    for found in registry.implementations(hookspecs.register_commands):
        for name, command in (registry.described(found, partial(_commands_of, found)) or {}).items():
            if name in group.commands:
                registry.refuse(found.plugin.name, found.hook, f"the command {name!r} is there already")
            else:
                group.add_command(command, name)
    for found in registry.implementations(hookspecs.register_commands, incomplete=True):
        for name, command in (registry.described(found, partial(_commands_of, found)) or {}).items():
            group.commands.setdefault(name, _stub(name, command, found.plugin.missing))
    _spare_conversions(group)
    return group


def _own_commands() -> typer.core.TyperGroup:
    app = _application(add_completion=True)

    @app.callback()
    def root(
        version: Annotated[
            bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version.")
        ] = False,
        block: Block = [],  # noqa: B006 - typer's way to say none
    ) -> None:
        pass  # what is blocked was left out before the commands were built

    @app.command()
    def plugins(as_json: AsJson = False) -> None:
        """Try the plugins; list where they come from, and what is wrong with those that do not work."""
        from .plugins_command import list_plugins

        list_plugins(build, as_json=as_json)

    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    return group


def _application(*, add_completion: bool = False) -> typer.Typer:
    return typer.Typer(
        help="Houses plugins and the background tasks they run for each session of an agent framework.",
        no_args_is_help=True,
        add_completion=add_completion,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


def _commands_of(found: Implementation) -> Mapping[str, Command]:
    app = _application()
    found.describe({"app": app})
    if app.registered_callback is not None:
        raise Misbehaved("sets a callback for all commands, which is not its own")
    commands = cast("Mapping[str, Command]", typer.main.get_group(app).commands)
    for name, command in commands.items():
        if not isinstance(name, str):
            raise Misbehaved("has a command whose name is not a text")
        command.get_short_help_str()
    return commands


def _stub(name: str, command: Command, missing: str | None) -> typer.core.TyperCommand:
    """Return a command that says what has to be installed for it."""
    anything = {"ignore_unknown_options": True, "allow_extra_args": True}
    say = partial(console.fail, f"`hostel {name}` is not installed: {missing}")
    return typer.core.TyperCommand(name, callback=say, help=command.help, context_settings=anything)


def _spare_conversions(command: Command) -> None:
    """Leave options that were not given alone, all through the commands: typer imports pydantic to convert
    nothing, which takes longer than most commands.
    """
    setattr(command, "get_params", partial(_spared, command.get_params))  # noqa: B010 - a method, to mypy
    for one in getattr(command, "commands", {}).values():
        _spare_conversions(one)


def _spared(get_params: Callable[[Context], list[Parameter]], context: Context) -> list[Parameter]:
    found = get_params(context)
    for parameter in found:
        if not parameter.required and "process_value" not in vars(parameter):
            parameter.process_value = partial(_processed, parameter, parameter.process_value)
    return found


def _processed(
    parameter: Parameter, process: Callable[[Context, object], object], context: Context, value: object
) -> object:
    if value is not None and value not in ((), []):
        return process(context, value)
    return parameter.callback(context, parameter, value) if parameter.callback is not None else value


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"hostel {importlib.metadata.version('hostel')}\n")
        raise typer.Exit
