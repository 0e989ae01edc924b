"""The events of a host as server-sent events, to any number of readers.

A reader is a cursor in the host's log and holds nothing else: it is sent what is there, then waits. One that
stops reading stays where it is, and finds one `missed` when it comes back, followed by a snapshot: all tasks,
some at a time, each part read from the host when the reader takes it. Each event becomes text once, however
many read it. All readers together get a share of the loop, so that a thousand of them slow the host's tasks
down no more than that; what happens between two writes goes out in one.

Frames: `event` is the type of the event, `data` its JSON, `id` the cursor after it. `snapshot` frames carry
`{"items": [records], "complete": bool}`. The frames of a snapshot before its last have no `id`, nor has the
`missed` before it: a connection that is cut meanwhile starts over. Events may be older than the snapshot
they follow; a record with a smaller `seq` than one seen already is out of date."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from hostel.sessions import EventType, TaskEvent
from hostel.sessions.json import event_to_json, record_to_json

from .cursors import START
from .pacing import Turns
from .problems import Problem

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence

    from starlette.types import Receive, Scope, Send

    from hostel.sessions import BackgroundTaskHost, JsonValue, Subscription, TaskFilter

    from .cursors import Cursors

MAX_STREAMS = 1_100
HEARTBEAT_SECONDS = 15.0
BATCH = 100
CHUNK_BYTES = 64 * 1024
PAGE = 100
KEPT_BYTES = 4 * 1024 * 1024

HEARTBEAT = b":\n"

Write = Callable[[bytes], Awaitable[None]]


class EventStreams:
    """All event streams of one server."""

    def __init__(
        self,
        host: BackgroundTaskHost,
        cursors: Cursors,
        *,
        heartbeat: float = HEARTBEAT_SECONDS,
        max_streams: int = MAX_STREAMS,
    ) -> None:
        self._host = host
        self._frames = Frames(cursors)
        self._cursors = cursors
        self._heartbeat = heartbeat
        self._max_streams = max_streams
        self._turns = Turns()
        self._streams: set[anyio.CancelScope] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._streams)

    def open(self, filter: TaskFilter, *, after: str | None, snapshot: bool) -> EventStream:
        """Return the response that streams the events that match: from now, or after the cursor `after`.

        `after="start"` replays all that is kept; `snapshot` begins with all tasks that match.

        :raises Problem: if there are too many streams.
        """
        return self.stream(partial(self.write_events, filter, after, snapshot=snapshot))

    def stream(self, write_all: Callable[[Write], Coroutine[Any, Any, None]]) -> EventStream:
        """Return the response that lasts as long as `write_all`, which takes its `turn` before it writes.

        :raises Problem: if there are too many streams.
        """
        self._check_room()
        return EventStream(partial(self._run, write_all))

    @contextmanager
    def place(self) -> Iterator[anyio.CancelScope]:
        """Take the place of a stream for something else that lasts; it is cancelled when the server stops.

        :raises Problem: if there are too many streams.
        """
        self._check_room()
        with anyio.CancelScope() as scope:
            self._streams.add(scope)
            try:
                yield scope
            finally:
                self._streams.discard(scope)

    async def turn(self) -> None:
        """Wait until a stream may work."""
        await self._turns.turn()

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        for scope in self._streams:
            scope.cancel()

    def _check_room(self) -> None:
        if len(self._streams) >= self._max_streams or self._closed:
            detail = f"{self._max_streams} event streams are open already"
            raise Problem(503, "too-many-streams", detail, headers={"retry-after": "5"})

    async def _run(self, write_all: Callable[[Write], Coroutine[Any, Any, None]], write: Write) -> None:
        with anyio.CancelScope() as scope:
            self._streams.add(scope)
            try:
                await self._turns.timed(write_all(write))
            finally:
                self._streams.discard(scope)

    async def write_events(
        self, filter: TaskFilter, after: str | None, write: Write, *, snapshot: bool = False
    ) -> None:
        """Write the events that match, until the host closes."""
        place = self._place(after)
        is_lost = after is not None and place is None
        subscription = self._host.subscribe(filter, after=place)
        start = self._frames.cursor(subscription.cursor)
        # a cursor of another run of the server: numbers have begun anew, so nothing can be continued
        if is_lost or (snapshot and after is None):
            await write(b"retry: 1000\n")
            if is_lost:
                await write(self._frames.of(_missed(subscription.cursor)))
            await self._snapshot(filter, start, write)
        else:
            await write(b"retry: 1000\n%b\n" % start)
        await self._follow(subscription, filter, write)

    async def _follow(self, subscription: Subscription, filter: TaskFilter, write: Write) -> None:
        while True:
            events: list[TaskEvent] = []
            await self._turns.turn()  # before reading: what comes until then goes out in one
            with anyio.move_on_after(self._heartbeat) as wait:
                events = await subscription.read(BATCH)
            if wait.cancelled_caught:
                await write(HEARTBEAT)
                continue
            if not events:
                return
            for part in _ending_with_missed(events):
                for chunk in self._frames.join(part):
                    await self._turns.turn()
                    await write(chunk)
                if part[-1].type is EventType.MISSED:
                    await self._snapshot(filter, self._frames.cursor(part[-1].seq), write)

    async def _snapshot(self, filter: TaskFilter, cursor: bytes, write: Write) -> None:
        after: str | None = None
        complete = False
        while not complete:
            page = await self._host.page(filter, limit=PAGE, after=after)
            after, complete = page.next, page.next is None
            items: list[JsonValue] = [record_to_json(record) for record in page.records]
            data = to_json({"items": items, "complete": complete})
            await self._turns.turn()
            # only the last part has a cursor: a reader that was cut off before starts over
            await write(b"event: snapshot\ndata: %b\n%b\n" % (data, cursor if complete else b""))

    def _place(self, cursor: str | None) -> int | None:
        if cursor in START:
            return 0
        place = self._cursors.read(cursor) if cursor is not None else None
        return int(place) if place is not None and place.isascii() and place.isdecimal() else None


class Frames:
    """Events as text, the latest ones kept for the other readers."""

    def __init__(self, cursors: Cursors) -> None:
        self._cursors = cursors
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._size = 0

    def cursor(self, seq: int) -> bytes:
        """Return the line that says where a reader is."""
        return f"id: {self._cursors.write(seq)}\n".encode()

    def of(self, event: TaskEvent) -> bytes:
        """Return the frame of an event."""
        # what was missed differs from reader to reader: not worth keeping
        if event.record is None:
            return self._text(event, b"")
        frame = self._kept.get(event.seq)
        if frame is None:
            frame = self._kept[event.seq] = self._text(event, self.cursor(event.seq))
            self._size += len(frame)
            while self._size > KEPT_BYTES:
                self._size -= len(self._kept.popitem(last=False)[1])
        return frame

    def join(self, events: Sequence[TaskEvent]) -> Iterator[bytes]:
        """Return the frames of `events` in chunks of a moderate size."""
        frames: list[bytes] = []
        size = 0
        for event in events:
            frames.append(self.of(event))
            size += len(frames[-1])
            if size > CHUNK_BYTES:
                yield b"".join(frames)
                frames, size = [], 0
        if frames:
            yield b"".join(frames)

    def _text(self, event: TaskEvent, cursor: bytes) -> bytes:
        return b"%bevent: %b\ndata: %b\n\n" % (cursor, event.type.encode(), to_json(event_to_json(event)))


class EventStream:
    """A response that lasts until its reader goes or the server stops."""

    def __init__(self, run: Callable[[Write], Awaitable[None]]) -> None:
        self._run = run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def write(chunk: bytes) -> None:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})

        async def run() -> None:
            with suppress(OSError):
                await self._run(write)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            group.cancel_scope.cancel()

        headers = [(b"content-type", b"text/event-stream"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        async with anyio.create_task_group() as group:
            group.start_soon(run)
            # reading is how one learns that the peer has gone
            while (await receive())["type"] != "http.disconnect":
                pass
            group.cancel_scope.cancel()


def _ending_with_missed(events: list[TaskEvent]) -> Iterator[list[TaskEvent]]:
    start = 0
    for place, event in enumerate(events, 1):
        if event.type is EventType.MISSED or place == len(events):
            yield events[start:place]
            start = place


def _missed(seq: int) -> TaskEvent:
    return TaskEvent(seq, time.time(), EventType.MISSED, "", "", None, next_seq=seq + 1)


def to_json(value: JsonValue) -> bytes:
    """Return JSON on one line, in ASCII: a text that is not Unicode must not break the stream."""
    return json.dumps(value, separators=(",", ":")).encode()
