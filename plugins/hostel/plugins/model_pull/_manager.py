"""The verbs of downloads: those of gglib's manager, and `pull` and `cancel` by request as QVAC has them."""

import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio
import attrs

from hostel.sessions import AmbiguousTaskId, BackgroundTaskHost, TaskRecord, new_id

from ._cache.disk_space import SPACE_SECONDS, DiskReservations
from ._engine import ConnectionBudget, Limiter
from ._errors import PullError
from ._events import QueueSnapshot
from ._once import builtin_sources
from ._queue.download_request import SESSION, DownloadId, DownloadRequest
from ._queue.event_bus import EventBus, Subscription
from ._queue.group import Group, OnProgress
from ._queue.handle import CancelReceipt, PullHandle
from ._queue.persistence import QueueStore, Saver
from ._queue.plan import Advise, PullOptions, PullPlan
from ._queue.pull import FILES_AT_ONCE
from ._queue.queue import MAX_SIZE, SLOTS, NotInQueue, Queue, QueueItem
from ._queue.requests import CLOSED, Requests
from ._queue.scheduler import Scheduler, Tools
from ._queue.shared_transfers import Network, Transfers
from ._select.quantization import PREFERENCE
from ._sources.base import ModelSource

if TYPE_CHECKING:
    from anyio.abc import TaskGroup


