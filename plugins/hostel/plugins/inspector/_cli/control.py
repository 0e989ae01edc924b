"""`hostel cancel` and `hostel transfer`: find the tasks, then ask their runtimes."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, TypeVar

import typer

from hostel.runtime import console
from hostel.sessions.json import record_to_json

from .._errors import InspectorError, NotReached, Refused
from .client import Found, runtimes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .client import RemoteRuntime

A = TypeVar("A")
B = TypeVar("B")


def find(there: Iterable[RemoteRuntime], task_id: str, session: str | None) -> Found:
    """Return the task of that id in whichever runtime has it; a live one goes before finished ones.

    :raises Refused: if there is none, or more than one.
    """
    matches = list(locate(there, task_id, session, on_silent=console.warn))
    matches = [match for match in matches if not match.record.is_terminal] or matches
    if not matches:
        raise Refused(404, "unknown-task", f"no runtime has a task {task_id!r}")
    if len(matches) > 1:
        places = ", ".join(match.runtime.url for match in matches)
        raise Refused(409, "ambiguous-task-id", f"several runtimes have a task {task_id!r}: {places}")
    return matches[0]


def locate(
    there: Iterable[RemoteRuntime],
    task_id: str,
    session: str | None,
    *,
    on_silent: Callable[[NotReached], None] = lambda _: None,
) -> Iterator[Found]:
    """Yield each runtime that has a task of that id; `on_silent` is told of those that do not answer.

    :raises Refused: if several sessions of one have such a task.
    """
    for runtime in there:
        try:
            yield Found(runtime, runtime.task(task_id, session).record)
        except Refused as error:
            if error.status != 404:
                raise
        except NotReached as error:
            on_silent(error)


def cancel_tasks(
    task_ids: list[str], *, reason: str | None, session: str | None, cascade: bool, as_json: bool
) -> None:
    """Ask tasks to stop and print what became of each."""
    there = runtimes()

    def cancel(task_id: str) -> Found:
        found = find(there, task_id, session)
        record = found.runtime.cancel(found.record, reason=reason, cascade=cascade, actor=user())
        return Found(found.runtime, record)

    asked = list(_each(task_ids, cancel))
    print_found(asked, as_json=as_json)
    if len(asked) < len(set(task_ids)):
        raise typer.Exit(console.FAILED)


def transfer_tasks(task_ids: list[str], *, to: str, session: str | None, as_json: bool) -> None:
    """Hand tasks to another session and print those that moved."""
    there = runtimes()
    found = list(_each(task_ids, lambda task_id: find(there, task_id, session)))
    places = dict.fromkeys((one.runtime, one.record.session_id) for one in found)

    def move(place: tuple[RemoteRuntime, str]) -> list[Found]:
        runtime, source = place
        ids = [one.record.id for one in found if one.runtime is runtime and one.record.session_id == source]
        return [Found(runtime, record) for record in runtime.transfer(source, to, ids)]

    moved = [one for group in _each(places, move) for one in group]
    ids = {one.record.id for one in moved}
    for one in found:
        if one.record.is_terminal:
            console.warn(f"task {one.record.id!r} has ended: it is {one.record.state}")
    print_found(moved, as_json=as_json)
    if ids != set(task_ids):
        raise typer.Exit(console.FAILED)


def _each(things: Iterable[A], do: Callable[[A], B]) -> Iterator[B]:
    for thing in dict.fromkeys(things):
        try:
            yield do(thing)
        except InspectorError as error:
            console.warn(error)


def print_found(found: list[Found], *, as_json: bool) -> None:
    """Print tasks with their states."""
    if as_json:
        console.print_json([{**record_to_json(one.record), "runtime": one.runtime.url} for one in found])
        return
    rows = [(one.record.id, one.record.session_id, one.record.state) for one in found]
    console.print_table(("task", "session", "state"), rows, "nothing changed")


def user() -> str:
    """Return who asks."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "command line"
