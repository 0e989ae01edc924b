"""The code a host runs: started on whichever loop is running, owned by the host, joined when it closes.

A task group cannot do this job. It would hold a cancel scope open across the host's `async with` block,
which ties the host to one task; it cancels siblings when a child fails; and it waits for ever for a child
that swallows cancellation, while a host must close in bounded time. So members are started natively (on
asyncio also four times cheaper), each member contains its own errors, and the spawner only counts them. What
may start members is the host alone, and it joins them before it is gone."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Protocol, TypeVarTuple, cast

import anyio

if TYPE_CHECKING:
    from types import ModuleType, TracebackType
    from typing import Self

Args = TypeVarTuple("Args")
AsyncFunction = Callable[[*Args], Awaitable[object]]


class Spawner:
    """The running members of one host."""

    def __init__(self) -> None:
        trio = _running_trio()
        self._loop: _Loop = _Asyncio() if trio is None else _Trio()
        scope = type(anyio.CancelScope()) if trio is None else trio.CancelScope  # not looked up each time
        self.scope = cast("Callable[[], Scope]", scope)
        self._members = 0
        self._idle: anyio.Event | None = None

    def __len__(self) -> int:
        return self._members

    def start_service(self, func: AsyncFunction[*Args], *args: *Args, context: Context | None = None) -> None:
        """Start `func(*args)`, which must not raise, in `context` (a copy of the caller's by default)."""
        self.start(self._member, func, args, context=context)

    def start(self, func: AsyncFunction[*Args], *args: *Args, context: Context | None = None) -> None:
        """Do as `start_service` for a function that calls `mark_ended` at its end, and is spared a frame each
        time it is resumed.
        """
        self._members += 1
        self._loop.start(func, args, context or copy_context())

    def mark_ended(self) -> None:
        """Count out the running member."""
        self._loop.ended()
        self._members -= 1
        if not self._members and self._idle is not None:
            self._idle.set()

    async def join(self, seconds: float) -> bool:
        """Wait until no member runs, at most `seconds`; tell whether that was reached."""
        # shielded: a host that is cancelled while it closes still waits for its own code
        with anyio.move_on_after(seconds, shield=True):
            while self._members:
                # a host may drain and close at once: both wait for one event
                if self._idle is None or self._idle.is_set():
                    self._idle = anyio.Event()
                await self._idle.wait()
        return not self._members

    async def _member(self, func: AsyncFunction[*Args], args: tuple[*Args]) -> None:
        try:
            await func(*args)
        finally:
            self.mark_ended()


class _Loop(Protocol):
    def start(self, func: AsyncFunction[*Args], args: tuple[*Args], context: Context) -> None: ...

    def ended(self) -> None: ...


class _Asyncio:
    def __init__(self) -> None:
        import asyncio

        self._current = asyncio.current_task
        self._task = asyncio.Task
        self._loop = asyncio.get_running_loop()
        self._alive: set[object] = set()  # the loop itself holds only weak references

    def start(self, func: AsyncFunction[*Args], args: tuple[*Args], context: Context) -> None:
        coroutine = cast("Coroutine[None, None, None]", func(*args))
        # not by the loop's task factory, which may run all of it now: a spawn returns before its body begins
        self._alive.add(self._task(coroutine, loop=self._loop, context=context))

    def ended(self) -> None:
        self._alive.discard(self._current())


class _Trio:
    def __init__(self) -> None:
        from trio.lowlevel import spawn_system_task

        self._spawn = spawn_system_task

    def start(self, func: AsyncFunction[*Args], args: tuple[*Args], context: Context) -> None:
        self._spawn(func, *args, context=context)

    def ended(self) -> None:
        pass


class Scope(Protocol):
    """A cancel scope of the running loop; its deadline is on the loop's clock."""

    deadline: float

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> bool | None: ...

    def cancel(self) -> None:
        """Cancel what runs inside."""

    @property
    def cancelled_caught(self) -> bool:
        """Whether what ran inside was cancelled by this scope and let go."""
        ...


def _running_trio() -> ModuleType | None:
    trio = sys.modules.get("trio")
    # another thread may be importing it at this moment; then no loop of it runs here
    in_trio_run = getattr(getattr(trio, "lowlevel", None), "in_trio_run", None)
    return trio if in_trio_run is not None and in_trio_run() else None
