"""One download while it waits and runs, and what those who wait for it watch."""

from typing import TYPE_CHECKING

import anyio

from hostel.plugins.model_pull._events import DownloadEvent, DownloadStatus, Progress, StatusChanged
from hostel.plugins.model_pull._plan import PullPlan
from hostel.plugins.model_pull._snapshot import Standing

if TYPE_CHECKING:
    from hostel.plugins.model_pull._handle import Request
    from hostel.plugins.model_pull._pull import Pulled


class Group:
    """All files of one model at one quantization: one place in the queue, one end.

    :ivar name: what it is called, unique among those that are alive
    :ivar plan: None for one that was restored and has not begun
    :ivar outcome: None while it lasts, and for one that was cancelled
    """

    def __init__(
        self, id: str, name: str, plan: PullPlan | None, *, force: bool, limit: float | None
    ) -> None:
        self.id, self.name, self.plan = id, name, plan
        self.force, self.limit = force, limit
        self.requests: dict[str, Request] = {}
        self.status = DownloadStatus.QUEUED
        self.progress: Progress | None = None
        self.scope: anyio.CancelScope | None = None
        self.stopping = False
        self.outcome: Pulled | Exception | None = None
        self.begun, self.done = anyio.Event(), anyio.Event()
        self.news = anyio.Event()

    @property
    def standing(self) -> Standing:
        return Standing(self.status, self.progress)

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
