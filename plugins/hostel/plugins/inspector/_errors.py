"""What can go wrong when a runtime is to be served or asked.

InspectorError
├── PortInUse       another program listens where the inspector should
├── WeakToken       a token that could be guessed
├── TwoWaysIn       a token beside users of the application
├── InvalidHost     an allowed host that is neither a name nor an address
├── NotReached      no runtime runs, or the one asked does not answer
└── Refused         a runtime answered with a problem
"""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from hostel.runtime import RuntimeFault, cards


class InspectorError(RuntimeFault):
    """Base of what the inspector raises on purpose."""


class PortInUse(InspectorError):
    """Another program listens at `host` and `port`; `holder` is its card if it is a runtime of this user."""

    def __init__(self, host: str, port: int, holder: cards.Card | None) -> None:
        what = "another program: choose another port"
        if holder is not None:
            started = time.strftime("%Y-%m-%d %H:%M", time.localtime(holder.started_at))
            what = f"the hostel runtime with pid {holder.pid}, started {started}: `hostel ps` shows its tasks"
        super().__init__(f"port {port} of {host} is in use by {what}")
        self.host = host
        self.port = port
        self.holder = holder

    @classmethod
    def at(cls, host: str, port: int) -> PortInUse:
        """Return the error with whoever of ours holds the port."""
        holders = (card for card in cards.running() if urlsplit(card.url).port == port)
        return cls(host, port, next(holders, None))


class WeakToken(InspectorError, ValueError):
    """A token must be long enough that nobody guesses it."""

    def __init__(self, shortest: int) -> None:
        super().__init__(f"the token needs at least {shortest} printable ASCII characters and no spaces")
        self.shortest = shortest


class TwoWaysIn(InspectorError, ValueError):
    """Either a token opens a server, or the application knows its users."""

    def __init__(self) -> None:
        super().__init__(
            "give a token or auth: where the application knows its users, no token opens anything"
        )


class InvalidHost(InspectorError, ValueError):
    """`host` can be no part of a Host header: give a name or an address, without scheme and port."""

    def __init__(self, host: str) -> None:
        super().__init__(f"{host!r} is neither a host name nor an address; give it without scheme and port")
        self.host = host


class NotReached(InspectorError):
    """Nobody answers at `url`."""

    def __init__(self, url: str, why: object) -> None:
        super().__init__(f"the runtime at {url} does not answer: {why}")
        self.url = url


class Refused(InspectorError):
    """A runtime answered with a problem; `kind` is the last part of its type."""

    def __init__(self, status: int, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
