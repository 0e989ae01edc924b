"""One remote file becomes one verified local file."""

from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import attrs

from .._cache.layout import part_path
from .._cache.verify import Verified
from .._sources.remote_file import RemoteFile
from .concurrency import ConnectionBudget
from .lock import locked, locked_now
from .part_file import discard_files
from .rate_limiter import Pace
from .report import Fetched, FetchPhase, FetchProgress
from .transfer import Terms, Transfer

REPORT_SECONDS = 0.15


async def fetch(
    file: RemoteFile,
    blob: Path,
    *,
    connections: int | None = None,
    budget: ConnectionBudget | None = None,
    limiter: Pace | None = None,
    verify: bool = True,
    record: Path | None = None,
    retry_seconds: float = 300.0,
    stall: float = 15.0,
    connect_timeout: float = 10.0,
    on_progress: Callable[[FetchProgress], None] | None = None,
) -> Fetched:
    """Bring `file` to `blob`, continuing what an earlier call or process left beside it.

    Cancelling the surrounding scope ends all traffic at once, joins every thread and leaves a partial that
    the next call continues. A process that writes the same blob is waited for. An existing blob of the right
    size and checksum is adopted, also one that appears meanwhile; another one is replaced.

    :param blob: the final name; its folder is made if needed. The partial is `<blob>.hostel.part`
    :param connections: at most so many for this file; None leaves it to the budget
    :param budget: shared by the transfers of a process; None gives this call one of its own
    :param limiter: bytes per second, possibly beneath another limiter; None is unlimited
    :param verify: hold the content against `file.digest` before it gets its name
    :param record: remembers across calls which blobs were found true, so that each is read once; None forgets
    :param retry_seconds: seconds without progress before giving up; 0 allows no second try
    :param stall: seconds a connection may be silent before it is replaced; one far too slow has no more
    :param on_progress: called in the event loop, 4 to 10 times a second while something changes
    :raises PullError: one of its kinds, see there
    """
    terms = Terms(connections, limiter, verify, Verified(record), retry_seconds, stall, connect_timeout)
    if connections is not None and connections < 1:
        raise ValueError(f"at least one connection is needed, not {connections}")
    telling = _Telling(on_progress)
    transfer = Transfer(file, blob, budget or ConnectionBudget(), terms)
    waiting = FetchProgress(FetchPhase.LOCKED_OUT, 0, file.size)
    async with locked(part_path(blob), on_wait=lambda: telling.tell(waiting)):
        fetched = await _carried(transfer, telling)
    return attrs.evolve(fetched, callback_error=telling.error)


async def discard_partial(blob: Path) -> bool:
    """Remove what an interrupted transfer left beside `blob`; True if there was something.

    Leaves it alone, and returns False, while another process or task is writing it.
    """

    def discard() -> bool:
        with locked_now(part_path(blob)) as held:
            return held and discard_files(part_path(blob))

    return await anyio.to_thread.run_sync(discard)


class _Telling:
    """The caller's callback, until it raises; then its error, once."""

    def __init__(self, callback: Callable[[FetchProgress], None] | None) -> None:
        self._callback = callback
        self._told: FetchProgress | None = None
        self.error: Exception | None = None

    def tell(self, progress: FetchProgress) -> None:
        if self._callback is None or progress == self._told:
            return
        self._told = progress
        try:
            self._callback(progress)
        except Exception as error:  # noqa: BLE001 - a callback must not fail the transfer; the caller gets its error
            self.error, self._callback = error, None


async def _carried(transfer: Transfer, telling: _Telling) -> Fetched:
    """Run the transfer in a thread of its own; cancelling stops it first and then waits for it."""
    outcome: Fetched | Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_stop_when_cancelled, transfer)
        tasks.start_soon(_report, transfer, telling)
        try:
            outcome = await anyio.to_thread.run_sync(transfer.run, limiter=anyio.CapacityLimiter(1))
        except Exception as error:  # noqa: BLE001 - raised below, outside the task group and its exception group
            outcome = error
        tasks.cancel_scope.cancel()
    await anyio.lowlevel.checkpoint_if_cancelled()
    if isinstance(outcome, Fetched):
        telling.tell(attrs.evolve(transfer.progress(), done=outcome.size, total=outcome.size))
        return outcome
    telling.tell(transfer.progress())
    raise outcome or RuntimeError("the transfer was stopped and nobody cancelled it")


async def _stop_when_cancelled(transfer: Transfer) -> None:
    try:
        await anyio.sleep_forever()
    finally:
        transfer.stop()


async def _report(transfer: Transfer, telling: _Telling) -> None:
    while True:
        telling.tell(transfer.progress())
        await anyio.sleep(REPORT_SECONDS)
