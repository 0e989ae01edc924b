"""The streams of a running runtime, opened, and that of its events followed until its card is gone."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, cast

import anyio
import attrs
import httpx
import httpx_sse

from hostel.runtime import cards
from hostel.sessions import TaskEvent, TaskRecord
from hostel.sessions.json import event_from_json, record_from_json

from .._errors import Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from hostel.sessions import JsonValue

    Json = dict[str, JsonValue]

SILENCE_SECONDS = 45.0
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
REFUSALS = (401, 403, 421)


@attrs.frozen
class SnapshotPart:
    """Some of the tasks that are there; `complete` with the last of them."""

    records: list[TaskRecord]
    complete: bool


StreamItem = SnapshotPart | TaskEvent


class Follower:
    """Passes on a snapshot of a runtime's tasks and then its events, and goes on where it was cut off.

    `on_lost` is called whenever there is no connection, also if there was none yet."""

    def __init__(
        self,
        card: cards.Card,
        query: Mapping[str, str],
        *,
        on_item: Callable[[StreamItem], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._card = card
        self._params = {**query, "snapshot": "true"}
        self._on_item = on_item
        self._on_lost = on_lost
        self._cursor = ""
        self._pause = FIRST_PAUSE

    async def run(self) -> None:
        """Follow the runtime until it is gone.

        :raises Refused: if it does not let us.
        """
        async with client(self._card) as http:
            while True:
                with suppress(httpx.HTTPError, httpx_sse.SSEError):
                    await self._read(http)
                self._on_lost()
                if self._card not in cards.running():
                    return
                await anyio.sleep(self._pause)
                self._pause = min(self._pause * 2, LONGEST_PAUSE)

    async def _read(self, http: httpx.AsyncClient) -> None:
        headers = {"last-event-id": self._cursor} if self._cursor else {}
        async with opened(http, "/api/events", self._params, headers) as source:
            async for frame in source.aiter_sse():
                self._pause = FIRST_PAUSE
                # parts of a snapshot have no id: cut off there, one starts over
                self._cursor = frame.id or self._cursor
                if frame.data:
                    self._on_item(_item_of(frame))


def client(card: cards.Card) -> httpx.AsyncClient:
    """Return what asks the runtime of a card for streams."""
    timeout = httpx.Timeout(5.0, read=SILENCE_SECONDS)
    return httpx.AsyncClient(base_url=card.url, auth=cards.auth(card), timeout=timeout, trust_env=False)


@asynccontextmanager
async def opened(
    http: httpx.AsyncClient, path: str, params: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> AsyncIterator[httpx_sse.EventSource]:
    """Open a stream.

    :raises Refused: if the runtime does not let us.
    :raises HTTPError: if there is none.
    """
    async with httpx_sse.aconnect_sse(
        http, "GET", path, params={**params}, headers={**(headers or {})}
    ) as source:
        if source.response.status_code in REFUSALS:
            await source.response.aread()
            raise Refused(source.response.status_code, "stream", source.response.text[:200])
        source.response.raise_for_status()
        yield source


def _item_of(frame: httpx_sse.ServerSentEvent) -> StreamItem:
    data = cast("Json", json.loads(frame.data))
    if frame.event == "snapshot":
        items = cast("list[Json]", data["items"])
        return SnapshotPart([record_from_json(item) for item in items], bool(data["complete"]))
    return event_from_json(data)
