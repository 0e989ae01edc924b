"""The code a host runs: started on whichever loop is running, owned by the host, joined when it closes.

A task group cannot do this job. It would hold a cancel scope open across the host's `async with` block,
which ties the host to one task; it cancels siblings when a child fails; and it waits for ever for a child
that swallows cancellation, while a host must close in bounded time. So members are started natively (on
asyncio also four times cheaper), each member contains its own errors, and the crew only counts them. What
may start members is the host alone, and it joins them before it is gone."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVarTuple

import anyio

if TYPE_CHECKING:
    from types import ModuleType, TracebackType
    from typing import Self

Args = TypeVarTuple("Args")
AsyncFunction = Callable[[*Args], Awaitable[object]]


class Crew:
    """The running members of one host."""

    def __init__(self) -> None:
        trio = _running_trio()
        self._start = _asyncio_start() if trio is None else _trio_start()
        self.scope: _MakeScope = anyio.CancelScope if trio is None else trio.CancelScope
        self._members = 0
        self._idle: anyio.Event | None = None

    def __len__(self) -> int:
        return self._members

    def start(self, func: AsyncFunction[*Args], *args: *Args, context: Context | None = None) -> None:
        """Start `func(*args)`, which must not raise, in `context` (a copy of the caller's by default)."""
        self._members += 1
        self._start(self._member, func, args, context=context or copy_context())

    async def join(self, seconds: float) -> bool:
        """Wait until no member runs, at most `seconds`; tell whether that was reached."""
        with anyio.move_on_after(seconds, shield=True):
            while self._members:
                self._idle = anyio.Event()
                await self._idle.wait()
        return not self._members

    async def _member(self, func: AsyncFunction[*Args], args: tuple[*Args]) -> None:
        try:
            await func(*args)
        finally:
            self._members -= 1
            if not self._members and self._idle is not None:
                self._idle.set()


class _Start(Protocol):
    def __call__(
        self,
        member: Callable[[AsyncFunction[*Args], tuple[*Args]], Awaitable[None]],
        func: AsyncFunction[*Args],
        args: tuple[*Args],
        /,
        *,
        context: Context,
    ) -> object: ...


class _MakeScope(Protocol):
    def __call__(self, *, deadline: float) -> Scope: ...


class Scope(Protocol):
    """A cancel scope of the running loop."""

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
    return trio if trio is not None and trio.lowlevel.in_trio_run() else None


def _asyncio_start() -> _Start:
    import asyncio

    loop = asyncio.get_running_loop()
    alive: set[asyncio.Task[None]] = set()  # the loop itself holds only weak references

    def start(member, func, args, *, context):  # type: ignore[no-untyped-def]
        task = loop.create_task(member(func, args), context=context)
        alive.add(task)
        task.add_done_callback(alive.discard)

    return start


def _trio_start() -> _Start:
    from trio.lowlevel import spawn_system_task

    return partial(spawn_system_task, name="a task of hostel")
