"""The record of what was asked and what was sent."""

import threading
import time
from collections.abc import Callable

import attrs

from ._request import Origin, Request


@attrs.frozen
class Exchange:
    """One request and its answer so far."""

    request: Request
    status: int | None
    """None until headers are sent; stays None when the connection was cut before them."""
    sent: int
    """Body bytes handed to the network."""
    sent_at: float | None
    """When the latest body bytes were handed over, on the clock of `time.monotonic`; None before any."""
    finished: bool
    """Whether the hub is done with this answer, complete or not."""


class RequestLog:
    """Keep every exchange of a hub; safe to read while it serves."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._exchanges: dict[int, Exchange] = {}
        self._under_way: set[int] = set()
        self._count = 0
        self._peak = 0

    def begin(self, request: Request) -> int:
        with self._changed:
            self._count += 1
            self._exchanges[self._count] = Exchange(request, None, 0, None, False)
            self._under_way.add(self._count)
            self._peak = max(self._peak, len(self._under_way))
            self._changed.notify_all()
            return self._count

    def update(
        self, number: int, *, status: int | None = None, sent: int = 0, finished: bool = False
    ) -> None:
        with self._changed:
            if finished:
                self._under_way.discard(number)
            if old := self._exchanges.get(number):
                status, sent_at = status or old.status, time.monotonic() if sent else old.sent_at
                self._exchanges[number] = Exchange(old.request, status, old.sent + sent, sent_at, finished)
            self._changed.notify_all()

    def clear(self) -> None:
        with self._changed:
            self._exchanges.clear()
            self._peak = len(self._under_way)

    @property
    def peak(self) -> int:
        return self._peak

    def exchanges(
        self,
        *,
        path: str | None = None,
        origin: Origin | None = None,
        method: str | None = None,
        has_range: bool | None = None,
    ) -> list[Exchange]:
        with self._changed:
            seen = list(self._exchanges.values())
        return [
            one
            for one in seen
            if one.request.matches(path=path, origin=origin, method=method, has_range=has_range)
        ]

    def wait_for(self, reached: Callable[[], bool], timeout: float) -> bool:
        """Wait until `reached` holds; False when `timeout` seconds pass first."""
        with self._changed:
            return self._changed.wait_for(reached, timeout)
