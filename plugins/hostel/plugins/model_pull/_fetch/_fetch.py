"""One remote file becomes one verified local file."""

from collections.abc import Callable
from pathlib import Path

from hostel.plugins.model_pull._fetch._budget import ConnectionBudget
from hostel.plugins.model_pull._fetch._limiter import Limiter
from hostel.plugins.model_pull._fetch._report import Fetched, FetchProgress, Partial
from hostel.plugins.model_pull._remote import RemoteFile


async def fetch(
    file: RemoteFile,
    blob: Path,
    *,
    connections: int | None = None,
    budget: ConnectionBudget | None = None,
    limiter: Limiter | None = None,
    verify: bool = True,
    patience: float = 300.0,
    stall: float = 15.0,
    connect_timeout: float = 10.0,
    on_progress: Callable[[FetchProgress], None] | None = None,
) -> Fetched:
    """Bring `file` to `blob`, continuing what an earlier call or process left beside it.

    Cancelling the surrounding scope ends all traffic at once, joins every thread and leaves a partial that
    the next call continues. A process that writes the same blob is waited for. An existing blob of the right
    size is adopted.

    :param blob: the final name; its folder exists. Until then the bytes are in `<blob>.hostel.part`
    :param connections: at most so many for this file; None leaves it to the budget
    :param budget: shared by the transfers of a process; None gives this call one of its own
    :param limiter: bytes per second, possibly beneath another limiter; None is unlimited
    :param verify: hold the content against `file.digest` before it gets its name
    :param patience: seconds without a single byte before giving up; 0 allows no second try
    :param stall: seconds a connection may be silent before it is replaced
    :param on_progress: called in the event loop, 4 to 10 times a second while something changes
    :raises PullError: one of its kinds, see there
    """
    raise NotImplementedError


def partial_of(file: RemoteFile, blob: Path) -> Partial | None:
    """Return what the next `fetch` of `file` to `blob` will continue from, None if it starts from nothing."""
    raise NotImplementedError


async def discard_partial(blob: Path) -> bool:
    """Remove what an interrupted transfer left beside `blob`; True if there was something.

    Leaves it alone, and returns False, while another process is writing it.
    """
    raise NotImplementedError
