"""What runs beside the tasks of a runtime, from its opening to its closing: servers, listeners, watchers of
plugins.

A service is not a task: nobody lists, cancels or transfers it. It is cancelled when its runtime closes and
waited for, at most 5 seconds. One that raises is over, and that is noted against its plugin. A task group
would do, but it would wrap whatever the application raises inside `async with Runtime()` in an exception
group."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVarTuple

from hostel.sessions._crew import Crew

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hostel.sessions._crew import Scope

Args = TypeVarTuple("Args")

STOP_SECONDS = 5.0

log = logging.getLogger("hostel.runtime")


class Services:
    """The services of one open runtime."""

    def __init__(self, on_failure: Callable[[str, Exception], None]) -> None:
        self._crew = Crew()
        self._scopes: set[Scope] = set()
        self._on_failure = on_failure

    def start(self, owner: str, func: Callable[[*Args], Awaitable[object]], *args: *Args) -> None:
        """Run `func(*args)` for the plugin `owner` until it returns or the runtime closes."""
        scope = self._crew.scope()
        self._scopes.add(scope)
        self._crew.start(self._run, scope, owner, func, args)

    async def drain(self) -> None:
        """Give services that end by themselves the time to do so."""
        await self._crew.join(STOP_SECONDS)

    async def aclose(self) -> None:
        """Cancel what runs and wait for it."""
        for scope in self._scopes:
            scope.cancel()
        if not await self._crew.join(STOP_SECONDS):
            log.warning("%d services ignore their cancellation", len(self._crew))

    async def _run(
        self, scope: Scope, owner: str, func: Callable[[*Args], Awaitable[object]], args: tuple[*Args]
    ) -> None:
        try:
            with scope:
                await func(*args)
        except Exception as error:
            log.exception("a service of plugin %r raised", owner)
            self._on_failure(owner, error)
        finally:
            self._scopes.discard(scope)
