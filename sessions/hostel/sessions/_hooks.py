"""Calling the cancel hook of an external task: a stranger's code, which may raise or hang and must hurt
nobody.
"""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from ._crew import Crew
    from ._entry import CancelHook, Entry

log = logging.getLogger("hostel.sessions")


async def call_hook(crew: Crew, entry: Entry, seconds: float) -> bool:
    """Call the hook of `entry`, if it has one, and tell whether it returned within `seconds`.

    It runs in `crew`, so that a caller who is cancelled does not cut it short; when its time is over it is
    cancelled. A hook that has returned is not called again, one that runs is waited for, one that failed is
    tried again.
    """
    if entry.hook is None:
        return True
    call = entry.hook_call
    if call is None or (call.over.is_set() and not call.returned):
        call = entry.hook_call = HookCall(entry.record.id, entry.hook)
        crew.start(call.run, seconds)
    await call.over.wait()
    return call.returned


class HookCall:
    """One call of a cancel hook."""

    def __init__(self, task_id: str, hook: CancelHook) -> None:
        self._task_id = task_id
        self._hook = hook
        self.over = anyio.Event()
        self.returned = False

    async def run(self, seconds: float) -> None:
        """Call the hook; never raises."""
        try:
            with anyio.move_on_after(seconds):
                answer = self._hook()
                if inspect.isawaitable(answer):
                    await answer
                self.returned = True
        except Exception:
            log.exception("the cancel hook of task %r raised", self._task_id)
        else:
            if not self.returned:
                log.warning("the cancel hook of task %r took longer than %g s", self._task_id, seconds)
        finally:
            self.over.set()
