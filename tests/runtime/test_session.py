"""A session of a runtime: open inside its block, and taking nothing more after it."""

from collections.abc import Awaitable, Callable

import anyio
import pytest

from hostel.runtime import Runtime, Session
from hostel.sessions import SessionClosing, TaskSpec

STARTS: dict[str, Callable[[Session], Awaitable[object]]] = {
    "start": lambda session: session.start("model_pull", {}),
    "spawn_managed": lambda session: session.spawn_managed(TaskSpec(), anyio.sleep_forever),
    "spawn_hidden": lambda session: session.spawn_hidden("flush", anyio.sleep_forever),
    "register": lambda session: session.register(TaskSpec()),
    "register_external": lambda session: session.register_external(TaskSpec()),
}


@pytest.mark.parametrize("how", list(STARTS))
async def test_a_session_whose_block_was_left_takes_nothing_more(how: str) -> None:
    async with Runtime(load_installed=False) as runtime:
        async with runtime.session("s1") as session:
            pass

        with pytest.raises(SessionClosing):
            await STARTS[how](session)
        assert await session.list() == []


async def test_a_session_can_be_opened_again_by_its_id() -> None:
    async with Runtime(load_installed=False) as runtime:
        async with runtime.session("s1") as session:
            await session.register(TaskSpec(id="first"))
        async with runtime.session("s1") as session:
            await session.register(TaskSpec(id="second"))

            assert [record.id for record in await session.list()] == ["first", "second"]
