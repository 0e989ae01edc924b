"""Hidden tasks of one session: owned by the host, counted, not listed; a barrier waits for them and reports
every failure once.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, TypeVarTuple

import anyio

from .._errors import HiddenTasksFailed
from .._loop.calling import as_async, discard
from .._loop.current import current, enter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .._loop.threads import Threads

Args = TypeVarTuple("Args")

KEPT_FAILURES = 100
"""How many failures of one session wait to be collected; of more, the earliest are only counted."""


class HiddenTask:
    """One hidden task; its scope exists while it runs."""

    __slots__ = ("at_barrier", "label", "scope")

    def __init__(self, label: str) -> None:
        self.label = label
        self.scope = anyio.CancelScope()
        self.at_barrier = False


class HiddenTasks:
    """The hidden tasks of one session that run, and the failures nobody has collected yet."""

    def __init__(self, session_id: str, threads: Threads) -> None:
        self._session_id = session_id
        self._threads = threads
        self._running: set[HiddenTask] = set()
        self._failures: deque[tuple[str, Exception]] = deque(maxlen=KEPT_FAILURES)
        self._failed = 0
        self._changed: anyio.Event | None = None

    def __len__(self) -> int:
        return len(self._running)

    def __bool__(self) -> bool:
        return bool(self._running or self._failures)

    @property
    def has_failures(self) -> bool:
        """Whether failures wait to be collected."""
        return bool(self._failures)

    def add(self, label: str) -> HiddenTask:
        """Count a task that is about to run."""
        task = HiddenTask(label)
        self._running.add(task)
        return task

    async def run(
        self, task: HiddenTask, func: Callable[[*Args], Awaitable[object]], args: tuple[*Args]
    ) -> None:
        """Run `func(*args)` as `task`; whatever it raises is kept for the barrier."""
        enter(task)
        try:
            with task.scope:
                await as_async(func, partial(self._in_thread, task), discard)(*args)
            if task.scope.cancelled_caught:
                raise TimeoutError("cancelled, since nobody would wait longer")
        except BaseException as error:  # noqa: BLE001 - the boundary of a task
            self._failed += 1
            self._failures.append(
                (task.label, error if isinstance(error, Exception) else _as_exception(error))
            )
        finally:
            self._running.discard(task)
            self._notify()

    async def _in_thread(self, task: HiddenTask, call: Callable[[], object]) -> object:
        return await self._threads.run(task, call, lambda: None, discard)

    def cancel(self) -> None:
        """Cancel all that run; a task cut short counts as failed."""
        for task in self._running:
            task.scope.cancel()

    async def drained(self) -> None:
        """Wait until none runs, also of those started meanwhile. Hidden tasks that wait here themselves do
        not wait for each other.
        """
        waiter = current()
        # a hidden task must not wait for itself; see below for those that wait here
        if not isinstance(waiter, HiddenTask) or waiter not in self._running:
            await self._until(lambda: not self._running)
            return
        waiter.at_barrier = True
        self._notify()
        try:
            await self._until(lambda: all(task.at_barrier for task in self._running))
        finally:
            waiter.at_barrier = False

    async def _until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            if self._changed is None:
                self._changed = anyio.Event()
            await self._changed.wait()

    def _notify(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    def raise_failures(self) -> None:
        """Raise what has failed since the last time.

        :raises HiddenTasksFailed: with all of it, if anything has.
        """
        if self._failures:
            failures, lost = list(self._failures), self._failed - len(self._failures)
            self._failures.clear()
            self._failed = 0
            raise HiddenTasksFailed.of(self._session_id, failures, lost)


def _as_exception(error: BaseException) -> Exception:
    wrapped = RuntimeError(f"{type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped
