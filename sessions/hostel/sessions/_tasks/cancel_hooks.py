"""Calling the cancel hook of an external task: a stranger's code, which may raise or hang and must hurt
nobody.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio
import attrs

from .._loop.current import enter

if TYPE_CHECKING:
    from contextvars import Context

log = logging.getLogger("hostel.sessions")

HOOK_SECONDS = 5.0
"""How long a cancel hook may take, unless its caller waits longer."""


CancelHook = Callable[[], Awaitable[object] | object]
"""How to stop an external task: async or sync, without arguments."""


@attrs.frozen
class Hook:
    """A cancel hook and the context variables of whoever registered it."""

    func: CancelHook
    context: Context


class HookCall:
    """One call of a cancel hook."""

    def __init__(self, task_id: str, hook: Hook) -> None:
        self._task_id = task_id
        self._hook = hook
        self.over = anyio.Event()
        self.returned = False
        self.then: Callable[[], object] | None = None

    @property
    def failed(self) -> bool:
        """Whether it is over without having returned."""
        return self.over.is_set() and not self.returned

    async def run(self, seconds: float) -> None:
        """Call the hook; never raises."""
        enter(None)
        try:
            with anyio.move_on_after(seconds) as scope:
                answer = self._hook.func()
                if inspect.isawaitable(answer):
                    await answer
                self.returned = True
        except BaseException:  # the boundary of a stranger's code
            log.exception("the cancel hook of task %r raised", self._task_id)
        else:
            if scope.cancelled_caught:
                log.warning("the cancel hook of task %r took longer than %g s", self._task_id, seconds)
            elif self.then is not None:
                self.then()
        finally:
            self.over.set()