class DownloadManager:
    """Pulls models for the sessions of one host; an async context manager.

    Each request is a managed task of its session. Leaving the context stops all downloads and keeps what was
    fetched; with a `data_dir` the queue is kept too, and the next manager there goes on with it.

    :param data_dir: where the queue is kept, None for in memory only
    :param sources: None is the built-in ones: the hub, plain URLs, folders
    :param cache_dir: where models go, None is the cache of huggingface_hub
    :param preference: quantization labels, most wanted first
    :param budget: bytes of memory or disk that a model may take, None for no limit
    :param advise: asked for a quantization when nobody named one
    :param max_queue_size: downloads that run or wait, 1 to 50
    :param max_concurrent: downloads that run
    :param files_at_once: files of one model that are fetched at a time
    :param rate_limit: bytes per second of all downloads, None for no limit
    :param cushion: bytes of the disk that stay free, None is max(1 GiB, 1 %)
    :param room_patience: seconds that a download pauses and holds up the queue if the disk fills up meanwhile
    """

    def __init__(
        self,
        host: BackgroundTaskHost,
        *,
        data_dir: Path | None = None,
        sources: Iterable[ModelSource] | None = None,
        cache_dir: Path | None = None,
        preference: Sequence[str] = PREFERENCE,
        budget: int | None = None,
        advise: Advise | None = None,
        max_queue_size: int = MAX_SIZE,
        max_concurrent: int = SLOTS,
        files_at_once: int = FILES_AT_ONCE,
        rate_limit: float | None = None,
        cushion: int | None = None,
        room_patience: float = SPACE_SECONDS,
    ) -> None:
        self._host = host
        self._tasks: TaskGroup | None = None
        self._events = EventBus()
        self._limiter = Limiter(rate_limit)
        tools = Tools(
            sources=tuple(builtin_sources() if sources is None else sources),
            transfers=Transfers(Network(connections=ConnectionBudget()), self._start_soon),
            reservations=DiskReservations(cushion=cushion),
            options=PullOptions(cache_dir=cache_dir, preference=tuple(preference), budget=budget),
            limiter=self._limiter,
            advise=advise,
            files_at_once=files_at_once,
            room_patience=room_patience,
        )
        queue = Queue(max_size=max_queue_size, slots=max_concurrent)
        self._scheduler = Scheduler(
            tools, queue, self._events, start_soon=self._start_soon, on_change=self._touch
        )
        self._requests = Requests(host, self._scheduler)
        self._saver = None if data_dir is None else Saver(QueueStore(data_dir), lambda: self._queue)

    async def __aenter__(self) -> Self:
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        try:
            await self._restore()
        except BaseException:
            await self._close()
            raise
        return self

    def leave_to_host(self) -> None:
        """Let the context end without cancelling the tasks of requests: the host, which stops soon, does with
        them what it does with all, and a later one may run them again.
        """
        self._requests.left_to_host = True

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    def subscribe(self) -> Subscription:
        """Return the events of all downloads from now on; a reader that is slow holds up nobody."""
        return self._events.subscribe()

    @property
    def rate_limit(self) -> float | None:
        """Return the bytes per second of all downloads, None for no limit; may be set at any time."""
        return self._limiter.rate

    @rate_limit.setter
    def rate_limit(self, rate: float | None) -> None:
        self._limiter.rate = rate

    @property
    def stored_in(self) -> Path | None:
        """Return the folder whose queue this manager keeps, None if its queue is in memory only."""
        return self._saver.folder if self._saver is not None else None

    def pull(
        self,
        reference: str | DownloadRequest,
        *,
        session_id: str | None = None,
        on_progress: OnProgress | None = None,
        request_id: str | None = None,
    ) -> PullHandle:
        """Begin to pull a model; not a coroutine, the handle's `request_id` can be read at once.

        `await handle` gives the path of what a program loads. The first to ask for a model begins its
        download, others share it.

        :param reference: `org/repo[:QUANT][@revision]`, a URL or a folder; or a request with more to it
        :param session_id: whose task it is; None is the request's own
        :param on_progress: called with each news; if it raises, it alone is not called again
        :param request_id: None makes one
        :raises DuplicateRequest: if a request of that id is alive
        """
        wanted = reference if isinstance(reference, DownloadRequest) else DownloadRequest(reference)
        if session_id is not None:
            wanted = attrs.evolve(wanted, session_id=session_id)
        if self._tasks is None or self._scheduler.closing:
            raise RuntimeError("this manager is not open: use `async with`")
        request = self._requests.open(wanted, on_progress, request_id)
        self._start_soon(self._requests.begin, request)
        return PullHandle(request)

    async def cancel(
        self,
        *,
        request_id: str | None = None,
        model_id: str | None = None,
        clear_cache: bool = False,
        reason: str | None = None,
    ) -> CancelReceipt:
        """Cancel one request, or every request for a model, and wait until they have stopped.

        What was fetched is kept, so pulling again goes on from there. A request that is not known yet is
        cancelled when it begins, if that is within 30 s. Cancelling twice is the same as once.

        :param clear_cache: drop what was fetched, unless somebody else still needs it
        :raises ValueError: if neither or both of the two ids are given
        """
        if (request_id is None) == (model_id is None):
            raise ValueError("name either a request_id or a model_id")
        if request_id is not None:
            return await self._requests.cancel_id(request_id, reason, clear_cache=clear_cache)
        found = [request for request in self._requests.alive.values() if request.concerns(str(model_id))]
        return await self._requests.cancel(found, reason, clear_cache=clear_cache)

    async def queue_download(self, request: DownloadRequest) -> DownloadId:
        """Resolve a request, put it into the queue and return what its download is called.

        :raises PullError: if it cannot be resolved or the queue is full
        """
        group = await self._enqueue(request)
        return DownloadId.parse(group.name)

    async def queue_and_process(self, request: DownloadRequest) -> DownloadId:
        """Do the same as `queue_download`: every queued download is processed."""
        return await self.queue_download(request)

    async def queue_smart(
        self, repo_id: str, quantization: str | None = None, *, session_id: str = SESSION
    ) -> tuple[int, int]:
        """Queue a model, with a quantization chosen where none is named.

        :return: its place, from 1 (0 if nothing is left to fetch), and its number of shards
        :raises InvalidQuantization: if there is no such quantization, or none that is preferred
        """
        group = await self._enqueue(DownloadRequest(repo_id, quantization, session_id=session_id))
        item = self._queue.find(group.id)
        shards = len(group.plan.choice.option.paths) if group.plan and group.plan.choice else 1
        return (self._queue.position(group.id), item.shard_count) if item else (0, shards)

    async def plan(self, request: DownloadRequest) -> PullPlan:
        """Return what a pull would do and do none of it; raises the `PullError` that the pull would raise."""
        return await self._scheduler.plan(request)

    async def get_queue_snapshot(self) -> QueueSnapshot:
        """Return what runs, waits and failed."""
        return self._scheduler.snapshot()

    async def cancel_download(self, id: DownloadId | str, *, clear_cache: bool = False) -> CancelReceipt:
        """Cancel a download for everyone who waits for it; one that failed is forgotten.

        :param clear_cache: drop what was fetched, unless another download still needs it
        """
        return await self._cancel_named(str(id), clear_cache=clear_cache)

    async def cancel_group(self, group_id: str) -> CancelReceipt:
        """Cancel a download by its group's id, whether it runs or waits."""
        return await self._cancel_named(group_id)

    async def cancel_all(self) -> CancelReceipt:
        """Cancel every request and forget every failure."""
        receipt = await self._requests.cancel(
            list(self._requests.alive.values()), "all downloads are cancelled"
        )
        await self.clear_failed()
        return receipt

    async def has_download(self, id: DownloadId | str) -> bool:
        """Return whether a download runs, waits or has failed."""
        return self._queue.find(str(id)) is not None or self._queue.find_failed(str(id)) is not None

    async def active_count(self) -> int:
        """Return how many downloads run."""
        return len(self._queue.active)

    async def pending_count(self) -> int:
        """Return how many downloads wait."""
        return len(self._queue.pending)

    async def remove_from_queue(self, id: DownloadId | str) -> None:
        """Take out a download that waits or has failed.

        :raises NotInQueue: if it does neither
        """
        queue = self._queue.remove(str(id))
        item = next((item for item in self._queue.pending if item not in queue.pending), None)
        if item is None:
            self._scheduler.change(queue)
        else:
            await self._requests.cancel(self._scheduler.waiting_for(item), "removed from the queue")
        await self._saved()

    async def reorder_queue(self, id: DownloadId | str, new_position: int) -> int:
        """Move a waiting download and return the place it got, the nearest one that it may have.

        :raises NotInQueue: if it neither runs nor waits
        """
        queue, place = self._queue.move(str(id), new_position)
        self._scheduler.change(queue)
        await self._saved()
        return place

    async def retry(self, id: DownloadId | str) -> int:
        """Queue a failed download again and return its place; what is here is not fetched again.

        :raises NotInQueue: if it has not failed
        :raises QueueFull: if there is no room
        :raises SessionsError: if its session takes no task; the failure stays
        """
        row = self._queue.find_failed(str(id))
        if row is None:
            raise NotInQueue(str(id))
        queue, place = self._queue.retry(str(id), group_id=new_id(time.time()), at=time.time())
        item = queue.pending[-1]
        request = self._requests.open(item.request)
        self._scheduler.queue = queue
        self._scheduler.attach(request, self._scheduler.restore(item))
        await self._requests.begin(request)
        if request.refusal is not None:
            # its session takes no task: the failure stays where it was
            self._scheduler.change(attrs.evolve(self._queue, failed=(*self._queue.failed, row)))
            raise request.refusal
        self._scheduler.begin()
        await self._saved()
        return place

    async def clear_failed(self) -> None:
        """Forget all failures."""
        self._scheduler.change(self._queue.clear_failed())
        await self._saved()

    async def set_max_queue_size(self, size: int) -> None:
        """Allow that many downloads to run or wait, 1 to 50; those in the queue stay.

        :raises ValueError: if it is out of range
        """
        self._scheduler.change(self._queue.resize(size))
        await self._saved()

    async def get_max_queue_size(self) -> int:
        """Return how many downloads may run or wait."""
        return self._queue.max_size

    async def discard(self, request: DownloadRequest) -> None:
        """Drop what earlier pulls have left of a model; nothing happens to one that somebody waits for."""
        await self._scheduler.discard(request)

    async def attend(self, request: DownloadRequest) -> Path:
        """Serve a request inside the managed task that is running, whose id becomes its own.

        :raises PullError: if the model cannot be had
        """
        return Path(await self._requests.attend(request))

    @property
    def _queue(self) -> Queue:
        return self._scheduler.queue

    def _start_soon(self, func: Callable[..., Coroutine[Any, Any, None]], *args: object) -> None:
        if self._tasks is not None:
            self._tasks.start_soon(partial(func, *args))

    def _touch(self) -> None:
        if self._saver is not None:
            self._saver.touch()

    async def _saved(self) -> None:
        if self._saver is not None:
            await self._saver.caught_up()

    async def _enqueue(self, wanted: DownloadRequest) -> Group:
        plan = await self._scheduler.plan(wanted)
        request = self._requests.open(wanted)
        try:
            group = await self._scheduler.join(request, plan)
        except PullError:
            self._requests.alive.pop(request.id)
            raise
        await self._requests.begin(request)
        if request.refusal is not None:
            raise request.refusal
        await self._saved()
        return group

    async def _cancel_named(self, name: str, *, clear_cache: bool = False) -> CancelReceipt:
        item = self._queue.find(name)
        if item is not None:
            waiting = self._scheduler.waiting_for(item)
            return await self._requests.cancel(waiting, f"{item.id} is cancelled", clear_cache=clear_cache)
        row = self._queue.find_failed(name)
        if row is None:
            return CancelReceipt()
        self._scheduler.change(self._queue.remove(name))
        await self._saved()
        if clear_cache:
            await self.discard(row.item.request)
        return CancelReceipt(matched=1, already_terminal=1)

    async def _restore(self) -> None:
        if self._saver is None:
            return
        if not await self._saver.claim():
            self._saver = None
            return
        saved = await self._saver.load()
        self._start_soon(self._saver.run)
        if saved is None:
            return
        self._scheduler.queue = attrs.evolve(saved.restored(), slots=self._queue.slots)
        for item in self._queue.pending:
            await self._restore_item(item)
        self._scheduler.begin()

    async def _restore_item(self, item: QueueItem) -> None:
        records = {id: await self._record(session, id) for session, id in item.requests}
        left = [(session, id) for session, id in item.requests if not _is_over(records[id])]
        # everyone who waited for it has ended otherwise meanwhile
        if item.requests and not left:
            self._scheduler.queue = self._queue.finish(item.id)
            return
        group = self._scheduler.restore(item)
        for session, id in left or ((item.request.session_id, None),):
            request = self._requests.open(attrs.evolve(item.request, session_id=session), request_id=id)
            self._scheduler.attach(request, group)
            record = records.get(request.id)
            if record is None or record.is_terminal:
                await self._requests.begin(request)
            else:
                request.wanted = attrs.evolve(request.wanted, session_id=record.session_id)
                request.left_behind = True
                self._start_soon(self._requests.await_run, request)

    async def _record(self, session_id: str, request_id: str) -> TaskRecord | None:
        """Return the record of a request, which may have been handed to another session."""
        with suppress(AmbiguousTaskId):
            there = await self._host.get(request_id, session_id=session_id)
            return there or await self._host.get(request_id)
        return None

    async def _close(self) -> None:
        # also a manager that is cancelled stops its downloads and saves its queue
        with anyio.CancelScope(shield=True):
            self._scheduler.closing = True
            await self._requests.close()
            await self._scheduler.close()
            if self._saver is not None:
                await self._saver.aclose()
        self._events.close()
        tasks, self._tasks = self._tasks, None
        if tasks is not None:
            tasks.cancel_scope.cancel()
            await tasks.__aexit__(None, None, None)


def _is_over(record: TaskRecord | None) -> bool:
    """Tell whether a task has ended for good, and not only because its manager closed."""
    return record is not None and record.is_terminal and record.cancel_reason != CLOSED
