"""A disk that fills up while a pull runs: the pull pauses, keeps its bytes and goes on when there is room.

Room is looked for until there is enough for what is missing, or for so long that nobody seems to make any.
"""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import anyio.to_thread

from .._engine import Fetched, free_bytes
from .._errors import NoSpace
from .disk_space import existing_ancestor

PATIENCE = 300.0
LOOK_SECONDS = 0.5


async def with_room(
    bring: Callable[[], Awaitable[Fetched]], *, patience: float, on_short: Callable[[NoSpace], None]
) -> Fetched:
    """Bring a file; each time that the disk is full, wait for room and go on.

    :param patience: seconds without a byte written before giving up; 0 does not wait
    :param on_short: told of each pause
    :raises NoSpace: if there is still no room then
    """
    needed, since = None, 0.0
    while True:
        try:
            return await bring()
        except NoSpace as error:
            full, now = error, time.monotonic()
        if needed is None or full.needed < needed:
            needed, since = full.needed, now
        left = since + patience - now
        if left <= 0:
            raise full
        on_short(full)
        await _room(full, left)


async def _room(full: NoSpace, seconds: float) -> None:
    place = existing_ancestor(Path(full.path).parent)
    with anyio.move_on_after(seconds):
        while True:
            await anyio.sleep(LOOK_SECONDS)
            if await anyio.to_thread.run_sync(free_bytes, place) >= full.needed:
                return
