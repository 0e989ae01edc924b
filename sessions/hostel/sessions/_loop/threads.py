"""Sync bodies in worker threads.

A thread cannot be stopped from outside: a body that is to stop sees it through its context or where it calls
back into the loop, and is waited for. How many threads work at once is bounded; bodies beyond that wait for
their turn. Nobody waits for a thread that runs out of time: its owner leaves it, which gives its turn to the
next one, and it ends when its code returns."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Never

import anyio
import anyio.from_thread
import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from .calling import Take

THREADS = 64


class Threads:
    """The worker threads of one host."""

    def __init__(self) -> None:
        self._turns = anyio.CapacityLimiter(THREADS)
        self._owners: set[object] = set()

    async def run(
        self,
        owner: object,
        body: Callable[[], object],
        begin: Callable[[], None],
        take: Take,
    ) -> object:
        """Call `begin()` when it is the owner's turn, and `body()` in a thread; return what it returned.

        A generator is iterated to its end; `take` gets each value, on the loop.
        """
        await self._turns.acquire_on_behalf_of(owner)
        # by owner, not by thread: a thread that is left gives its turn back at once
        self._owners.add(owner)
        begin()

        def call() -> tuple[object, BaseException | None]:  # loops cannot carry StopIteration
            try:
                value = body()
                return _exhausted(value, take) if inspect.isgenerator(value) else value, None
            except BaseException as error:  # noqa: BLE001 - raised again where the body is awaited
                return None, error

        try:
            value, error = await anyio.to_thread.run_sync(call, limiter=anyio.CapacityLimiter(1))
        finally:
            self.leave(owner)
        if error is not None:
            raise error
        return value

    def leave(self, owner: object) -> None:
        """Give the owner's turn to the next one, if it has one."""
        if owner in self._owners:
            self._owners.remove(owner)
            self._turns.release_on_behalf_of(owner)


def _exhausted(generator: Generator[object, Never, object], take: Take) -> object:
    while True:
        try:
            piece = next(generator)
        except StopIteration as end:
            return end.value
        anyio.from_thread.run(take, piece)
