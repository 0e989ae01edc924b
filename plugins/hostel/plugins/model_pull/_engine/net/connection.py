"""A connection: one worker's way to ask for bytes, which any thread can cut.

`get` and `Reply.readinto` block in the worker; `cut` is called from elsewhere, ends what they wait for at
once and leaves the connection dead. `close` is the worker's own, and the connection may be used again after
it. Errors of sockets, TLS and HTTP libraries become `ConnectionBroken` here and nowhere else. There are two
implementations: plain sockets under http.client, and httpx where the environment names a proxy.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from ..._web import proxy_for
from .response import Headers

USER_AGENT = "hostel"


class ConnectionBroken(Exception):
    """The connection failed, stalled or ended early.

    :param reset: the peer, or something between, cut it: a hint that there are too many
    :param stale: a kept-alive connection was gone before it was used: no failure at all
    :param nonsense: the peer speaks something else; asking again is not likely to help
    :param slow: another connection is worth a try at once
    """

    def __init__(
        self,
        reason: str,
        *,
        reset: bool = False,
        stale: bool = False,
        nonsense: bool = False,
        slow: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason, self.slow = reason, slow
        self.reset, self.stale, self.nonsense = reset, stale, nonsense


class Deadline:
    """When what a worker waits for must be there in full: a peer that trickles is never silent.

    :param stall: seconds that a peer may be silent; twice as long is allowed for a whole head
    """

    def __init__(self, stall: float) -> None:
        self._seconds, self._due, self._missed = 2 * stall, math.inf, False

    @contextmanager
    def awaiting(self) -> Iterator[None]:
        """Wait for one thing inside; raises ConnectionBroken if `passed` has found that it takes too long."""
        self._missed, self._due = False, time.monotonic() + self._seconds
        try:
            yield
        except Exception as error:
            if self._missed:
                raise ConnectionBroken("it trickles", slow=True) from error
            raise
        finally:
            self._due = math.inf
        if self._missed:  # http.client takes a head that was cut off for a whole one
            raise ConnectionBroken("it trickles", slow=True)

    def passed(self, now: float) -> bool:
        """Return whether it takes too long, once; safe from any thread."""
        passed = now > self._due
        if passed:
            self._missed, self._due = True, math.inf
        return passed


class Reply(Protocol):
    """The head of an answer, and its content."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Headers: ...

    def readinto(self, view: memoryview) -> int:
        """Fill `view` with what one receive gives; 0 at the end of the content."""
        ...


class Connection(Protocol):
    def get(self, url: str, headers: Headers) -> Reply:
        """Send a GET, without following redirects; the content of the reply before is given up."""
        ...

    def close(self) -> None: ...

    def cut(self) -> None:
        """End all traffic at once and for good; safe from any thread."""
        ...

    def expire(self, now: float) -> None:
        """End what has been awaited for too long at `now`, a monotonic time; safe from any thread."""
        ...


class EnvironmentConnection:
    """Take the plain way, or the proxy's where the environment names one for a url."""

    def __init__(self, direct: Connection, proxied: Callable[[str], Connection]) -> None:
        self._direct = direct
        self._proxied = proxied
        self._by_proxy: dict[str, Connection] = {}
        self._cut = False

    def get(self, url: str, headers: Headers) -> Reply:
        proxy = proxy_for(url)
        if proxy is None:
            return self._direct.get(url, headers)
        if proxy not in self._by_proxy:
            self._by_proxy[proxy] = self._proxied(proxy)
            # cut before it was made
            if self._cut:
                self._by_proxy[proxy].cut()
        return self._by_proxy[proxy].get(url, headers)

    def close(self) -> None:
        for connection in self._connections():
            connection.close()

    def cut(self) -> None:
        self._cut = True
        for connection in self._connections():
            connection.cut()

    def expire(self, now: float) -> None:
        for connection in self._connections():
            connection.expire(now)

    def _connections(self) -> list[Connection]:
        return [self._direct, *list(self._by_proxy.values())]
