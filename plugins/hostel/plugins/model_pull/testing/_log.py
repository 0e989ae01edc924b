"""The record of what was asked and what was sent.

Bytes count just before they are handed to the network, and an answer is over just before its last bytes
are: a client that has them all finds them counted and the answer finished.
"""

import threading
import time
from collections.abc import Callable

import attrs

from ._request import Origin, Request


@attrs.frozen
class Exchange:
    """One request and its answer so far."""

    request: Request
    connection: int
    """Which connection it came on, counted from 1 over both origins."""
    status: int | None = None
    """None until headers are sent; stays None when the connection ended before them."""
    sent: int = 0
    """Body bytes handed to the network."""
    sent_at: float | None = None
    """When the latest of them were, on the clock of `time.monotonic`; None before any."""
    finished: bool = False
    """Whether no more will be sent, be the answer complete or not."""


class RequestLog:
    """Keep every exchange of a hub; safe to read while it serves."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._exchanges: dict[int, Exchange] = {}
        self._under_way: set[int] = set()
        self._count = 0
        self._peak = 0

    def begin(self, request: Request, connection: int) -> "Entry":
        with self._changed:
            self._count += 1
            self._exchanges[self._count] = Exchange(request, connection)
            self._under_way.add(self._count)
            self._peak = max(self._peak, len(self._under_way))
            self._changed.notify_all()
            return Entry(self, self._count)

    def change(self, number: int, change: Callable[[Exchange], Exchange]) -> None:
        with self._changed:
            if exchange := self._exchanges.get(number):
                self._exchanges[number] = change(exchange)
            self._changed.notify_all()

    def finish(self, number: int) -> None:
        with self._changed:
            self._under_way.discard(number)
            self.change(number, lambda exchange: attrs.evolve(exchange, finished=True))

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


@attrs.frozen
class Entry:
    """The place in the log where one answer is written down."""

    log: RequestLog
    number: int

    def answer(self, status: int) -> None:
        self.log.change(self.number, lambda exchange: attrs.evolve(exchange, status=status))

    def send(self, size: int) -> None:
        now = time.monotonic()
        self.log.change(
            self.number, lambda exchange: attrs.evolve(exchange, sent=exchange.sent + size, sent_at=now)
        )

    def finish(self) -> None:
        self.log.finish(self.number)
