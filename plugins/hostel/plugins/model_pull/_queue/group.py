"""One download while it waits and runs, and what those who wait for it watch."""

from typing import TYPE_CHECKING

import anyio

from .._engine import Limiter, loosest
from .._events import DownloadEvent, DownloadStatus, Progress, StatusChanged
from .plan import PullPlan
from .snapshot import Standing

if TYPE_CHECKING:
    from .handle import Request
    from .pull import Pulled


class Group:
    """All files of one model at one quantization: one place in the queue, one end.

    :ivar name: what it is called, unique among those that are alive
    :ivar plan: None for one that was restored and has not begun
    :ivar limiter: bytes per second of all its files
    :ivar outcome: None while it lasts, and for one that was cancelled
    """

    def __init__(self, id: str, name: str, plan: PullPlan | None, *, force: bool, limiter: Limiter) -> None:
        self.id, self.name, self.plan = id, name, plan
        self.force, self.limiter = force, limiter
        self.requests: dict[str, Request] = {}
        self.status = DownloadStatus.QUEUED
        self.progress: Progress | None = None
        self.scope: anyio.CancelScope | None = None
        self.stopping = False
        self.outcome: Pulled | Exception | None = None
        self.begun, self.done = anyio.Event(), anyio.Event()
        self.news = anyio.Event()

    def enter(self, request: "Request") -> None:
        """Let a request wait for it; the loosest limit of all who wait holds."""
        self.requests[request.id] = request
        self._pace()

    def leave(self, request: "Request") -> None:
        """Let a request go; the limit of the last one stays."""
        if self.requests.pop(request.id, None) is not None and self.requests:
            self._pace()

    def _pace(self) -> None:
        rate = loosest(request.wish.limit for request in self.requests.values())
        if rate != self.limiter.rate:
            self.limiter.rate = rate

    @property
    def standing(self) -> Standing:
        return Standing(self.status, self.progress)

    @property
    def paused(self) -> bool:
        """Return whether it waits for room on the disk."""
        return self.status is DownloadStatus.PAUSED and not self.done.is_set()

    def note(self, event: DownloadEvent) -> None:
        """Take in what happened and wake who watches."""
        if isinstance(event, Progress):
            self.progress = event
        elif isinstance(event, StatusChanged):
            self.status = event.status
        self.wake()

    def wake(self) -> None:
        self.news.set()
        self.news = anyio.Event()
