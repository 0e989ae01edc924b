"""Requests, groups and the queue at work.

A *request* is one caller; its managed task ends when his does. A *group* is one model at one
quantization; it takes one place in the queue and runs in a task of the manager, so no request carries
another's download. A request resolves what it was asked, then joins the group of that name or makes it.
The last request to leave a group stops it; who asks meanwhile waits until it has stopped. What is in the
cache already takes no place.

Everything here happens on one loop, and every change of the queue is one step between two awaits:
nothing is ever in neither of two places.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import anyio
import attrs

from hostel.sessions import new_id

from .._cache.disk_space import SPACE_SECONDS, DiskReservations
from .._engine import Limiter
from .._errors import PullError, RevisionNotFound, SecretWithheld
from .._events import (
    Cancelled,
    Completed,
    DownloadEvent,
    DownloadStatus,
    Ending,
    Failed,
    GroupEvent,
    Progress,
    QueueRunSummary,
    QueueSnapshot,
    StatusChanged,
)
from .._sources.base import ModelSource
from .._sources.reference import HUB, Reference
from .download_request import DownloadId, DownloadRequest
from .event_bus import EventBus
from .group import Group, Request
from .handle import PullCancelled
from .plan import Advise, PullOptions, PullPlan, plan_pull
from .pull import FILES_AT_ONCE, Pulled, carry_out
from .queue import Queue, QueueItem
from .shared import joinable
from .shared_transfers import StartSoon, Transfers
from .snapshot import Run, snapshot_of

DISCARD_SECONDS = 10.0
NOTE_SECONDS = 5.0


@attrs.frozen
class Tools:
    """What downloads are made with.

    :ivar options: where models go and how a quantization is chosen, as far as a request does not say
    :ivar limiter: bytes per second of all downloads
    :ivar files_at_once: files of one model
    :ivar room_patience: seconds that a download waits for room if the disk fills up
    """

    sources: tuple[ModelSource, ...]
    transfers: Transfers
    reservations: DiskReservations
    options: PullOptions
    limiter: Limiter
    advise: Advise | None = None
    files_at_once: int = FILES_AT_ONCE
    room_patience: float = SPACE_SECONDS


class Scheduler:
    """The groups of one process and the queue they stand in.

    :param start_soon: owns the tasks of groups
    :param on_change: called after each change of the queue
    """

    def __init__(
        self,
        tools: Tools,
        queue: Queue,
        bus: EventBus,
        *,
        start_soon: StartSoon,
        on_change: Callable[[], None],
    ) -> None:
        self.queue = queue
        self.groups: dict[str, Group] = {}
        self.closing = False
        self._tools, self._bus = tools, bus
        self._start_soon, self._on_change = start_soon, on_change
        self._noted = time.monotonic()
        self._run: Run | None = None
        self._last_run: QueueRunSummary | None = None

    async def plan(self, wanted: DownloadRequest, reference: Reference | None = None) -> PullPlan:
        """Resolve what is wanted.

        :param reference: instead of its own
        :raises PullError: if it cannot be met
        """
        if wanted.withheld:
            raise SecretWithheld(wanted.repo_id)
        options = attrs.evolve(
            self._tools.options,
            cache_dir=wanted.cache_dir or self._tools.options.cache_dir,
            budget=wanted.budget if wanted.budget is not None else self._tools.options.budget,
            include=wanted.include,
            exclude=wanted.exclude,
            format=wanted.format,
        )
        return await plan_pull(
            reference or wanted.reference, self._tools.sources, options, advise=self._tools.advise
        )

    async def join(self, request: Request, plan: PullPlan) -> Group:
        """Let a request wait for the group of its plan, which is made if it is not there.

        While the downloads close it waits to be stopped.

        :raises QueueFull: if there is no room for it
        """
        group = await joinable(lambda: self._alive(plan))
        # its session or this manager cancels it; a group made now would outlive the closing
        if self.closing:
            await anyio.sleep_forever()
        request.shared = group is not None
        if group is None:
            group = self._admit(request.wanted, plan)
        self.attach(request, group)
        self._start_next()
        return group

    def attach(self, request: Request, group: Group) -> None:
        """Let a request wait for a group."""
        request.group = group
        group.enter(request)
        self.note_requests(group)

    def restore(self, item: QueueItem) -> Group:
        """Make the group of an item that a former process left in the queue."""
        group = Group(item.group_id, item.id, None, force=item.request.force, limiter=self._limiter())
        self.groups[group.id] = group
        return group

    def begin(self) -> None:
        """Let those run that may."""
        self._start_next()
        self._changed()

    async def leave(self, request: Request) -> None:
        """Take a request out; the last one stops its group and waits until it has stopped."""
        group = request.group
        if group is None:
            if request.discard:
                await self.discard(request.wanted)
            return
        group.leave(request)
        if group.done.is_set():
            return
        if group.requests:
            self.note_requests(group)
            return
        await self._stop(group)
        if request.discard and not self.closing:
            await self._discard(group)

    async def close(self) -> None:
        """Stop every group and keep its place in the queue."""
        self.closing = True
        for group in list(self.groups.values()):
            await self._stop(group)

    def waiting_for(self, item: QueueItem) -> list[Request]:
        """Return everyone who waits for a download."""
        return list(self.groups[item.group_id].requests.values())

    def snapshot(self) -> QueueSnapshot:
        """Return what runs, waits and failed."""
        standings = {group.id: group.standing for group in self.groups.values()}
        return snapshot_of(self.queue, standings, self._run.summary() if self._run else self._last_run)

    def change(self, queue: Queue) -> None:
        """Take another queue."""
        self.queue = queue
        self._start_next()
        self._changed()

    def note_requests(self, group: Group) -> None:
        """Tell and keep in the queue who waits for a group, also for a process to come."""
        item = self.queue.find(group.id)
        if item is not None and not self.closing:
            waiting = tuple((request.session_id, request.id) for request in group.requests.values())
            self.queue = self.queue.replace(attrs.evolve(item, requests=waiting))
            self._changed()

    def _alive(self, plan: PullPlan) -> Group | None:
        for group in self.groups.values():
            if group.name == plan.id and (group.plan is None or group.plan.commit == plan.commit):
                return group
        pinned = _pinned(plan)
        return next((group for group in self.groups.values() if group.name == pinned.id), None)

    def _admit(self, wanted: DownloadRequest, plan: PullPlan) -> Group:
        if any(group.name == plan.id for group in self.groups.values()):
            plan = _pinned(plan)
        group = Group(new_id(time.time()), plan.id, plan, force=wanted.force, limiter=self._limiter())
        # what is in the cache already takes no place in the queue, however full that is
        if wanted.force or len(plan.present()) < len(plan.files):
            self.queue = self.queue.add(_item(group, wanted, plan))
            self.groups[group.id] = group
            self._changed()
        else:
            self.groups[group.id] = group
            self._launch(group)
        return group

    def _start_next(self) -> None:
        while not self._held and (item := self.queue.next()) is not None:
            self.queue = self.queue.start(item.id, time.time())
            self._launch(self.groups[item.group_id])
            self._changed()

    @property
    def _held(self) -> bool:
        """Return whether nothing may begin: the end is near, or a download waits for room on the disk."""
        return self.closing or any(group.paused for group in self.groups.values())

    def _launch(self, group: Group) -> None:
        if self._run is None:
            self._run = Run(new_id(time.time()), time.time())
        group.running = True
        self._start_soon(self._pull, group)

    async def _pull(self, group: Group) -> None:
        outcome: Pulled | Exception | None = None
        emit = partial(self._emit, group)
        try:
            with group.scope:
                if group.plan is None:  # a former process left it in the queue
                    emit(StatusChanged(group.name, DownloadStatus.RESOLVING))
                    group.plan = await self._plan_again(group)
                group.begun.set()
                emit(StatusChanged(group.name, DownloadStatus.DOWNLOADING))
                outcome = await carry_out(
                    group.plan,
                    self._tools.transfers,
                    emit,
                    reservations=self._tools.reservations,
                    limiter=group.limiter,
                    files_at_once=self._tools.files_at_once,
                    recheck=group.force,
                    room_patience=self._tools.room_patience,
                )
        except Exception as error:  # noqa: BLE001 - the boundary of a download: its end, not the manager's
            outcome = error
        finally:
            self._end(group, outcome)

    async def _plan_again(self, group: Group) -> PullPlan:
        item = self.queue.find(group.id)
        if item is None:
            raise PullCancelled(group.name)
        # the commit and the quantization that were chosen then still hold, whatever was pushed since
        reference = item.request.reference
        if reference.scheme == HUB:
            chosen = DownloadId.parse(item.id).quantization
            reference = attrs.evolve(reference, quantization=reference.quantization or chosen)
        if reference.scheme == HUB and item.commit is not None:
            with suppress(RevisionNotFound):
                pinned = await self.plan(item.request, attrs.evolve(reference, revision=item.commit))
                return attrs.evolve(pinned, id=group.name, reference=reference)
        return attrs.evolve(await self.plan(item.request, reference), id=group.name)

    def _end(self, group: Group, outcome: Pulled | Exception | None) -> None:
        group.outcome = outcome
        del self.groups[group.id]
        self._note_bytes(group)
        # stopped because the manager closes: it keeps its place in the queue for the next one
        if outcome is not None or not self.closing:
            self._record_end(group, outcome)
        # after the queue has changed, so that whoever wakes sees where everything is
        group.begun.set()
        group.done.set()
        group.wake()
        self._start_next()
        self._changed()

    def _record_end(self, group: Group, outcome: Pulled | Exception | None) -> None:
        if isinstance(outcome, Exception):
            kind, text = type(outcome).__name__, str(outcome) or type(outcome).__name__
            again = isinstance(outcome, PullError) and outcome.recoverable
            self.queue = self.queue.fail(group.id, error=text, kind=kind, recoverable=again, at=time.time())
            self._conclude(group, Ending.FAILED, Failed(group.name, text, kind, again))
            return
        self.queue = self.queue.finish(group.id)
        if outcome is None:
            self._conclude(group, Ending.CANCELLED, Cancelled(group.name))
        else:
            how = Ending.DOWNLOADED if outcome.fetched else Ending.ALREADY_PRESENT
            self._conclude(group, how, Completed(group.name, str(outcome.path)))

    def _limiter(self) -> Limiter:
        return Limiter(None, parent=self._tools.limiter)

    def _note_bytes(self, group: Group) -> None:
        item = self.queue.find(group.id)
        if item is not None and group.progress is not None:
            self.queue = self.queue.replace(attrs.evolve(item, downloaded=group.progress.downloaded))

    def _note_all_bytes(self) -> None:
        """Keep now and then how far it is, for whoever looks after a crash."""
        self._noted = time.monotonic()
        for group in self.groups.values():
            self._note_bytes(group)
        self._on_change()

    def _conclude(self, group: Group, how: Ending, event: GroupEvent) -> None:
        now = time.time()
        self._emit(group, event)
        # a group that was cancelled while it waited may end without any run
        run = (self._run or Run(new_id(now), now)).ended(group.name, how, now)
        idle = not self.groups and not self.queue.items
        self._run = None if idle else run
        self._last_run = run.summary(now) if idle else self._last_run

    async def _stop(self, group: Group) -> None:
        if group.running or group.stopping or group.done.is_set():
            await group.stop()
        else:  # it waits in the queue, so that there is nothing to wait for
            group.stopping = True
            self._end(group, None)

    async def discard(self, wanted: DownloadRequest) -> None:
        """Drop what earlier pulls have left of a model that nobody waits for."""
        with anyio.move_on_after(DISCARD_SECONDS):
            try:
                plan = await self.plan(wanted)
            except PullError:
                return
            if self._alive(plan) is None:
                await self._discard_files(plan)

    async def _discard(self, group: Group) -> None:
        if group.plan is not None:
            await self._discard_files(group.plan)

    async def _discard_files(self, plan: PullPlan) -> None:
        # two models may have a file in common
        needed = {blob for group in self.groups.values() if group.plan for blob, _ in group.plan.blobs}
        for blob, _ in plan.blobs:
            if blob not in needed:
                await self._tools.transfers.discard(blob)
        await anyio.to_thread.run_sync(
            plan.repo.drop_unlinked, [blob for blob, _ in plan.blobs if blob not in needed]
        )

    def _emit(self, group: Group, event: DownloadEvent) -> None:
        before = group.status
        group.note(event)
        self._bus.publish(event)
        if isinstance(event, Progress) and time.monotonic() - self._noted >= NOTE_SECONDS:
            self._note_all_bytes()
        # a pause holds up the queue, its end lets it go on
        if DownloadStatus.PAUSED in (before, group.status) and before is not group.status:
            self._start_next()
            self._changed()

    def _changed(self) -> None:
        self._bus.publish(self.snapshot())
        self._on_change()


def _pinned(plan: PullPlan) -> PullPlan:
    """Return a plan whose name tells it from one of the same branch at another commit."""
    return attrs.evolve(plan, id=f"{plan.id}@{plan.commit[:8]}")


def _item(group: Group, wanted: DownloadRequest, plan: PullPlan) -> QueueItem:
    shards = len(plan.choice.option.paths) if plan.choice else len(plan.files)
    return QueueItem(
        group.name, group.id, wanted, time.time(), shard_count=shards, total=plan.total, commit=plan.commit
    )
