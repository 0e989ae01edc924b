"""Where code of plugins runs that is not ours: in a task or a thread of its own.

Whatever such code raises stays there: an exception that nobody expected, SystemExit, a cancellation that
nobody asked for. A task group cannot do this: it would cancel its other members, and hold its owner until a
member lets itself be cancelled. So each call gets a task of the loop itself and is waited for, for a limited
time. Sync hooks of a plugin share one thread, in which they run one after the other. A call that does not
come back is left where it is; its thread is a daemon, so that it cannot keep the process."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from contextvars import Context, copy_context
from math import inf
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Generic, TypeVar, cast

import anyio
import attrs
from anyio.lowlevel import current_token

from .outcome import Misbehaved, Outcome, is_ctrl_c

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Coroutine

T = TypeVar("T")

STOP_SECONDS = 5.0

log = logging.getLogger("hostel.runtime")


@attrs.define(eq=False)
class Apart(Generic[T]):
    """An async call in a task of its own; `outcome` is None while it runs, `on_end` is called at its end."""

    _func: Callable[[], Awaitable[T]]
    _on_end: Callable[[Apart[T]], None] | None = None
    outcome: Outcome[T] | None = None
    _scope: anyio.CancelScope = attrs.Factory(anyio.CancelScope)
    _ended: anyio.Event = attrs.Factory(anyio.Event)

    def start(self) -> None:
        """Start the call, in a copy of this context."""
        _spawn(self._run)

    def cancel(self) -> None:
        """Cancel the call."""
        self._scope.cancel()

    async def stop(self, seconds: float = STOP_SECONDS) -> bool:
        """Cancel the call and wait for its end, at most `seconds`; tell whether it came."""
        self.cancel()
        return await self.wait(seconds, shield=True)

    async def wait(self, seconds: float = inf, *, shield: bool = False) -> bool:
        """Wait for the end of the call, at most `seconds`; tell whether it came."""
        with anyio.move_on_after(seconds, shield=shield):
            await self._ended.wait()
        return self._ended.is_set()

    async def _run(self) -> None:
        outcome: Outcome[T] = Outcome()
        try:
            with self._scope:
                outcome = Outcome(await self._func())
        except BaseException as error:
            outcome = Outcome(error=error)
            if is_ctrl_c(error):
                raise
        finally:
            self.outcome = outcome
            self._ended.set()
            if self._on_end is not None:
                self._on_end(self)


async def in_task(func: Callable[[], Awaitable[T]], seconds: float = inf) -> Outcome[T]:
    """Run `func()` in a task of its own and return what it came to.

    :raises Misbehaved: if it is not done after `seconds`; it is cancelled then.
    """
    call = Apart(func)
    call.start()
    try:
        if await call.wait(seconds) and call.outcome is not None:
            return call.outcome
    finally:
        if call.outcome is None and not await call.stop():
            log.warning("a call of a plugin ignores its cancellation")
    raise Misbehaved(f"not done after {seconds:g} s")


class HookThread:
    """The thread of one plugin's sync hooks, started with the first."""

    def __init__(self) -> None:
        self._turn = anyio.Lock()
        self._jobs: SimpleQueue[Callable[[], None] | None] | None = None
        self._left: str | None = None

    async def run(self, name: str, func: Callable[[], T], seconds: float) -> Outcome[T]:
        """Run `func()` in the thread, after the calls before it, and return what it came to.

        :param name: what later callers are told if it does not come back
        :raises Misbehaved: if it is not done after `seconds`, or an earlier call still runs.
        """
        async with self._turn:
            if self._left is not None:
                raise Misbehaved(f"not called: {self._left} still runs")
            self._left = name
            outcomes, ended = self._submit(func)
            with anyio.move_on_after(seconds):
                await ended.wait()
            if not outcomes:
                raise Misbehaved(f"not done after {seconds:g} s")
            return outcomes[0]

    def close(self) -> None:
        """End the thread as soon as it is idle."""
        if self._jobs is not None:
            self._jobs.put(None)
            self._jobs = None

    def _submit(self, func: Callable[[], T]) -> tuple[list[Outcome[T]], anyio.Event]:
        outcomes: list[Outcome[T]] = []
        ended, wake, context = anyio.Event(), _waker(), _context_of_a_thread()

        def work() -> None:
            outcomes.append(Outcome.of(lambda: context.run(func)))
            self._left = None
            with suppress(RuntimeError):  # the loop is gone, and with it whoever waited
                wake(ended.set)

        if self._jobs is None:
            self._jobs = SimpleQueue()
            Thread(target=_serve, args=(self._jobs,), name="hostel plugin", daemon=True).start()
        self._jobs.put(work)
        return outcomes, ended


def _serve(jobs: SimpleQueue[Callable[[], None] | None]) -> None:
    while (job := jobs.get()) is not None:
        job()
        del job  # an idle thread keeps nothing alive


def _context_of_a_thread() -> Context:
    """Copy this context for a thread, in which no loop runs."""
    context, sniffio = copy_context(), sys.modules.get("sniffio")
    if sniffio is not None:
        context.run(sniffio.current_async_library_cvar.set, None)
    return context


def _waker() -> Callable[[Callable[[], object]], object]:
    """Return how another thread has something called on this loop."""
    native = current_token().native_token
    wake = getattr(native, "call_soon_threadsafe", None) or native.run_sync_soon  # type: ignore[attr-defined]
    return cast("Callable[[Callable[[], object]], object]", wake)


_alive: set[asyncio.Task[None]] = set()  # asyncio itself holds only weak references to its tasks


def _spawn(func: Callable[[], Coroutine[object, object, None]]) -> None:
    # by the loop that runs, not by sys.modules: another thread may be importing trio at this moment
    if hasattr(current_token().native_token, "run_sync_soon"):
        import trio

        trio.lowlevel.spawn_system_task(func, context=copy_context())
        return
    import asyncio

    task = asyncio.get_running_loop().create_task(func())
    _alive.add(task)
    task.add_done_callback(_alive.discard)
