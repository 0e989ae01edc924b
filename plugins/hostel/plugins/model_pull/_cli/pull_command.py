"""`hostel pull`: one runtime for the time of the command, every model a request of its session.

What could not be finished is noted in the queue of this user, unless another process owns it, so that
`hostel downloads` lists it and can try again; the bytes are kept in the cache in any case.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import attrs
import typer

from hostel.runtime import Runtime, console
from hostel.runtime.paths import data_dir

from .._errors import PullError, StorageFailed
from .._events import Failed
from .._manager import DownloadManager
from .._queue.persistence import QueueStore
from .._queue.queue import LARGEST_SIZE, MAX_SIZE, Queue, QueueItem
from .._sources.reference import InvalidReference
from .last_rate import LastRate, note_rate
from .render import print_json, renderer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .._queue.download_request import DownloadRequest
    from .._queue.event_bus import Subscription
    from .._queue.handle import PullHandle
    from .render import Renderer

SESSION = "cli"
INTERRUPTED = "interrupted; run the same command again and it goes on from there"


@attrs.define
class Attempt:
    """One model of the command line and how it ended; None means interrupted."""

    request: DownloadRequest
    handle: PullHandle | None = None
    outcome: Path | PullError | None = None


def check_all(requests: Sequence[DownloadRequest]) -> None:
    """End the command with exit code 2 if one of them names nothing, or there are too many."""
    try:
        for request in requests:
            _ = request.reference
    except InvalidReference as error:
        console.fail(error, console.USAGE)
    if len(requests) > LARGEST_SIZE:
        console.fail(f"At most {LARGEST_SIZE} models at once.", console.USAGE)


def pull_all(requests: Sequence[DownloadRequest], *, rate_limit: int | None, as_json: bool) -> None:
    """Pull the models, show how it goes, and exit with 0, 1, 130 or 143."""
    attempts, code = [Attempt(request) for request in requests], console.INTERRUPTED
    try:
        with renderer(as_json=as_json) as shown:
            console.run(lambda: _run(attempts, shown, rate_limit))
    except KeyboardInterrupt:
        pass
    except console.Terminated:
        code = console.TERMINATED
    _note(attempts)
    _note_rate(attempts)
    interrupted = any(attempt.outcome is None for attempt in attempts)
    for attempt in attempts:
        _conclude(attempt, as_json=as_json)
    if interrupted:
        sys.stderr.write(f"hostel: {INTERRUPTED}.\n")
        raise typer.Exit(code)
    if any(isinstance(attempt.outcome, PullError) for attempt in attempts):
        raise typer.Exit(console.FAILED)


async def _run(attempts: Sequence[Attempt], shown: Renderer, rate_limit: int | None) -> None:
    async with Runtime() as runtime:
        manager = runtime.get(DownloadManager)
        manager.rate_limit = rate_limit
        await manager.set_max_queue_size(max(MAX_SIZE, len(attempts)))
        async with anyio.create_task_group() as tasks, manager.subscribe() as events:
            tasks.start_soon(_show, events, shown)
            for attempt in attempts:
                attempt.handle = manager.pull(attempt.request, session_id=SESSION)
            for attempt in attempts:
                await _finish(attempt)


async def _finish(attempt: Attempt) -> None:
    if attempt.handle is not None:
        try:
            attempt.outcome = await attempt.handle
        except PullError as error:
            attempt.outcome = error


async def _show(events: Subscription, shown: Renderer) -> None:
    async for event in events:
        shown.show(event)


def _conclude(attempt: Attempt, *, as_json: bool) -> None:
    name = attempt.handle.download_id if attempt.handle else None
    if isinstance(attempt.outcome, PullError):
        sys.stderr.write(f"hostel: {attempt.outcome}\n")
        if as_json and name is None:
            print_json(_failed(attempt.request.label, str(attempt.outcome), type(attempt.outcome).__name__))
    elif attempt.outcome is None and as_json:
        print_json(_failed(name or attempt.request.label, INTERRUPTED, "Interrupted"))


def _failed(id: str, error: str, kind: str) -> dict[str, object]:
    return {"type": Failed.type, "id": id, "error": error, "kind": kind, "recoverable": kind == "Interrupted"}


def _note(attempts: Sequence[Attempt]) -> None:
    with suppress(StorageFailed):
        store = QueueStore(data_dir())
        if not store.claim():
            return
        try:
            before = store.load() or Queue()
            after = before
            for attempt in attempts:
                after = _noted(after, attempt)
            if after != before:
                store.save(after)
        finally:
            store.release()


def _note_rate(attempts: Sequence[Attempt]) -> None:
    pulled = [attempt.handle.pulled for attempt in attempts if attempt.handle and attempt.handle.pulled]
    known = [one for one in pulled if one.fetched and one.seconds > 0]
    if known:
        # models that are pulled side by side share the line, so that their times are not added up
        rate = sum(one.fetched for one in known) / max(one.seconds for one in known)
        note_rate(data_dir(), LastRate(rate, time.time()), fetched=sum(one.fetched for one in known))


def _noted(queue: Queue, attempt: Attempt) -> Queue:
    name = attempt.handle.download_id if attempt.handle else None
    if name is None:
        return queue
    before = queue.find_failed(name)
    if before is not None:
        queue = queue.remove(name)
    if isinstance(attempt.outcome, PullError):
        error, kind, again = str(attempt.outcome), type(attempt.outcome).__name__, attempt.outcome.recoverable
    elif attempt.outcome is None:
        error, kind, again = INTERRUPTED, "Interrupted", True
    else:
        return queue
    now, progress = time.time(), attempt.handle.progress if attempt.handle else None
    item = QueueItem(
        name,
        name,
        attempt.request,
        now,
        total=progress.total if progress else None,
        downloaded=progress.downloaded if progress else 0,
        attempts=(before.item.attempts if before else 0) + 1,
    )
    return queue.failing(item, error=error, kind=kind, recoverable=again, at=now)
