"""Work that is done once for all who want it: a download by its requests, a transfer by its downloads.

Who wants it joins. The last to leave stops it and waits until it has stopped; who asks meanwhile waits for
that and begins anew. So there are never two at the same work.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import anyio

T = TypeVar("T")
S = TypeVar("S", bound="Shared[Any]")


class Shared(Generic[T]):
    """One such piece of work.

    :ivar scope: what it is done in
    :ivar stopping: nobody may join any more
    :ivar outcome: None while it lasts, and for one that was stopped
    """

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self.stopping = False
        self.outcome: T | Exception | None = None
        self.done = anyio.Event()

    async def stop(self) -> None:
        """Stop it, unless somebody else does, and wait until it has stopped."""
        if self.stopping or self.done.is_set():
            await self.done.wait()
            return
        self.stopping = True
        self.scope.cancel()
        # whoever stops it may be cancelled himself, and it must not be left half stopped
        with anyio.CancelScope(shield=True):
            await self.done.wait()


async def joinable(find: Callable[[], S | None]) -> S | None:
    """Return what `find` finds, once it is not about to stop; None if there is nothing to join."""
    while (found := find()) is not None and found.stopping:
        await found.done.wait()
    return found
