"""A plan carried out: room on the disk, every missing file, then the snapshot.

The files of a model are one thing: the first that fails stops the others, and nothing is linked until
all are here. What was fetched stays for the next time.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import anyio
import anyio.to_thread
import attrs

from hostel.plugins.model_pull._choice import Choice
from hostel.plugins.model_pull._copy import copy
from hostel.plugins.model_pull._disk import DiskReservations
from hostel.plugins.model_pull._errors import PullError
from hostel.plugins.model_pull._events import DownloadStatus
from hostel.plugins.model_pull._fetch import ConnectionBudget, Fetched, FetchProgress, Limiter, fetch
from hostel.plugins.model_pull._plan import PlannedFile, PullPlan
from hostel.plugins.model_pull._remote import RemoteFile
from hostel.plugins.model_pull._tally import Emit, Tally

FILES_AT_ONCE = 3
TICK_SECONDS = 0.5


class Bring(Protocol):
    """Makes one blob of one remote file."""

    async def __call__(
        self, file: RemoteFile, blob: Path, *, on_progress: Callable[[FetchProgress], None]
    ) -> Fetched: ...


@attrs.frozen
class Pulled:
    """A model that is in the cache.

    :ivar path: what a program loads: the model's file or first shard, else its folder
    :ivar snapshot: the folder with all its files
    :ivar size: bytes of all files
    :ivar fetched: bytes that came over the network
    :ivar cached: bytes of files that were here before
    :ivar resumed: bytes that an earlier pull had left
    """

    path: Path
    snapshot: Path
    commit: str
    choice: Choice | None
    files: int
    size: int
    fetched: int
    cached: int
    resumed: int
    seconds: float


@attrs.frozen
class Network:
    """What the transfers of a process share; also the plain way to bring a file.

    :ivar connections: how many there may be to a host, and which of them are good
    :ivar limiter: bytes per second, None for no limit
    """

    connections: ConnectionBudget | None = None
    limiter: Limiter | None = None

    async def __call__(
        self, file: RemoteFile, blob: Path, *, on_progress: Callable[[FetchProgress], None]
    ) -> Fetched:
        if file.url.startswith("file:"):
            return await copy(file, blob, on_progress=on_progress)
        return await fetch(file, blob, budget=self.connections, limiter=self.limiter, on_progress=on_progress)


UNLIMITED = Network()


async def carry_out(
    plan: PullPlan,
    bring: Bring,
    emit: Emit,
    *,
    reservations: DiskReservations,
    files_at_once: int = FILES_AT_ONCE,
) -> Pulled:
    """Pull every file of the plan that is not here and link the snapshot.

    :param emit: told what happens, from `started` to the last file; must return at once
    :raises PullError: if one file cannot be had; `NoSpace` before anything is fetched
    """
    began = time.monotonic()
    await anyio.to_thread.run_sync(plan.repo.prepare)
    present = {i for i, file in enumerate(plan.files) if plan.repo.holds(file.key, file.remote.size)}
    tally = Tally(plan, emit)
    with reservations.reserve(plan.blobs):
        tally.start(present)
        cached = tally.done
        missing = _distinct(plan.files, present)
        fetched = await _bring_all(plan, missing, bring, tally, files_at_once)
    tally.change(DownloadStatus.REGISTERING)
    snapshot = await anyio.to_thread.run_sync(_register, plan)
    return Pulled(
        path=snapshot / plan.main if plan.main else snapshot,
        snapshot=snapshot,
        commit=plan.commit,
        choice=plan.choice,
        files=len(plan.files),
        size=tally.done,
        fetched=sum(one.fetched for one in fetched),
        cached=cached,
        resumed=sum(one.resumed for one in fetched),
        seconds=time.monotonic() - began,
    )


async def _bring_all(
    plan: PullPlan, missing: dict[str, list[int]], bring: Bring, tally: Tally, files_at_once: int
) -> Sequence[Fetched]:
    fetched: list[Fetched] = []
    slots = anyio.Semaphore(files_at_once)

    async def one(indices: list[int]) -> None:
        first, file = indices[0], plan.files[indices[0]]
        async with slots:
            tally.file_started(first)
            result = await bring(
                file.remote, plan.repo.blob(file.key), on_progress=lambda news: tally.file_moved(first, news)
            )
        fetched.append(result)
        for index in indices:
            tally.file_finished(index, result)

    await _all_or_first_failure([partial(one, indices) for indices in missing.values()], tally)
    return fetched


async def _all_or_first_failure(jobs: Sequence[Callable[[], Awaitable[None]]], tally: Tally) -> None:
    failures: list[PullError] = []
    async with anyio.create_task_group() as ticking:
        ticking.start_soon(_tick, tally)
        async with anyio.create_task_group() as group:

            async def run(job: Callable[[], Awaitable[None]]) -> None:
                try:
                    await job()
                except PullError as error:
                    failures.append(error)
                    group.cancel_scope.cancel()

            for job in jobs:
                group.start_soon(run, job)
        ticking.cancel_scope.cancel()
    if failures:
        raise failures[0]


async def _tick(tally: Tally) -> None:
    while True:
        await anyio.sleep(TICK_SECONDS)
        tally.tick()


def _distinct(files: Sequence[PlannedFile], present: set[int]) -> dict[str, list[int]]:
    missing: dict[str, list[int]] = {}
    for index, file in enumerate(files):
        if index not in present:
            missing.setdefault(file.key, []).append(index)
    return missing


def _register(plan: PullPlan) -> Path:
    files = [(file.remote.path, file.key) for file in plan.files]
    return plan.repo.register(plan.commit, files, revision=plan.ref)
