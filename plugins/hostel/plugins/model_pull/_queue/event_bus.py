"""Events for any number of readers, none of whom can hold up or fail a download.

Each reader has a backlog of its own. Progress of a download replaces older progress of it that was not
read yet. A backlog that grows too long loses its oldest events and says how many.
"""

from collections import OrderedDict
from itertools import count
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio

from .._events import DownloadEvent, Missed, Progress

if TYPE_CHECKING:
    from collections.abc import Hashable

LONGEST = 1024


class EventBus:
    """Tells every reader."""

    def __init__(self) -> None:
        self._readers: set[Subscription] = set()
        self._closed = False

    def publish(self, event: DownloadEvent) -> None:
        """Tell an event; returns at once."""
        for reader in self._readers:
            reader._put(event)  # noqa: SLF001 - one idea in two classes

    def subscribe(self) -> "Subscription":
        """Return a reader of the events from now on."""
        reader = Subscription(self)
        if self._closed:
            reader.close()
        else:
            self._readers.add(reader)
        return reader

    def drop(self, reader: "Subscription") -> None:
        """Forget a reader."""
        self._readers.discard(reader)

    def close(self) -> None:
        """End all readers once they have read what there is."""
        self._closed = True
        for reader in list(self._readers):
            reader.close()


class Subscription:
    """An async iterator of events, and an async context manager that ends it."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._backlog: OrderedDict[Hashable, DownloadEvent] = OrderedDict()
        self._numbers = count()
        self._missed = 0
        self._closed = False
        self._news = anyio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> DownloadEvent:
        while not self._backlog and not self._missed:
            if self._closed:
                raise StopAsyncIteration
            await self._news.wait()
        if self._missed:
            lost, self._missed = self._missed, 0
            return Missed(count=lost)
        return self._backlog.popitem(last=False)[1]

    def close(self) -> None:
        """Take no more events; those in the backlog can still be read."""
        self._closed = True
        self._bus.drop(self)
        self._news.set()

    def _put(self, event: DownloadEvent) -> None:
        if isinstance(event, Progress):
            # to the end of the backlog, so that it is never read before what came earlier
            self._backlog.pop(("progress", event.id), None)
            self._backlog["progress", event.id] = event
        else:
            self._backlog[next(self._numbers)] = event
        while len(self._backlog) > LONGEST:
            self._backlog.popitem(last=False)
            self._missed += 1
        self._news.set()
        self._news = anyio.Event() if not self._closed else self._news
