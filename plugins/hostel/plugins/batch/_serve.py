"""Serves an application on loopback with hypercorn, on whichever loop runs."""

import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
from hypercorn.config import Config
from starlette.types import ASGIApp


@asynccontextmanager
async def serving(app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve until the context ends; gives the base URL.

    :param port: 0 for any that is free
    """
    listener = socket.create_server((host, port), backlog=256)
    url = f"http://{host}:{listener.getsockname()[1]}"
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.accesslog = config.errorlog = None
    config.graceful_timeout = 1.0
    stop = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(partial(_hypercorn(), app, config, shutdown_trigger=stop.wait))
        try:
            yield url
        finally:
            stop.set()


def _hypercorn() -> Callable[..., Coroutine[Any, Any, None]]:
    if anyio.get_cancelled_exc_class().__module__.startswith("trio"):
        from hypercorn.trio import serve as on_trio

        return on_trio
    from hypercorn.asyncio import serve as on_asyncio

    return on_asyncio
