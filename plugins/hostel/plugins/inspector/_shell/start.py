"""`hostel start` and `hostel kinds`: tasks started by name, in whichever runtime has their kind."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, cast

import typer

from hostel.runtime import console, param_from_text
from hostel.runtime.text import parse_duration
from hostel.sessions import TaskState
from hostel.sessions.json import record_to_json

from .._cli.client import Found, runtimes
from .._errors import InspectorError, Refused
from .following import OutputFollower
from .printing import Printer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hostel.sessions import JsonValue, TaskRecord

    from .._cli.client import Kind, RemoteRuntime

COLUMNS = ("kind", "takes", "resumable", "what it does", "runtime")


def print_kinds(*, as_json: bool) -> None:
    """Print what may be started in every runtime."""
    found = list(_kinds(runtimes()))
    if as_json:
        console.print_json(
            [
                {
                    "name": kind.name,
                    "summary": kind.summary,
                    "resumable": kind.resumable,
                    "params": kind.params,
                    "runtime": kind.runtime.url,
                }
                for kind in found
            ]
        )
        return
    rows = [
        (kind.name, _takes(kind), "yes" if kind.resumable else "no", kind.summary, kind.runtime.url)
        for kind in found
    ]
    console.print_table(COLUMNS, rows, "no runtime lets a task be started")


def start_task(
    kind: str,
    texts: list[str],
    spec: Mapping[str, JsonValue],
    *,
    not_before: str | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Start a task and print its id; follow it to its end if wanted, with exit code 1 unless it completed."""
    pairs = [_pair(text) for text in texts]
    with console.one_sentence():
        known = kind_named(kind)
        params = {name: param_from_text(known.params, name, text) for name, text in pairs}
        when = None if not_before is None else _moment(not_before)
        record = known.runtime.start({**spec, "kind": kind, "params": params, "not_before": when})
    if as_json:
        console.print_json({**record_to_json(record), "runtime": known.runtime.url})
    elif not follow:
        console.print_lines([record.id])
    if follow and _followed(Found(known.runtime, record), as_json=as_json).state is not TaskState.COMPLETED:
        raise typer.Exit(console.FAILED)


def kind_named(name: str) -> Kind:
    """Return the kind of that name of the runtime that has run longest of those that have it.

    :raises Refused: if none has.
    """
    there = list(_kinds(runtimes()))
    for kind in there:
        if kind.name == name:
            return kind
    names = ", ".join(sorted({kind.name for kind in there})) or "none: is a runtime running? `hostel serve`"
    raise Refused(404, "unknown-kind", f"no runtime lets a {name!r} task be started; there is {names}")


def _followed(found: Found, *, as_json: bool) -> TaskRecord:
    printer = Printer(as_json=as_json)
    record = console.run(OutputFollower(found, 0, printer.show).run)
    printer.end()
    if record.failure is not None:
        console.warn(record.failure.message)
    return record


def _kinds(there: Iterable[RemoteRuntime]) -> Iterator[Kind]:
    for runtime in there:
        try:
            yield from runtime.kinds()
        except InspectorError as error:
            console.warn(error)


def _takes(kind: Kind) -> str:
    required = cast("list[str]", kind.params["required"])
    names = cast("dict[str, JsonValue]", kind.params["properties"])
    return " ".join(name if name in required else f"[{name}]" for name in names)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise typer.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="KEY=VALUE")
    return name, value


def _moment(text: str) -> float:
    """Return the seconds since the epoch of `90s` from now, or of a date and time."""
    try:
        return time.time() + parse_duration(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError):
        wanted = f"{text!r} is neither a time from now as 90s, 10m or 2h, nor one as 2026-03-01T12:00"
        raise typer.BadParameter(wanted, param_hint="--not-before") from None
