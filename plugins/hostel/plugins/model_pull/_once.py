"""One model, pulled by whoever awaits it: no queue, nobody to share with."""

from collections.abc import Iterable

from ._cache.disk_space import DiskReservations
from ._errors import PullError
from ._events import Completed, DownloadEvent, Failed
from ._queue.plan import DEFAULT_OPTIONS, Advise, PullOptions, plan_pull
from ._queue.progress import Emit
from ._queue.pull import Pulled, carry_out
from ._queue.shared_transfers import UNLIMITED, Network
from ._sources.base import ModelSource
from ._sources.folder import FolderSource
from ._sources.hub import HubSource
from ._sources.reference import parse_reference
from ._sources.url import UrlSource


def builtin_sources() -> list[ModelSource]:
    """Return the sources that are always there: the hub, plain URLs and folders of this machine."""
    return [HubSource(), UrlSource(), FolderSource()]


async def pull_once(
    reference: str,
    options: PullOptions = DEFAULT_OPTIONS,
    *,
    sources: Iterable[ModelSource] | None = None,
    advise: Advise | None = None,
    network: Network = UNLIMITED,
    reservations: DiskReservations | None = None,
    emit: Emit | None = None,
) -> Pulled:
    """Pull one model into the cache and return where it is.

    Cancelling keeps what was fetched; the next call goes on from there.

    :param reference: `org/repo[:QUANT][@revision]`, a URL or a folder
    :param sources: None is the built-in ones
    :param emit: told what happens; must return at once and not raise
    :raises PullError: one sentence that says who can do what
    """
    tell = emit or _nobody
    plan = await plan_pull(parse_reference(reference), sources or builtin_sources(), options, advise=advise)
    try:
        pulled = await carry_out(plan, network, tell, reservations=reservations or DiskReservations())
    except PullError as error:
        tell(Failed(plan.id, str(error), type(error).__name__, error.recoverable))
        raise
    tell(Completed(plan.id, str(pulled.path)))
    return pulled


def _nobody(event: DownloadEvent) -> None:
    pass
