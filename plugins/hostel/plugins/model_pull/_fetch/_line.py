"""A line: one worker's way to ask for bytes, which any thread can cut.

`get` and `Reply.readinto` block in the worker; `cut` is called from elsewhere, ends what they wait for at
once and leaves the line dead. `close` is the worker's own and the line may be used again. Errors of
sockets, TLS and HTTP libraries become `LineBroken` here and nowhere else. Two implementations: plain
sockets under http.client, and httpx where the environment names a proxy.
"""

from collections.abc import Callable
from typing import Protocol

from hostel.plugins.model_pull._fetch._reply import Headers
from hostel.plugins.model_pull._fetch._url import proxy_for

USER_AGENT = "hostel"


class LineBroken(Exception):
    """The connection failed, stalled or ended early.

    :param reset: the peer, or something between, cut it: a hint that there are too many
    :param stale: a kept-alive connection was gone before it was used: no failure at all
    :param nonsense: the peer speaks something else; asking again is not likely to help
    """

    def __init__(
        self, reason: str, *, reset: bool = False, stale: bool = False, nonsense: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason, self.reset, self.stale, self.nonsense = reason, reset, stale, nonsense


class Reply(Protocol):
    """The head of an answer, and its content."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Headers: ...

    def readinto(self, view: memoryview) -> int:
        """Fill `view` with what one receive gives; 0 at the end of the content."""
        ...


class Line(Protocol):
    def get(self, url: str, headers: Headers) -> Reply:
        """Send a GET, without following redirects; the content of the reply before is given up."""
        ...

    def close(self) -> None: ...

    def cut(self) -> None:
        """End all traffic at once and for good; safe from any thread."""
        ...


class EnvironmentLine:
    """Take the plain way, or the proxy's where the environment names one for a url."""

    def __init__(self, direct: Line, proxied: Callable[[str], Line]) -> None:
        self._direct = direct
        self._proxied = proxied
        self._by_proxy: dict[str, Line] = {}
        self._cut = False

    def get(self, url: str, headers: Headers) -> Reply:
        proxy = proxy_for(url)
        if proxy is None:
            return self._direct.get(url, headers)
        if proxy not in self._by_proxy:
            self._by_proxy[proxy] = self._proxied(proxy)
            if self._cut:
                self._by_proxy[proxy].cut()
        return self._by_proxy[proxy].get(url, headers)

    def close(self) -> None:
        for line in self._lines():
            line.close()

    def cut(self) -> None:
        self._cut = True
        for line in self._lines():
            line.cut()

    def _lines(self) -> list[Line]:
        return [self._direct, *list(self._by_proxy.values())]
