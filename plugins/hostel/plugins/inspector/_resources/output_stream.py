"""The output of a task as server-sent events, to one reader.

`output` frames carry a part of it, and `id` is the offset after it: a reader that was cut off goes on there,
without loss or repetition, also after a restart of the server. The last frame is `ended`, which says how the
task did; a stream without it was cut. One part at a time is read and written, so a slow reader costs the
memory of one, and is told in the next what was dropped meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from hostel.sessions import HostClosed

from .._server.event_stream import HEARTBEAT, HEARTBEAT_SECONDS, to_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from hostel.sessions import BackgroundTaskHost, JsonValue, Output, TaskRecord

    from .._server.event_stream import Write


def output_to_json(output: Output) -> dict[str, JsonValue]:
    """Return the JSON form of a part of an output."""
    return {
        "text": output.text,
        "start": output.start,
        "next": output.next,
        "dropped": output.dropped,
        "ended": output.ended,
        "stream": output.stream,
    }


async def write_output(
    host: BackgroundTaskHost,
    record: TaskRecord,
    after: int,
    turn: Callable[[], Awaitable[None]],
    write: Write,
) -> None:
    """Write what the task of `record` writes from byte `after` on, until it has ended or the host closes."""
    await write(b"retry: 1000\n\n" if after < 0 else b"retry: 1000\nid: %d\n\n" % after)
    parts = host.follow_output(record.id, after, session_id=record.session_id)
    place = max(after, 0)
    while (part := await _next(parts, write)) is not None:
        place = part.next
        await turn()
        # a host that stops ends every output, and the task may go on with the next: `ended` is for the task
        await write(_frame("output", place, {**output_to_json(part), "ended": False}))
    try:
        last = await host.get(record.id)
    except (HostClosed, LookupError):
        last = await _still_there(host, record)
    if last is not None and last.is_terminal:
        await write(_frame("ended", place, {"next": place, "state": last.state.value}))


async def _still_there(host: BackgroundTaskHost, record: TaskRecord) -> TaskRecord | None:
    try:
        return await host.get(record.id, session_id=record.session_id)
    except HostClosed:
        return None


async def _next(parts: AsyncIterator[Output], write: Write) -> Output | None:
    """Return the next part, None at the end; fill silence."""
    while True:
        with anyio.move_on_after(HEARTBEAT_SECONDS):
            return await anext(parts, None)
        await write(HEARTBEAT)


def _frame(event: str, place: int, data: JsonValue) -> bytes:
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (place, event.encode(), to_json(data))
