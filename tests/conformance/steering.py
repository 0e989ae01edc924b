"""Bodies that a test steers, and ways to wait until nothing moves any more."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import trio
from anyio.lowlevel import current_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hostel.sessions import Subscription, TaskEvent


class Body:
    """A body that tells when it runs and ends when it is told to: with `value`, or by raising `error`."""

    def __init__(self, value: Any = None, error: BaseException | None = None) -> None:
        self.value = value
        self.error = error
        self.runs = 0
        self.started = anyio.Event()
        self.go = anyio.Event()
        self.stopped = anyio.Event()
        """Set when it was cancelled."""

    async def run(self) -> Any:
        self.runs += 1
        self.started.set()
        try:
            await self.go.wait()
        except anyio.get_cancelled_exc_class():
            self.stopped.set()
            raise
        if self.error is not None:
            raise self.error
        return self.value


class SlowToStop(Body):
    """A body whose cleanup takes until it is told to go."""

    async def run(self) -> None:
        self.started.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.stopped.set()
            with anyio.CancelScope(shield=True):
                await self.go.wait()


class Stubborn(Body):
    """A body that swallows its cancellation and goes on until it is told to go."""

    async def run(self) -> Any:
        self.started.set()
        with anyio.CancelScope(shield=True):
            await self.go.wait()
        return self.value


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder in memory where the system has one: how fast a disk is does not matter here."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


async def settle() -> None:
    """Let everything run until all that is left waits for something."""
    if "trio" in type(current_token().native_token).__module__:
        await trio.testing.wait_all_tasks_blocked()
        return
    this = asyncio.current_task()
    some_can_run = True
    while some_can_run:
        await anyio.lowlevel.checkpoint()
        some_can_run = any(_can_run(task) for task in asyncio.all_tasks() if task is not this)


def _can_run(task: asyncio.Task[object]) -> bool:
    waiter = task._fut_waiter  # type: ignore[attr-defined]
    return waiter is None or waiter.done()


def native_tasks() -> int:
    """Return how many tasks the loop has."""
    if "trio" in type(current_token().native_token).__module__:
        return trio.lowlevel.current_statistics().tasks_living
    return len(asyncio.all_tasks())


async def take(events: Subscription, count: int) -> list[TaskEvent]:
    """Return the next `count` events."""
    with anyio.fail_after(60):
        return [await anext(events) for _ in range(count)]


async def take_until(events: Subscription, last: Callable[[TaskEvent], bool]) -> list[TaskEvent]:
    """Return the next events up to the first for which `last` holds."""
    taken: list[TaskEvent] = []
    with anyio.fail_after(60):
        while not taken or not last(taken[-1]):
            taken.append(await anext(events))
    return taken


async def is_idle(events: Subscription) -> bool:
    """Tell whether nothing more arrives."""
    await settle()
    with anyio.move_on_after(0):
        await anext(events)
        return False
    return True
