"""A command that runs under a keeper, as its host sees it: found or started, followed, told things, ended.

Leaving it leaves the command as it is: its keeper decides by `on_host_loss` whether it goes on, unless it was
released before, which says that another host will come."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from . import _launch
from ._errors import ProcessLost, ProcessRefused
from ._keeper.ending import AGAIN, Ending
from ._keeper.files import Exit
from ._link import KeeperLink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from hostel.sessions import JsonValue

    from ._command import Command, OnHostLoss
    from ._keeper.files import State

_PATIENCE_SECONDS = 30.0
"""How long a keeper that another host has started may take to say where it is."""


class KeptCommand:
    """A command whose keeper is or was at `link`; None if it is gone."""

    def __init__(self, output: Path, terminate_grace: float, link: KeeperLink | None) -> None:
        self._output, self._grace, self._link = output, terminate_grace, link
        self._taken = anyio.Event()
        self._exit: Exit | None = None

    async def ended(self, on_output: Callable[[int], object]) -> Exit:
        """Wait for the end of the command and of all that came from it; `on_output` is told how many bytes
        the spool has. May be called again after it was cancelled.

        :raises ProcessLost: if the keeper is gone and has not said how it ended; nothing is left then.
        """
        while self._link is not None and self._exit is None:
            match await self._link.receive():
                case None:
                    break
                case {"output": int(total)}:
                    on_output(total)
                case {"taken": _}:
                    self._taken.set()
                case {"exited": dict(fields)}:
                    self._exit = Exit(**fields)
        self._taken.set()
        found = self._exit or await self._left()
        on_output(found.total)
        return found

    async def write(self, **text: JsonValue) -> None:
        """Send a message that is for the stdin of the command, and wait until the command could take it."""
        self._taken = anyio.Event()
        if await self.send(**text):
            await self._taken.wait()

    async def send(self, **message: JsonValue) -> bool:
        """Send the keeper a message; tell whether there is one."""
        return self._link is not None and await self._link.send(message)

    async def close(self) -> None:
        """Close the connection."""
        if self._link is not None:
            await self._link.aclose()
        if self._exit is not None:
            state = await to_thread.run_sync(_launch.look_for_state, self._output)
            if state is not None:
                await to_thread.run_sync(_launch.reap_found, state)

    async def _left(self) -> Exit:
        """Return what a keeper that cannot be reached has left about the end."""
        state = await to_thread.run_sync(_launch.look_for_state, self._output)
        if state is not None:
            await _end_keeper(state)
        found = await to_thread.run_sync(_launch.look_for_exit, self._output)
        if found is not None:
            return found
        if state is not None:
            await _end_leftovers(state, self._grace)
        raise ProcessLost(await to_thread.run_sync(_launch.why_lost, self._output, state))


@asynccontextmanager
async def kept(command: Command, on_host_loss: OnHostLoss, output: Path) -> AsyncIterator[KeptCommand]:
    """Find the command that an earlier host has started with this folder for its output, or start it.

    :raises ProcessRefused: if the system does not start it.
    """
    with anyio.CancelScope(shield=True):  # a keeper that is started is one that somebody has to know of
        there, link = await _find(output)
        if not there:
            link = await _start(command, on_host_loss, output)
    found = KeptCommand(output, command.terminate_grace, link)
    try:
        yield found
    finally:
        with anyio.CancelScope(shield=True):
            await found.close()


async def _find(output: Path) -> tuple[bool, KeeperLink | None]:
    """Tell whether there is or was a keeper, with the connection to it if it can be reached."""
    state = await to_thread.run_sync(_launch.look_for_state, output)
    if state is None:
        return False, None
    try:
        return True, await KeeperLink.to(state.socket)
    except OSError:
        return True, None


async def _start(command: Command, on_host_loss: OnHostLoss, output: Path) -> KeeperLink | None:
    sock, keeper = await to_thread.run_sync(_launch.launch, command, on_host_loss, output)
    link = await KeeperLink.over(sock)
    answer = await link.receive()
    if answer is not None and "started" in answer:
        return link
    await link.aclose()
    await to_thread.run_sync(_launch.reap, keeper)
    if answer is not None and "taken" in answer:
        return await _find_another(output)
    said = await to_thread.run_sync(_launch.last_words, output)
    raise ProcessRefused(answer["refused"] if answer is not None else f"its keeper did not start: {said}")


async def _find_another(output: Path) -> KeeperLink | None:
    """Wait for the keeper that a host has started who was killed meanwhile."""
    with anyio.move_on_after(_PATIENCE_SECONDS):
        while True:
            there, link = await _find(output)
            if there:
                return link
            await anyio.sleep(AGAIN)
    raise ProcessRefused("another keeper has its folder and does not say where it is")


async def _end_keeper(state: State) -> None:
    """End a keeper that lives but cannot be reached, which ends its command first."""
    asked = False
    while await to_thread.run_sync(_launch.lives, state):
        if not asked:
            await to_thread.run_sync(_launch.ask_to_end, state)
            asked = True
        await anyio.sleep(AGAIN)
    await to_thread.run_sync(_launch.reap_found, state)


async def _end_leftovers(state: State, terminate_grace: float) -> None:
    """End what is left of a command whose keeper was killed."""
    ending = Ending(anyio.current_time(), 0.0, terminate_grace)
    ending.command_ended(anyio.current_time())
    while left := await to_thread.run_sync(_launch.survivors, state):
        number = ending.due(anyio.current_time())
        if number is not None:
            await to_thread.run_sync(_launch.send, left, number)
        await anyio.sleep(AGAIN)
