"""One download while it waits and runs, and the requests that wait for it.

A request knows its group and a group its requests: they are two sides of one thing, and stand in one file.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio

from .._engine import Limiter, loosest
from .._errors import PullError
from .._events import DownloadEvent, DownloadStatus, Progress, StatusChanged
from .download_request import DownloadRequest
from .plan import PullPlan
from .pull import Pulled
from .shared import Shared
from .snapshot import Standing

if TYPE_CHECKING:
    from hostel.sessions import TaskContext, TaskHandle

OnProgress = Callable[[Progress], Awaitable[None] | None]


class Request:
    """One caller while he is served: his task, the group he waits for, and whom to tell."""

    def __init__(self, id: str, wanted: DownloadRequest, on_progress: OnProgress | None = None) -> None:
        self.id, self.wanted, self.on_progress = id, wanted, on_progress
        self.begun = anyio.Event()
        self.left_behind = False
        self.task: TaskHandle[str] | None = None
        self.context: TaskContext | None = None
        self.refusal: Exception | None = None
        self.group: Group | None = None
        self.shared = False
        self.discard = False
        self.cancelling = False
        self.progress: Progress | None = None
        self.callback_error: Exception | None = None

    @property
    def session_id(self) -> str:
        """Return the session its task belongs to now."""
        holder = self.task or self.context
        return holder.session_id if holder else self.wanted.session_id

    def concerns(self, model_id: str) -> bool:
        """Return whether the request is for that model, at whatever quantization and revision."""
        try:
            return self.wanted.reference.model_id == model_id
        except PullError:
            return False


class Group(Shared[Pulled]):
    """All files of one model at one quantization: one place in the queue, one end.

    :ivar name: what it is called, unique among those that are alive
    :ivar plan: None for one that was restored and has not begun
    :ivar limiter: bytes per second of all its files
    :ivar running: False while it waits in the queue
    :ivar begun: its files are known and are being pulled, or it has ended
    """

    def __init__(self, id: str, name: str, plan: PullPlan | None, *, force: bool, limiter: Limiter) -> None:
        super().__init__()
        self.id, self.name, self.plan = id, name, plan
        self.force, self.limiter = force, limiter
        self.requests: dict[str, Request] = {}
        self.status = DownloadStatus.QUEUED
        self.progress: Progress | None = None
        self.running = False
        self.begun = anyio.Event()
        self.news = anyio.Event()

    def enter(self, request: Request) -> None:
        """Let a request wait for it; the loosest limit of all who wait holds."""
        self.requests[request.id] = request
        self._pace()

    def leave(self, request: Request) -> None:
        """Let a request go; the limit of the last one stays."""
        # without anybody left its rate does not matter, and none must not read as no limit
        if self.requests.pop(request.id, None) is not None and self.requests:
            self._pace()

    def _pace(self) -> None:
        rate = loosest(request.wanted.limit for request in self.requests.values())
        # setting it, even to the same rate, begins a new account
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
