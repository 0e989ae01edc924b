"""A command that runs under a keeper, as its host sees it: found or started, followed, told things, ended.

Leaving it leaves the command as it is: its keeper decides by `on_host_loss` whether it goes on, unless it was
released before, which says that another host will come."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from . import _launch
from ._command import OnHostLoss
from ._errors import ProcessLost, ProcessRefused
from ._keeper.ending import AGAIN, Ending
from ._keeper.files import Exit
from ._link import KeeperLink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from hostel.sessions import JsonValue

    from ._command import Command
    from ._keeper.files import State

_PATIENCE_SECONDS = 30.0
"""How long a keeper that another host has started may take to say where it is."""


class KeptCommand:
    """A command whose keeper is, or was, where `state` says; `link` is None if it cannot be reached."""

    def __init__(
        self, output: Path, state: State, link: KeeperLink | None, *, was_found: bool = True
    ) -> None:
        self._output, self._state, self._link = output, state, link
        self.was_found = was_found
        """Whether it was going on already, or had ended, and was not started here."""
        self._taken = anyio.Event()
        self._exit: Exit | None = None

    @property
    def pid(self) -> int:
        """The command's pid, in whose process group it is."""
        return self._state.command

    @property
    def outlives_host(self) -> bool:
        """Whether it goes on when its host is gone."""
        return self._state.on_host_loss == OnHostLoss.ADOPT

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
            await to_thread.run_sync(_launch.reap_found, self._state)

    async def _left(self) -> Exit:
        """Return what a keeper that cannot be reached has left about the end."""
        await _end_keeper(self._state)
        found = await to_thread.run_sync(_launch.look_for_exit, self._output)
        if found is None:
            await _end_leftovers(self._state)
            await to_thread.run_sync(_launch.clean, self._state)
            raise ProcessLost(await to_thread.run_sync(_launch.why_lost, self._output, self._state))
        return found


@asynccontextmanager
async def kept(
    output: Path, describe: Callable[[], tuple[Command, OnHostLoss]]
) -> AsyncIterator[KeptCommand]:
    """Find the command that an earlier host has started with this folder for its output, or start the one
    that `describe` returns in a thread.

    :raises ProcessRefused: if the system does not start it.
    """
    with anyio.CancelScope(shield=True) as scope:  # somebody has to know of a keeper that is started
        found = await find(output) or await _start(output, *await to_thread.run_sync(describe))
        try:
            scope.shield = False
            yield found
        finally:
            scope.shield = True
            await found.close()


async def find(output: Path) -> KeptCommand | None:
    """Return the command that was started with this folder for its output; None if none was."""
    state = await to_thread.run_sync(_launch.look_for_state, output)
    if state is None:
        return None
    try:
        link = await KeeperLink.to(state.socket)
    except OSError:
        return KeptCommand(output, state, None)
    return KeptCommand(output, state, link)


async def _start(output: Path, command: Command, on_host_loss: OnHostLoss) -> KeptCommand:
    sock, keeper = await to_thread.run_sync(_launch.launch, command, on_host_loss, output)
    link = await KeeperLink.over(sock)
    answer = await link.receive()
    if answer is not None and "started" in answer:
        state = await to_thread.run_sync(_launch.look_for_state, output)
        if state is not None:
            return KeptCommand(output, state, link, was_found=False)
        await link.send({"do": "end", "why": "host_lost"})  # somebody has removed the folder
    while await link.receive() is not None:
        continue
    await link.aclose()
    await to_thread.run_sync(_launch.reap, keeper)
    if answer is not None and "taken" in answer:
        return await _find_another(output)
    said = await to_thread.run_sync(_launch.last_words, output)
    why = answer.get("refused") if answer is not None else None
    raise ProcessRefused(why or f"its keeper did not start: {said}")


async def _find_another(output: Path) -> KeptCommand:
    """Wait for the keeper that a host has started who was killed meanwhile."""
    with anyio.move_on_after(_PATIENCE_SECONDS):
        while (found := await find(output)) is None:  # noqa: ASYNC110 - it is another process that acts
            await anyio.sleep(AGAIN)
        return found
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


async def _end_leftovers(state: State) -> None:
    """End what is left of a command whose keeper was killed."""
    ending = Ending(anyio.current_time(), 0.0, state.terminate_grace)
    ending.command_ended(anyio.current_time())
    while left := await to_thread.run_sync(_launch.survivors, state):
        number = ending.due(anyio.current_time())
        if number is not None:
            await to_thread.run_sync(_launch.send, left, number)
        await anyio.sleep(AGAIN)
