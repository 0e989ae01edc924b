"""What a body may be: a coroutine function, an async generator function, which is iterated to its end, or
anything else that can be called, which runs in a worker thread."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any, TypeGuard, TypeVarTuple, cast

Args = TypeVarTuple("Args")
Body = Callable[[*Args], Awaitable[object] | object]
InThread = Callable[[Callable[[], object]], Awaitable[object]]
"""Calls a function in a worker thread."""


def as_async(body: Body[*Args], in_thread: InThread) -> Callable[[*Args], Awaitable[object]]:
    """Return `body` as something to await: an async generator is iterated to its end, and what makes no
    coroutine is run by `in_thread`.
    """
    if is_coroutine_function(body):
        return body
    if inspect.isasyncgenfunction(body):
        return cast("Callable[[*Args], Awaitable[object]]", partial(_iterated, body))
    return cast("Callable[[*Args], Awaitable[object]]", partial(_in_thread, in_thread, body))


def runs_in_thread(body: Body[*Args]) -> bool:
    """Tell whether calling `body` makes nothing that the loop can run."""
    return not is_coroutine_function(body) and not inspect.isasyncgenfunction(body)


def is_coroutine_function(body: Body[*Args]) -> TypeGuard[Callable[[*Args], Awaitable[object]]]:
    """Tell whether calling `body` makes what the loop can run."""
    code = getattr(body, "__code__", None)
    if code is not None and code.co_flags & inspect.CO_COROUTINE:
        return True
    return inspect.iscoroutinefunction(body) or inspect.iscoroutinefunction(getattr(body, "__call__", None))  # noqa: B004


async def _in_thread(in_thread: InThread, body: Body[*Args], *args: *Args) -> object:
    value = await in_thread(partial(body, *args))
    if inspect.isasyncgen(value):
        await _exhaust(value)
        return None
    return await value if inspect.isawaitable(value) else value


async def _iterated(make: Callable[[*Args], AsyncGenerator[object, None]], *args: *Args) -> None:
    await _exhaust(make(*args))


async def _exhaust(generator: AsyncGenerator[object, Any]) -> None:
    async with aclosing(generator) as pieces:
        async for _ in pieces:
            pass
