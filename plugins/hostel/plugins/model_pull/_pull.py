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
from hostel.plugins.model_pull._disk import DiskReservations, partial_path
from hostel.plugins.model_pull._events import DownloadStatus
from hostel.plugins.model_pull._fetch import ConnectionBudget, Fetched, Limiter, Pace, discard_partial, fetch
from hostel.plugins.model_pull._plan import PlannedFile, PullPlan
from hostel.plugins.model_pull._recheck import sound
from hostel.plugins.model_pull._remote import RemoteFile
from hostel.plugins.model_pull._room import PATIENCE, with_room
from hostel.plugins.model_pull._shared import Listener
from hostel.plugins.model_pull._tally import Emit, Tally

FILES_AT_ONCE = 3
TICK_SECONDS = 0.5


class Bring(Protocol):
    """Makes one blob of one remote file."""

    async def __call__(self, file: RemoteFile, blob: Path, *, on_progress: Listener) -> Fetched: ...


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
        self, file: RemoteFile, blob: Path, *, on_progress: Listener, limiter: Pace | None = None
    ) -> Fetched:
        if file.url.startswith("file:"):
            return await copy(file, blob, on_progress=on_progress)
        return await fetch(
            file, blob, budget=self.connections, limiter=limiter or self.limiter, on_progress=on_progress
        )


UNLIMITED = Network()


async def carry_out(
    plan: PullPlan,
    bring: Bring,
    emit: Emit,
    *,
    reservations: DiskReservations,
    files_at_once: int = FILES_AT_ONCE,
    recheck: bool = False,
    room_patience: float = PATIENCE,
) -> Pulled:
    """Pull every file of the plan that is not here and link the snapshot.

    :param emit: told what happens, from `started` to the last file; must return at once
    :param recheck: hold what is here against its checksums, and fetch again what differs or has none
    :param room_patience: seconds to wait for room if the disk fills up meanwhile
    :raises PullError: if one file cannot be had; `NoSpace` before anything is fetched, or when patience ends
    """
    began = time.monotonic()
    await anyio.to_thread.run_sync(plan.repo.prepare)
    present = set(plan.present())
    if recheck:
        present = await anyio.to_thread.run_sync(_rechecked, plan, present)
    await _drop_overtaken(plan, present)
    tally = Tally(plan, emit)
    with reservations.reserve(plan.blobs):
        tally.start(present)
        cached = tally.done
        missing = _distinct(plan.files, present)
        fetched = await _bring_all(plan, missing, bring, tally, files_at_once, room_patience)
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
    plan: PullPlan,
    missing: dict[str, list[int]],
    bring: Bring,
    tally: Tally,
    files_at_once: int,
    room_patience: float,
) -> Sequence[Fetched]:
    fetched: list[Fetched] = []
    waiting = iter(missing.values())

    async def work() -> None:
        for indices in waiting:
            first, file = indices[0], plan.files[indices[0]]
            tally.file_started(first)
            moved = partial(tally.file_moved, first)
            result = await with_room(
                partial(bring, file.remote, plan.repo.blob(file.key), on_progress=moved),
                patience=room_patience,
                on_short=partial(tally.file_short, first),
            )
            fetched.append(result)
            for index in indices:
                tally.file_finished(index, result)

    failure: Exception | None = None
    async with anyio.create_task_group() as ticking:
        ticking.start_soon(_tick, tally)
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


async def _tick(tally: Tally) -> None:
    while True:
        await anyio.sleep(TICK_SECONDS)
        tally.tick()


async def _drop_overtaken(plan: PullPlan, present: set[int]) -> None:
    """Remove partials of files that somebody else has finished meanwhile."""
    for index in present:
        blob = plan.blobs[index][0]
        if partial_path(blob).exists():
            await discard_partial(blob)


def _rechecked(plan: PullPlan, present: set[int]) -> set[int]:
    blobs = plan.blobs
    kept = {index for index in present if sound(plan.files[index].remote, blobs[index][0])}
    for index in present - kept:
        blobs[index][0].unlink(missing_ok=True)
    return kept


def _distinct(files: Sequence[PlannedFile], present: set[int]) -> dict[str, list[int]]:
    missing: dict[str, list[int]] = {}
    for index, file in enumerate(files):
        if index not in present:
            missing.setdefault(file.key, []).append(index)
    return missing


def _register(plan: PullPlan) -> Path:
    files = [(file.remote.path, file.key) for file in plan.files]
    return plan.repo.register(plan.commit, files, revision=plan.ref)
