"""Services that outlive what ends them: each end is noted, and after a pause the service runs again."""

from collections.abc import Awaitable, Callable

import anyio

from ._model.names import log

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0


async def keep_running(
    what: str, run: Callable[[], Awaitable[object]], on_death: Callable[[str, Exception], None]
) -> None:
    """Run a service until it returns; pauses double, from a second to a minute, while it dies soon again.

    :param what: its name, as people read it
    :param on_death: is called with the name and what it raised
    """
    pause = FIRST_PAUSE
    while True:
        began = anyio.current_time()
        try:
            await run()
        except Exception as error:  # noqa: BLE001  # nobody else is there to handle it
            log.exception("%s has died and starts again", what)
            on_death(what, error)
        else:
            return
        if anyio.current_time() - began > LONGEST_PAUSE:
            pause = FIRST_PAUSE
        await anyio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
