"""Streams that are closed by whoever reads them."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio

Item = TypeVar("Item")


@asynccontextmanager
async def closing(stream: AsyncIterable[Item]) -> AsyncIterator[AsyncIterable[Item]]:
    """Close a stream at the end, however far it was read."""
    try:
        yield stream
    finally:
        if isinstance(stream, AsyncGenerator):
            with anyio.CancelScope(shield=True):
                await stream.aclose()
