"""When streams have the loop, and when they leave it to others.

Streams take the loop in stretches, with a pause after each. What their steps take is measured, and so is what
others take in the pauses: a loop that runs nothing then belongs to the streams, so the next pause is short;
one that is busy all the time is left to the others, but for a small part. Work is measured on the clock of
the thread and set against what the thread could have had of its processor, which the steps themselves tell:
other programs of the machine make the loop neither busy nor idle. News of others is believed at once, their
absence little by little. Whoever comes while all pause waits; those who waited longest go first."""

from __future__ import annotations

from collections import deque
from time import perf_counter, thread_time
from types import coroutine
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

STRETCH = 0.02
"""Seconds of work at a stretch."""
LEAST = 0.125
"""The part of the loop that streams have beside others who want all of it."""
MOST = 0.95
LONGEST = 1.0
"""Seconds after which a pause ends, however little the machine has let the others do."""
MEMORY = 0.7
"""How much of what others were seen to take is expected after they were not seen to."""
SLOWEST = 0.02
WOKEN_AT_ONCE = 16
"""How many are woken at once: waking has a cost of its own, so no more than have time to work."""
TURNS_TO_WAKE = 2


@attrs.define
class Pace:
    """How long a stretch of work lasts and the pause after it; it knows neither clock nor loop."""

    busy: float = 0.0
    """How much of the loop others want, from 0 to 1."""
    speed: float = 1.0
    """How much of a processor the thread has, from 0 to 1, as far as it wants it."""
    _worked: float = 0.0
    _lasted: float = 0.0

    def work(self, worked: float, lasted: float) -> None:
        """Count a step that kept the processor busy for `worked` of the `lasted` seconds it took."""
        self._worked += worked
        self._lasted += lasted

    @property
    def worked(self) -> float:
        """Seconds of work since the last pause."""
        return self._worked

    @property
    def is_over(self) -> bool:
        """Tell whether it is time for a pause."""
        return self._worked > STRETCH

    def pause(self) -> float:
        """Return how many seconds the others are to have the loop."""
        part = max(LEAST, MOST - self.busy)
        return min(LONGEST, self._worked / self.speed * (1 - part) / part)

    def resume(self, worked: float, lasted: float, paused: float) -> None:
        """Begin anew after a pause of `lasted` seconds for `worked` seconds of work, in which others worked
        for `paused`.
        """
        seen = min(1.0, paused / (lasted * self.speed)) if lasted > 0 else 0.0
        self.busy = max(seen, self.busy * MEMORY)
        if self._lasted > 0:
            speed = max(SLOWEST, min(1.0, self._worked / self._lasted))
            self.speed += (speed - self.speed) / 4
        self._worked, self._lasted = self._worked - worked, 0.0


class _Waiter:
    def __init__(self) -> None:
        self.called = anyio.Event()
        self.may_work = False


class Turns:
    """The turns of streams at one loop; `now` and `used` are the clocks of the world and of the thread."""

    def __init__(
        self, now: Callable[[], float] = perf_counter, used: Callable[[], float] = thread_time
    ) -> None:
        self._now, self._used = now, used
        self._pace = Pace()
        self._waiting: deque[_Waiter] = deque()

    async def turn(self) -> None:
        """Wait until there is time to work."""
        # not even a checkpoint: a stream that nobody competes with costs nothing
        if not self._pace.is_over and not self._waiting:
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
        while self._pace.is_over:
            await self._pause()
        for _ in range(min(WOKEN_AT_ONCE, len(self._waiting))):
            waiter = self._waiting.popleft()
            waiter.may_work = True
            waiter.called.set()
        self._call_first()

    async def _pause(self) -> None:
        ours, used, began = self._pace.worked, self._used(), self._now()
        await anyio.sleep(self._pace.pause())
        # streams that work in the pause, since they had their turn before, are not the others
        theirs = self._used() - used - (self._pace.worked - ours)
        self._pace.resume(ours, self._now() - began, theirs)

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
            began, used = self._now(), self._used()
            try:
                wanted = step(given)
            except StopIteration:
                return
            finally:
                self._pace.work(self._used() - used, self._now() - began)
            try:
                step, given = work.send, (yield wanted)
            except BaseException as error:  # noqa: BLE001 - the work's own affair, cancellation too
                # errors go into the work, as `await` would have it
                step, given = work.throw, error
