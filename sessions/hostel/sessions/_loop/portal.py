"""The way into a host from other threads."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import anyio.from_thread
from anyio import NoEventLoopError
from anyio.lowlevel import current_token

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from anyio.lowlevel import EventLoopToken

P = ParamSpec("P")
T = TypeVar("T")


class LoopPortal:
    """Calls coroutine functions on the host's loop from any other thread and returns what they return.

    `portal.call(host.list, filter)`, `portal.call(handle.wait)`: every verb of the host, its handles and
    subscriptions."""

    def __init__(self, token: EventLoopToken) -> None:
        self._token = token

    def call(
        self, func: Callable[P, Coroutine[object, object, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `func(*args, **kwargs)` on the host's loop and wait for it here; what it raises is raised
        here.

        :raises RuntimeError: in the thread of the host's loop, which would wait for itself.
        :raises anyio.RunFinishedError: if that loop is gone.
        """
        if _token_here() == self._token:
            raise RuntimeError("a portal is for other threads: here, await the function itself")
        return anyio.from_thread.run(partial(func, *args, **kwargs), token=self._token)


def _token_here() -> EventLoopToken | None:
    try:
        return current_token()
    except NoEventLoopError:
        return None
