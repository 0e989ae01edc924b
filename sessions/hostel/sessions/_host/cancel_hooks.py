"""Calling the cancel hook of an external task: a stranger's code, which may raise or hang and must hurt
nobody.
"""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING

import anyio

from .context import enter_nothing

if TYPE_CHECKING:
    from collections.abc import Callable

    from .entry import Entry, Hook
    from .spawner import Crew

log = logging.getLogger("hostel.sessions")

HOOK_SECONDS = 5.0
"""How long a cancel hook may take, unless its caller waits longer."""


async def call_hook(
    crew: Crew, entry: Entry, seconds: float, then: Callable[[], object] | None = None
) -> bool:
    """Call the hook of `entry` and tell whether it returned within `seconds`; if it does, even later, call
    `then`.

    It runs in `crew`, in the context of whoever registered it and outside any task, so that a caller who is
    cancelled or impatient does not cut it short; when its own time is over it is cancelled. A hook that has
    returned is not called again, one that runs is waited for, one that failed is tried again. A task without
    a hook is as one whose hook has returned.
    """
    call = entry.hook_call
    if entry.hook is not None and (call is None or call.failed):
        call = entry.hook_call = HookCall(entry.record.id, entry.hook)
        crew.start(call.run, max(seconds, HOOK_SECONDS), context=entry.hook.context.copy())
    if call is None or call.returned:
        if then is not None:
            then()
        return True
    call.then = then or call.then
    with anyio.move_on_after(seconds):
        await call.over.wait()
    return call.returned


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
        enter_nothing()
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
