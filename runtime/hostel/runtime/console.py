"""What the commands of all plugins share: how they run, how they end, how they print.

Texts come from tasks, plugins and servers; what is printed here passes `plain`, so that a terminal obeys none
of them. Exit codes: 0 done, 1 the task failed, 2 bad usage, 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from hostel.sessions import JsonValue

    from ._upstream import Upstream

T = TypeVar("T")

UPSTREAM_KEY = "HOSTEL_UPSTREAM_KEY"
FAILED = 1
USAGE = 2
INTERRUPTED = 130
TERMINATED = 143


def plain(text: str) -> str:
    """Return `text` on one line, without anything a terminal would obey."""
    return "".join(char if char.isprintable() else " " if char.isspace() else "�" for char in text)


def fail(sentence: object, code: int = FAILED) -> NoReturn:
    """End the command with one sentence on standard error."""
    warn(sentence)
    raise typer.Exit(code)


def warn(sentence: object) -> None:
    """Say one sentence on standard error and go on."""
    sys.stderr.write(f"hostel: {plain(str(sentence))}\n")


@contextmanager
def one_sentence() -> Iterator[None]:
    """End the command with one sentence if something is raised on purpose."""
    from hostel.sessions import SessionsError

    from ._errors import RuntimeFault

    try:
        yield
    except (SessionsError, RuntimeFault) as error:
        fail(error)


def upstream(url: str, concurrency: int) -> Upstream:
    """Return the upstream that a command names; its key is what HOSTEL_UPSTREAM_KEY holds when it is used."""
    from ._errors import InvalidUpstream
    from ._upstream import Upstream

    key = f"env:{UPSTREAM_KEY}" if os.environ.get(UPSTREAM_KEY) else None
    try:
        return Upstream(url, key, concurrency)
    except InvalidUpstream as error:
        fail(error, USAGE)


class Terminated(SystemExit):
    """SIGTERM has ended the command, as Ctrl-C does."""

    def __init__(self) -> None:
        super().__init__(TERMINATED)


def run(func: Callable[[], Awaitable[T]]) -> T:
    """Run an async command; what it raises on purpose becomes one sentence, Ctrl-C exit code 130.

    :raises Terminated: if SIGTERM has ended it.
    """
    import anyio

    with one_sentence():
        return anyio.run(_until_terminated, func)


async def _until_terminated(func: Callable[[], Awaitable[T]]) -> T:
    import anyio

    from ._plugins.apart import Apart

    with anyio.open_signal_receiver(signal.SIGTERM) as signals, anyio.CancelScope() as scope:

        async def watch() -> None:
            await anext(signals)
            scope.cancel()

        watcher = Apart(watch)
        watcher.start()
        try:
            return await func()
        finally:
            await watcher.stop()
    raise Terminated


def print_json(value: JsonValue | Sequence[JsonValue]) -> None:
    """Print one JSON value on one line, at once."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def print_lines(lines: Iterable[str]) -> None:
    """Print each text on a line of its own, at once."""
    sys.stdout.writelines(f"{plain(line)}\n" for line in lines)
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> None:
    """Print rows as a table on a terminal, as tab-separated lines when piped, `empty` if there are none."""
    found = [[plain(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        sys.stdout.writelines("\t".join(row) + "\n" for row in found)
        return
    from rich.console import Console
    from rich.table import Table

    if not found:
        sys.stdout.write(empty + "\n")
        return
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in found:
        table.add_row(*row)
    Console().print(table, markup=False)
