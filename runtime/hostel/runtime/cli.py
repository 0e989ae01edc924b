"""The `hostel` command: a few commands of its own and those of every plugin.

Importing this imports nothing, so that Ctrl-C is caught from the start."""

from __future__ import annotations

import os
import signal
import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit."""
    try:
        from ._cli.output import guarded_output

        with guarded_output():
            sys.exit(_run(sys.argv[1:]))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever presses it again wants no more of it
        raise SystemExit(INTERRUPTED) from None


def _run(arguments: list[str]) -> int:
    _block(arguments)
    from ._cli.commands import build
    from ._errors import PluginFailed
    from ._plugins.registry import PluginRegistry

    registry = PluginRegistry()
    try:
        registry.load()
        commands = build(registry)
    except PluginFailed as error:
        sys.stderr.write(f"hostel: {error}\n")
        return 1
    commands(arguments, prog_name="hostel")
    return 0


def _block(arguments: list[str]) -> None:
    """Note what `--block` leaves out, where this process and those it starts look for it."""
    from ._plugins.loading import BLOCKED

    names = [os.environ.get(BLOCKED, "")]
    left = iter(arguments)
    for argument in left:
        option, _, value = argument.partition("=")
        if not option.startswith("-"):
            break
        if option == "--block":
            names.append(value or next(left, ""))
    os.environ[BLOCKED] = ",".join(filter(None, names))
