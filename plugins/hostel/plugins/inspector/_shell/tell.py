"""`hostel send`, `hostel wait`, `hostel inbox`: messages for tasks, and word of them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, cast

import typer

from hostel.runtime import console
from hostel.runtime.text import duration_text
from hostel.sessions import TaskState

from .._cli.client import Found, runtimes
from .._cli.control import find, print_found
from .._errors import InspectorError

if TYPE_CHECKING:
    from hostel.sessions import JsonValue

    Json = dict[str, JsonValue]

OUT_OF_TIME = 124
"""As `timeout` has it."""
AT_ONCE = 30.0
IN_TURN = 0.5
"""Seconds to wait for one session's tasks where there are others."""


def send_message(task_id: str, text: str, *, session: str | None, is_json: bool) -> None:
    """Put a message into the mailbox of a task."""
    try:
        message: JsonValue = json.loads(text) if is_json else text
    except ValueError:
        raise typer.BadParameter("it is not JSON", param_hint="MESSAGE") from None
    with console.one_sentence():
        found = find(runtimes(), task_id, session)
        found.runtime.send(found.record, message)


def wait_for(
    task_ids: list[str], *, session: str | None, any: bool, seconds: float | None, as_json: bool
) -> None:
    """Wait until tasks have ended; exit code 0 if they completed, 1 if not, 124 if time has run out."""
    end = None if seconds is None else time.monotonic() + seconds
    with console.one_sentence():
        there = runtimes()
        live = [find(there, task_id, session) for task_id in dict.fromkeys(task_ids)]
        ended: list[Found] = []
        while live and not (any and ended):
            left = AT_ONCE if end is None else min(AT_ONCE, end - time.monotonic())
            new = _ended(live, any=any, seconds=max(0.0, left))
            ended += new
            live = [one for one in live if _key(one) not in map(_key, new)]
            if left <= 0:
                break
    print_found(ended, as_json=as_json)
    if live and not (any and ended):
        names = ", ".join(repr(one.record.id) for one in live)
        console.fail(f"not ended in time: {names}", OUT_OF_TIME)
    if not all(one.record.state is TaskState.COMPLETED for one in ended):
        raise typer.Exit(console.FAILED)


def _ended(live: list[Found], *, any: bool, seconds: float) -> list[Found]:
    """Return those that have ended, asking once for each session of each runtime."""
    groups: dict[tuple[str, str], list[Found]] = {}
    for one in live:
        groups.setdefault((one.runtime.url, one.record.session_id), []).append(one)
    if len(groups) > 1:
        seconds = min(seconds, IN_TURN)
    found: list[Found] = []
    for (_, session_id), group in groups.items():
        runtime, ids = group[0].runtime, [one.record.id for one in group]
        records = runtime.wait(session_id, ids, any=any, seconds=seconds)
        found += [Found(runtime, record) for record in records]
    return found


def _key(found: Found) -> tuple[str, str]:
    return found.runtime.url, found.record.id


def print_inbox(session_id: str, *, consumer: str, ack: bool, as_json: bool) -> None:
    """Print what a consumer has not acknowledged of a session, in every runtime; acknowledge it if wanted."""
    told: list[Json] = []
    for runtime in runtimes():
        try:
            notices = runtime.inbox(session_id, consumer)
        except InspectorError as error:
            console.warn(error)
            continue
        told += [{**notice, "runtime": runtime.url} for notice in notices]
    _print(told, as_json=as_json)
    if ack:
        _acknowledge(session_id, consumer, told)


def _print(told: list[Json], *, as_json: bool) -> None:
    if as_json:
        console.print_json(cast("list[JsonValue]", told))
        return
    now = time.time()
    rows = [
        (
            f"{duration_text(now - cast('float', one['at']))} ago",
            str(one["kind"]),
            str(one["task_id"]),
            str(one["state"] or ""),
            str(one["summary"] or ("" if one["count"] is None else f"{one['count']} notices were forgotten")),
        )
        for one in told
    ]
    console.print_table(("when", "what", "task", "state", "summary"), rows, "nothing new")


def _acknowledge(session_id: str, consumer: str, told: list[Json]) -> None:
    with console.one_sentence():
        for runtime in runtimes():
            if ids := [one["id"] for one in told if one["runtime"] == runtime.url]:
                runtime.acknowledge(session_id, consumer, ids)
