"""The output of one task, followed to its end through restarts of its runtime.

A stream that ends without saying how the task did was cut: by a server that stops, or by the network. Then
every runtime is asked for the task until one has it, and the stream goes on at the offset after the last part
that was read, so nothing is lost or repeated."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import httpx
import httpx_sse

from hostel.runtime import console

from .._cli.client import Found, output_path, part_of, runtimes
from .._cli.control import locate
from .._cli.stream import client, opened
from .._errors import InspectorError, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostel.sessions import TaskRecord

    from .._cli.client import Part

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 1.0
PATIENCE = 300.0
"""Seconds that a runtime may take to come back."""


class OutputFollower:
    """Passes on what a task writes from byte `after` on."""

    def __init__(self, found: Found, after: int, on_part: Callable[[Part], None]) -> None:
        self.found = found
        self._after = after
        self._on_part = on_part

    async def run(self) -> TaskRecord:
        """Follow the task to its end and return its last record.

        :raises Refused: if its runtime does not let us, or has gone and does not come back.
        """
        while True:
            has_ended = False
            with suppress(httpx.HTTPError, httpx_sse.SSEError):
                has_ended = await self._read()
            with suppress(InspectorError):
                if has_ended:
                    return await self._record()
            self.found = await self._find_again()

    async def _read(self) -> bool:
        """Read one stream; tell whether it said that the task has ended."""
        record = self.found.record
        params = {"session_id": record.session_id, "after": str(self._after)}
        async with (
            client(self.found.runtime.card) as http,
            opened(http, output_path(record), params) as source,
        ):
            async for frame in source.aiter_sse():
                if frame.event == "ended":
                    return True
                if frame.data:
                    self._take(part_of(json.loads(frame.data)))
        return False

    def _take(self, part: Part) -> None:
        self._on_part(part)
        self._after = part.next

    async def _record(self) -> TaskRecord:
        record, runtime = self.found.record, self.found.runtime
        return (await anyio.to_thread.run_sync(runtime.task, record.id, record.session_id)).record

    async def _find_again(self) -> Found:
        pause, has_said = FIRST_PAUSE, False
        until = anyio.current_time() + PATIENCE
        while True:
            await anyio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            found = await anyio.to_thread.run_sync(partial(_looked_for, self.found.record))
            if found is not None:
                return found
            if not has_said:
                has_said = True
                console.warn(f"the runtime at {self.found.runtime.url} has gone; waiting for it to come back")
            if anyio.current_time() > until:
                raise Refused(404, "unknown-task", f"no runtime has a task {self.found.record.id!r} any more")


def _looked_for(record: TaskRecord) -> Found | None:
    """Return where a task is now; it may have been handed over meanwhile."""
    there = runtimes()
    for session_id in (record.session_id, None):
        found = list(locate(there, record.id, session_id))
        if len(found) == 1:
            return found[0]
    return None
