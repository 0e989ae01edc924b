"""What a body may be: a coroutine function, an async generator function, which is iterated to its end, or
anything else that can be called, which runs in a worker thread. What a generator yields is handed on."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from functools import partial
from typing import Any, TypeGuard, TypeVarTuple, cast

Args = TypeVarTuple("Args")
Body = Callable[[*Args], Awaitable[object] | object]
InThread = Callable[[Callable[[], object]], Awaitable[object]]
"""Calls a function in a worker thread."""


Take = Callable[[object], Coroutine[object, object, None]]
"""Takes what a generator yields."""


def as_async(body: Body[*Args], in_thread: InThread, take: Take) -> Callable[[*Args], Awaitable[object]]:
    """Return `body` as something to await: an async generator is iterated to its end, each value given to
    `take`, and what makes no coroutine is run by `in_thread`.
    """
    if is_coroutine_function(body):
        return body
    if inspect.isasyncgenfunction(body):
        return cast("Callable[[*Args], Awaitable[object]]", partial(_iterated, body, take))
    return cast("Callable[[*Args], Awaitable[object]]", partial(_in_thread, in_thread, take, body))


def runs_in_thread(body: Body[*Args]) -> bool:
    """Tell whether calling `body` makes nothing that the loop can run."""
    return not is_coroutine_function(body) and not inspect.isasyncgenfunction(body)


async def discard(_: object) -> None:
    """Take what nobody reads."""


def is_coroutine_function(body: Body[*Args]) -> TypeGuard[Callable[[*Args], Awaitable[object]]]:
    """Tell whether calling `body` makes what the loop can run."""
    code = getattr(body, "__code__", None)
    if code is not None and code.co_flags & inspect.CO_COROUTINE:
        return True
    return inspect.iscoroutinefunction(body) or inspect.iscoroutinefunction(getattr(body, "__call__", None))  # noqa: B004


async def _in_thread(in_thread: InThread, take: Take, body: Body[*Args], *args: *Args) -> object:
    value = await in_thread(partial(body, *args))
    if inspect.isasyncgen(value):
        await _exhaust(value, take)
        return None
    return await value if inspect.isawaitable(value) else value


async def _iterated(make: Callable[[*Args], AsyncGenerator[object, None]], take: Take, *args: *Args) -> None:
    await _exhaust(make(*args), take)


async def _exhaust(generator: AsyncGenerator[object, Any], take: Take) -> None:
    async with aclosing(generator) as pieces:
        async for piece in pieces:
            await take(piece)
