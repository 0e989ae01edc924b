"""Requests: each is served in a managed task of its caller's session, and its id is the task's.

A request exists from the moment it is made, which needs no await; its task follows. So a cancel may come
before the task, and even before the request: that one is remembered. A callback that raises is
not called again and concerns nobody else. A request that is cancelled leaves its group before its task
ends.
"""

import inspect
import time
from collections.abc import Iterable
from functools import partial

import anyio
import anyio.lowlevel
import attrs

from hostel.sessions import (
    BackgroundTaskHost,
    SessionsError,
    TaskContext,
    TaskSpec,
    TaskState,
    current_task,
    new_id,
)

from .._events import Progress
from .download_request import DownloadRequest
from .early_cancels import EarlyCancels
from .group import Group, OnProgress, Request
from .handle import (
    CancelReceipt,
    DuplicateRequest,
    PullCancelled,
)
from .pull import Pulled
from .scheduler import Scheduler

KIND = "model_pull"
CLOSED = "the downloads stop"


class Requests:
    """Serves the requests of one manager.

    :ivar left_to_host: the host stops soon, and what becomes of tasks whose downloads have stopped is its
        matter: it interrupts those that a later one can run again
    """

    def __init__(self, host: BackgroundTaskHost, scheduler: Scheduler) -> None:
        self._host, self._scheduler = host, scheduler
        self._early_cancels = EarlyCancels()
        self.alive: dict[str, Request] = {}
        self.left_to_host = False

    def open(
        self, wanted: DownloadRequest, on_progress: OnProgress | None = None, request_id: str | None = None
    ) -> Request:
        """Make a request; `begin` gives it its task.

        :raises DuplicateRequest: if one of that id is alive
        """
        id = request_id or new_id(time.time())
        if id in self.alive:
            raise DuplicateRequest(id)
        request = self.alive[id] = Request(id, wanted, on_progress)
        return request

    async def begin(self, request: Request) -> None:
        """Start the managed task of a request, or note in it why there is none."""
        wanted = request.wanted
        try:
            spec = TaskSpec(
                id=request.id,
                kind=KIND,
                producer=KIND,
                label=wanted.label,
                params=wanted.to_params(),
                resumable=True,
            )
            request.task = await self._host.spawn_managed(
                wanted.session_id, spec, partial(self.serve, request)
            )
        except Exception as error:  # noqa: BLE001 - whoever waits for the request is told, and the others go on
            request.refusal = error
            self.alive.pop(request.id, None)
            await self._scheduler.leave(request)
        finally:
            request.begun.set()

    async def await_run(self, request: Request) -> None:
        """Let go of a request whose task was left by an earlier host, if it ends without being run again."""
        try:
            await self._host.wait(request.id, session_id=request.session_id)
        except SessionsError:
            return
        if not request.begun.is_set():
            self.alive.pop(request.id, None)
            await self._scheduler.leave(request)
            request.begun.set()

    async def attend(self, wanted: DownloadRequest) -> str:
        """Serve what is wanted in the managed task that is running."""
        context = current_task()
        request = self.alive.get(context.id)
        # a restarted task takes the request that was restored for it, any other makes one
        if request is None or request.begun.is_set():
            request = self.open(attrs.evolve(wanted, session_id=context.session_id), None, context.id)
        request.begun.set()
        return await self.serve(request)

    async def serve(self, request: Request) -> str:
        """Be the body of a request's task: wait for its group and return the path.

        :raises PullError: if the model cannot be had
        """
        context = request.context = current_task()
        try:
            await self._heed_early_cancel(request, context)
            group = request.group or await self._find_group(request, context)
            await self._follow(request, group, context)
            # the host interrupts this task, and a later one runs it again
            if group.outcome is None and self.left_to_host:
                await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await self._scheduler.leave(request)
            self.alive.pop(request.id, None)
        if isinstance(group.outcome, Pulled):
            return str(group.outcome.path)
        raise group.outcome or PullCancelled(request.id)

    async def close(self) -> None:
        """Cancel the tasks of all requests, unless they are left to the host; others may be left by one."""
        if not self.left_to_host:
            # the task of one that a former host left may be interrupted and is not ours to cancel
            ours = [one for one in self.alive.values() if one.begun.is_set() or not one.left_behind]
            await self.cancel(ours, CLOSED)

    async def cancel(
        self, requests: Iterable[Request], reason: str | None, *, clear_cache: bool = False
    ) -> CancelReceipt:
        """Cancel requests and wait until their tasks have ended."""
        receipts: list[CancelReceipt] = []

        async def one(request: Request) -> None:
            receipts.append(await self._cancel(request, reason, clear_cache=clear_cache))

        async with anyio.create_task_group() as cancels:
            for request in requests:
                cancels.start_soon(one, request)
        return sum(receipts, CancelReceipt())

    async def cancel_id(self, request_id: str, reason: str | None, *, clear_cache: bool) -> CancelReceipt:
        """Cancel one request, or remember to if it is not known yet."""
        if request_id in self.alive:
            return await self.cancel([self.alive[request_id]], reason, clear_cache=clear_cache)
        try:
            record = await self._host.get(request_id)
        except SessionsError:
            record = None
        if record is not None and record.is_terminal:
            return CancelReceipt(matched=1, already_terminal=1)
        self._early_cancels.set(request_id, time.monotonic(), reason=reason, clear_cache=clear_cache)
        return CancelReceipt()

    async def _cancel(self, request: Request, reason: str | None, *, clear_cache: bool) -> CancelReceipt:
        first, request.cancelling = not request.cancelling, True
        request.discard = request.discard or clear_cache
        # before that there is no task to cancel
        await request.begun.wait()
        try:
            record = await self._host.cancel_managed(request.session_id, request.id, reason)
        except SessionsError:
            record = None
        # it was cancelled too late: the end it had reached stands
        won = record is not None and record.state in (TaskState.COMPLETED, TaskState.FAILED)
        return CancelReceipt(1, newly_cancelled=int(first and not won), already_terminal=int(won))

    async def _heed_early_cancel(self, request: Request, context: TaskContext) -> None:
        early = self._early_cancels.take(request.id, time.monotonic())
        if early is not None:
            request.discard = request.discard or early.clear_cache
            await self._host.request_cancel(context.id, early.reason, session_id=context.session_id)
        await anyio.lowlevel.checkpoint()

    async def _find_group(self, request: Request, context: TaskContext) -> Group:
        await context.progress("looking for the model")
        return await self._scheduler.join(request, await self._scheduler.plan(request.wanted))

    async def _follow(self, request: Request, group: Group, context: TaskContext) -> None:
        if not group.begun.is_set():
            async with context.waiting("waiting in the queue"):
                await group.begun.wait()
        while True:
            # read before anything is awaited: news that comes meanwhile sets this very event
            news, done = group.news, group.done.is_set()
            if group.paused:
                await self._wait_out_pause(group, context)
            elif group.progress is not None and group.progress is not request.progress:
                request.progress = group.progress
                await self._tell(request, group.progress, context)
            elif done:
                return
            else:
                await news.wait()

    async def _wait_out_pause(self, group: Group, context: TaskContext) -> None:
        async with context.waiting("waiting for room on the disk"):
            while group.paused:
                await group.news.wait()

    async def _tell(self, request: Request, progress: Progress, context: TaskContext) -> None:
        await context.progress(done=progress.downloaded, total=progress.total, unit="bytes")
        if request.on_progress is None:
            return
        try:
            answer = request.on_progress(progress)
            if inspect.isawaitable(answer):
                await answer
        except Exception as error:  # noqa: BLE001 - somebody's callback; kept for him, and the pull goes on
            request.callback_error, request.on_progress = error, None
