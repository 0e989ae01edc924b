"""A plan carried out: room on the disk, every missing file, then the snapshot.

The files of a model are one thing: the first that fails stops the others, and nothing is linked until
all are here. What was fetched stays for the next time.
"""

import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import attrs

from .._cache.disk_space import SPACE_SECONDS, DiskReservations, with_disk_space
from .._cache.known import keep_listing
from .._cache.layout import part_path, record_of
from .._cache.verify import Verified
from .._engine import (
    Fetched,
    Limiter,
    discard_partial,
)
from .._events import DownloadStatus, Notice
from .._select.quantization import Choice
from .._sources.reference import HUB
from .plan import PlannedFile, PullPlan
from .progress import Emit, PullProgress
from .shared_transfers import Network, Transfers

FILES_AT_ONCE = 3
TICK_SECONDS = 0.5


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


async def carry_out(
    plan: PullPlan,
    network: Network | Transfers,
    emit: Emit,
    *,
    reservations: DiskReservations,
    limiter: Limiter | None = None,
    files_at_once: int = FILES_AT_ONCE,
    recheck: bool = False,
    room_patience: float = SPACE_SECONDS,
) -> Pulled:
    """Pull every file of the plan that is not here and link the snapshot.

    What is here is held against its checksum once, and fetched again if it differs.

    :param network: by itself, or shared with the other pulls of this process
    :param emit: told what happens, from `started` to the last file; must return at once
    :param recheck: hold what is here against its checksums once more, and fetch again what has none
    :param room_patience: seconds to wait for room if the disk fills up meanwhile
    :raises PullError: if one file cannot be had; `NoSpace` before anything is fetched, or when that wait ends
    """
    began = time.monotonic()
    progress = PullProgress(plan, emit)
    if plan.unreached is not None:
        emit(
            Notice(
                plan.id, f"from the cache alone: {plan.unreached.host} is not asked ({plan.unreached.reason})"
            )
        )
    present = await _true_ones(plan, progress, recheck)
    # nothing is written where nothing has to be: a cache may be on a disk that is only read
    if len(present) < len(plan.files):
        if plan.unreached is not None:
            raise plan.unreached
        await anyio.to_thread.run_sync(plan.repo.prepare)
    await _drop_overtaken(plan, present)
    with reservations.reserve(plan.blobs):
        progress.start(present)
        cached = progress.done
        missing = _distinct(plan.files, present)
        fetch = partial(network.fetch, limiter=limiter)
        fetched = await _fetch_all(plan, missing, fetch, progress, files_at_once, room_patience)
    progress.change(DownloadStatus.REGISTERING)
    snapshot = await anyio.to_thread.run_sync(_register, plan)
    return Pulled(
        path=snapshot / plan.main if plan.main else snapshot,
        snapshot=snapshot,
        commit=plan.commit,
        choice=plan.choice,
        files=len(plan.files),
        size=progress.done,
        fetched=sum(one.fetched for one in fetched),
        cached=cached,
        resumed=sum(one.resumed for one in fetched),
        seconds=time.monotonic() - began,
    )


async def _fetch_all(
    plan: PullPlan,
    missing: dict[str, list[int]],
    fetch: Callable[..., Awaitable[Fetched]],
    progress: PullProgress,
    files_at_once: int,
    room_patience: float,
) -> Sequence[Fetched]:
    fetched: list[Fetched] = []
    waiting = iter(missing.values())

    async def work() -> None:
        for indices in waiting:
            first, file = indices[0], plan.files[indices[0]]
            progress.file_started(first)
            moved = partial(progress.file_moved, first)
            result = await with_disk_space(
                partial(fetch, file.remote, plan.repo.blob(file.key), on_progress=moved),
                seconds=room_patience,
                on_short=partial(progress.file_short, first),
            )
            fetched.append(result)
            for index in indices:
                progress.file_finished(index, result)

    failure: Exception | None = None
    async with anyio.create_task_group() as ticking:
        # a stall is told too: without news the rate falls
        ticking.start_soon(_tick, progress)
        failure = await _first_failure(work, min(files_at_once, len(missing)))
        ticking.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return fetched


async def _first_failure(work: Callable[[], Awaitable[None]], workers: int) -> Exception | None:
    failures: list[Exception] = []
    async with anyio.create_task_group() as group:

        async def run() -> None:
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - raised by the caller, outside these task groups
                failures.append(error)
                group.cancel_scope.cancel()

        for _ in range(workers):
            group.start_soon(run)
    return failures[0] if failures else None


async def _tick(progress: PullProgress) -> None:
    while True:
        await anyio.sleep(TICK_SECONDS)
        progress.tick()


async def _drop_overtaken(plan: PullPlan, present: set[int]) -> None:
    """Remove partials of files that somebody else has finished meanwhile."""
    for index in present:
        blob = plan.blobs[index][0]
        if part_path(blob).exists():
            await discard_partial(blob)


async def _true_ones(plan: PullPlan, progress: PullProgress, recheck: bool) -> set[int]:
    """Return which files are here and true; what is not true is removed."""
    left, found = threading.Event(), set[int]()

    def tell() -> None:
        anyio.from_thread.run_sync(progress.change, DownloadStatus.VERIFYING)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_set_when_cancelled, left)
        found = await anyio.to_thread.run_sync(_verified, plan, recheck, left, tell)
        tasks.cancel_scope.cancel()
    # the thread was told to give up, so that what it found is not all there is
    await anyio.lowlevel.checkpoint_if_cancelled()
    progress.change(DownloadStatus.DOWNLOADING)
    return found


async def _set_when_cancelled(event: threading.Event) -> None:
    try:
        await anyio.sleep_forever()
    finally:
        event.set()


def _verified(plan: PullPlan, recheck: bool, left: threading.Event, tell: Callable[[], None]) -> set[int]:
    blobs, verified = plan.blobs, Verified(record_of(plan.repo.blobs))
    true = set()
    for index in plan.present():
        (blob, size), digest = blobs[index], plan.files[index].remote.digest
        if verified.holds(blob, size, digest, anew=recheck, stopped=left.is_set, on_read=tell):
            true.add(index)
        # not true, and not merely unread because the pull was cancelled
        elif not left.is_set():
            blob.unlink(missing_ok=True)
    return true


def _distinct(files: Sequence[PlannedFile], present: set[int]) -> dict[str, list[int]]:
    missing: dict[str, list[int]] = {}
    for index, file in enumerate(files):
        if index not in present:
            # files of equal content are one blob, fetched once
            missing.setdefault(file.key, []).append(index)
    return missing


def _register(plan: PullPlan) -> Path:
    files = [(file.remote.path, file.key) for file in plan.files]
    snapshot = plan.repo.register(plan.commit, files, revision=plan.ref)
    if plan.reference.scheme == HUB and plan.unreached is None:
        keep_listing(plan.repo, plan.commit, plan.listed)
    return snapshot
