"""How the transfers of a process share the connections to a host.

Every transfer joins the host of its origin. The host's gear says how many connections are wanted in all; they
are dealt out evenly, the odd ones to who came first. With more transfers than connections the last ones have none and
wait. A worker that finds itself above its transfer's share ends at the next chunk.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hostel.plugins.model_pull._fetch._gear import Gear


class ConnectionBudget:
    """Connections per host, shared by every transfer that is given this object.

    :param start: connections to a host before anything is known about it
    :param ceiling: never more than this
    """

    def __init__(
        self, start: int = 4, ceiling: int = 8, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if not 1 <= start <= ceiling:
            raise ValueError(f"1 <= start <= ceiling is needed, not start={start}, ceiling={ceiling}")
        self.start, self.ceiling = start, ceiling
        self.clock = clock
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}

    @contextmanager
    def join(self, host: str) -> Iterator["Share"]:
        """Take part in the connections to `host` until the block ends."""
        with self._lock:
            shared = self._hosts.setdefault(host, _Host(Gear(self.start, self.ceiling)))
            share = Share(self, shared)
            shared.shares.append(share)
        try:
            yield share
        finally:
            with self._lock:
                shared.shares.remove(share)

    def wanted(self, host: str) -> int:
        """Return how many connections to `host` are wanted in all."""
        with self._lock:
            shared = self._hosts.get(host)
            return shared.gear.count if shared else self.start


class _Host:
    def __init__(self, gear: Gear) -> None:
        self.gear = gear
        self.shares: list[Share] = []
        self.arrived = 0


class Share:
    """One transfer's part of the connections to its host; safe to use from any thread."""

    def __init__(self, budget: ConnectionBudget, host: _Host) -> None:
        self._budget, self._host = budget, host
        self._lock = budget._lock

    def allowance(self) -> int:
        """Return how many connections this transfer may have open, possibly none."""
        with self._lock:
            each, odd = divmod(self._host.gear.count, len(self._host.shares))
            return each + (self._host.shares.index(self) < odd)

    def arrived(self, count: int) -> None:
        with self._lock:
            self._host.arrived += count

    def troubled(self) -> None:
        """Tell of a reset or a request to slow down."""
        now = self._budget.clock()
        with self._lock:
            self._host.gear = self._host.gear.troubled(now)

    def observe(self, *, fair: bool) -> None:
        """Let the host's gear look at what has arrived; call it about once a second."""
        now = self._budget.clock()
        with self._lock:
            self._host.gear = self._host.gear.observed(now, self._host.arrived, fair=fair)
