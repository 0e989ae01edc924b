"""A share of the loop, for work that could take all of it.

Every step of the work is timed while it has the loop. When its steps have taken long enough together, whoever
comes to its next turn waits until the loop has been everybody else's for as much longer as the share says;
then those who waited longest go first. What a step costs is measured and not guessed, so the share holds
however many work, whatever a step does, and on either loop; waiting for a peer costs nothing."""

from __future__ import annotations

from collections import deque
from time import perf_counter
from types import coroutine
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

QUANTUM = 0.02
"""Seconds that may be taken at a stretch."""
CROWD = 16
"""How many are woken at once: waking has a cost of its own, so no more than have time to work."""
TURNS_TO_WAKE = 2


class Share:
    """Work that takes `part` of the loop's time at most, `run` beside it."""

    def __init__(self, part: float) -> None:
        self._rest = (1 - part) / part
        self._taken = 0.0
        self._enough = anyio.Event()
        self._waiting: deque[anyio.Event] = deque()

    async def turn(self) -> None:
        """Wait until there is time to work."""
        if self._enough.is_set():
            mine = anyio.Event()
            self._waiting.append(mine)
            await mine.wait()

    async def run(self) -> None:
        """Keep the work within its share, for ever."""
        while True:
            await self._enough.wait()
            while self._taken > QUANTUM or self._waiting:
                taken, self._taken = self._taken, 0.0
                await anyio.sleep(taken * self._rest)
                await self._let_in()
            self._enough = anyio.Event()

    async def _let_in(self) -> None:
        while self._waiting and self._taken < QUANTUM:
            for _ in range(min(CROWD, len(self._waiting))):
                self._waiting.popleft().set()
            for _ in range(TURNS_TO_WAKE):
                await anyio.lowlevel.checkpoint()

    @coroutine
    def timed(self, work: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
        """Run `work` and count what each of its steps takes."""
        step: Callable[[Any], Any] = work.send
        given: Any = None
        while True:
            began = perf_counter()
            try:
                wanted = step(given)
            except StopIteration:
                return
            finally:
                self._count(perf_counter() - began)
            try:
                step, given = work.send, (yield wanted)
            except BaseException as error:  # noqa: BLE001 - the work's own affair, cancellation too
                step, given = work.throw, error

    def _count(self, seconds: float) -> None:
        self._taken += seconds
        if self._taken > QUANTUM:
            self._enough.set()
