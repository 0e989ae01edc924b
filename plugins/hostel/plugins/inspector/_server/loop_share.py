"""A share of the loop, for work that could take all of it.

Every step of the work is timed while it has the loop. When its steps have taken long enough together, whoever
comes to its next turn waits until the loop has been everybody else's for as much longer as the share says;
then those who waited longest go first. The first of those who wait keeps the time for all. What a step costs
is measured and not guessed, so the share holds however many work, whatever a step does, and on either loop;
waiting for a peer costs nothing, nor does what other programs of the machine do meanwhile."""

from __future__ import annotations

from collections import deque
from time import thread_time
from types import coroutine
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

QUANTUM = 0.02
"""Seconds that may be taken at a stretch."""
WOKEN_AT_ONCE = 16
"""How many are woken at once: waking has a cost of its own, so no more than have time to work."""
TURNS_TO_WAKE = 2


class _Waiter:
    def __init__(self) -> None:
        self.called = anyio.Event()
        self.may_work = False


class Share:
    """Work that takes `part` of the loop's time at most."""

    def __init__(self, part: float) -> None:
        self._others_per_ours = (1 - part) / part
        self._taken = 0.0
        self._waiting: deque[_Waiter] = deque()

    async def turn(self) -> None:
        """Wait until there is time to work."""
        # not even a checkpoint: a stream that nobody competes with costs nothing
        if self._taken <= QUANTUM and not self._waiting:
            return
        mine = _Waiter()
        self._waiting.append(mine)
        try:
            if self._waiting[0] is not mine:
                await mine.called.wait()
            if not mine.may_work:
                await self._keep_time()
        except BaseException:
            self._leave(mine)
            raise

    async def _keep_time(self) -> None:
        """Wait until the others have had the loop, then let the first in, the caller among them."""
        for _ in range(TURNS_TO_WAKE):
            await anyio.lowlevel.checkpoint()  # those let in before it work now
        while self._taken > QUANTUM:
            taken, self._taken = self._taken, 0.0
            await anyio.sleep(taken * self._others_per_ours)
        for _ in range(min(WOKEN_AT_ONCE, len(self._waiting))):
            waiter = self._waiting.popleft()
            waiter.may_work = True
            waiter.called.set()
        self._call_first()

    def _leave(self, waiter: _Waiter) -> None:
        if not waiter.may_work:
            self._waiting.remove(waiter)
            self._call_first()

    def _call_first(self) -> None:
        if self._waiting:
            self._waiting[0].called.set()

    @coroutine
    def timed(self, work: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
        """Run `work` and count what each of its steps takes."""
        step: Callable[[Any], Any] = work.send
        given: Any = None
        while True:
            began = thread_time()
            try:
                wanted = step(given)
            except StopIteration:
                return
            finally:
                self._taken += thread_time() - began
            try:
                step, given = work.send, (yield wanted)
            except BaseException as error:  # noqa: BLE001 - the work's own affair, cancellation too
                # errors go into the work, as `await` would have it
                step, given = work.throw, error
