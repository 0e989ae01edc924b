"""`hostel pull --dry-run`: what would be pulled, why, where it would lie and how long it would take.

The plan is made as a pull makes it, with the sources and the choices of all plugins; then the disk is
asked what is there. Nothing is fetched and nothing is written.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import anyio.to_thread
import attrs
import typer

from hostel.runtime import Runtime, console
from hostel.runtime.paths import data_dir
from hostel.runtime.text import clock_text, rate_text, size_text

from .._cache.disk_space import existing_ancestor, free_bytes, still_needed
from .._errors import PullError
from .._manager import DownloadManager
from .last_rate import LastRate, last_rate
from .render import print_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from .._queue.download_request import DownloadRequest
    from .._queue.plan import PlannedFile, PullPlan


@attrs.frozen
class DryRun:
    """A plan beside what is on the disk.

    :ivar present: indices of the files that are here
    :ivar missing: bytes that are yet to fetch; files of unknown size count nothing
    :ivar place: the folder that the model would be in
    :ivar free: bytes that are free there
    :ivar last: how fast the last pull was, None if unknown
    """

    plan: PullPlan
    present: frozenset[int]
    missing: int
    place: Path
    free: int
    last: LastRate | None

    @property
    def seconds(self) -> float | None:
        """Return how long the fetching would take, None if unknown."""
        unknown = self.plan.total is None or self.last is None
        return None if unknown or self.last is None else self.missing / self.last.rate


def plan_all(requests: Sequence[DownloadRequest], *, as_json: bool) -> None:
    """Print the plan of each model; what cannot be planned is one sentence, and the exit code is 1."""
    found = console.run(lambda: _plans(requests))
    for one in found:
        if isinstance(one, PullError):
            console.warn(one)
        elif as_json:
            print_json(to_json(one))
        else:
            sys.stdout.write("\n".join(lines_of(one)) + "\n")
    if any(isinstance(one, PullError) for one in found):
        raise typer.Exit(console.FAILED)


def lines_of(run: DryRun) -> Iterator[str]:
    """Give the plan as lines for people."""
    plan = run.plan
    yield f"{plan.id} at {plan.commit[:12]}"
    width = max(len(_size(file)) for file in plan.files)
    for index, file in enumerate(plan.files):
        here = " (here)" if index in run.present else ""
        yield f"  {_size(file):>{width}}  {file.remote.path}{here}"
    if plan.choice is not None:
        yield f"Chosen: {plan.choice.why}."
    elif plan.format is not None:
        yield f"Format: {plan.format}."
    yield from plan.notices
    yield _sum(run)
    room = "" if run.missing <= run.free else ": it does not fit"
    yield f"To {run.place}, where {size_text(run.free)} are free{room}."


def to_json(run: DryRun) -> dict[str, object]:
    """Return the plan for a program; bytes and seconds, null where unknown."""
    plan, choice = run.plan, run.plan.choice
    return {
        "type": "plan",
        "id": plan.id,
        "commit": plan.commit,
        "files": [
            {"path": file.remote.path, "size": file.remote.size, "here": index in run.present}
            for index, file in enumerate(plan.files)
        ],
        "total": plan.total,
        "missing": run.missing,
        "format": plan.format,
        "quantization": choice.option.name if choice else None,
        "why": choice.why if choice else None,
        "notices": list(plan.notices),
        "place": str(run.place),
        "free": run.free,
        "rate": run.last.rate if run.last else None,
        "seconds": run.seconds,
    }


async def _plans(requests: Sequence[DownloadRequest]) -> list[DryRun | PullError]:
    async with Runtime() as runtime:
        manager = runtime.get(DownloadManager)
        return [await _planned(manager, request) for request in requests]


async def _planned(manager: DownloadManager, request: DownloadRequest) -> DryRun | PullError:
    try:
        plan = await manager.plan(request)
    except PullError as error:
        return error
    return await anyio.to_thread.run_sync(_beside_the_disk, plan)


def _beside_the_disk(plan: PullPlan) -> DryRun:
    # files of equal content are one blob
    blobs = {path: size for path, size in plan.blobs if size is not None}
    return DryRun(
        plan,
        frozenset(plan.present()),
        sum(still_needed(*blob) for blob in blobs.items()),
        plan.repo.snapshot(plan.commit),
        free_bytes(existing_ancestor(plan.repo.folder)),
        last_rate(data_dir()),
    )


def _size(file: PlannedFile) -> str:
    return size_text(file.remote.size) if file.remote.size is not None else "size unknown"


def _sum(run: DryRun) -> str:
    total = run.plan.total
    count = f"{len(run.plan.files)} file" + ("s" if len(run.plan.files) != 1 else "")
    size = size_text(total) if total is not None else "size unknown"
    if total is not None and not run.missing:
        return f"{count}, {size}, all of it here."
    rest = "" if total is None or run.missing == total else f", {size_text(run.missing)} to fetch"
    if run.seconds is None or run.last is None:
        return f"{count}, {size}{rest}; how long it takes is not known."
    return (
        f"{count}, {size}{rest}: {clock_text(run.seconds)} at {rate_text(run.last.rate)}, as the last pull."
    )
