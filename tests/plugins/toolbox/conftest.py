"""A session with kinds of tasks to play with, and its tools by name."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

import anyio
import pytest

from hostel.plugins.toolbox import tools_for
from hostel.runtime import Runtime, TaskKind, current_task, hookimpl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from hostel.plugins.toolbox import Tool
    from hostel.runtime import Session


async def say(text: str, times: int = 1, how: Literal["loud", "soft"] = "soft") -> str:
    """Say a text.

    :param text: what to say,
        word by word
    :param times: how often
    """
    return (text.upper() if how == "loud" else text) * times


async def write(pieces: list[list[str]]) -> None:
    for stream, text in pieces:
        await current_task().write(text, stream)


async def ask(message: str, schema: dict[str, Any] | None = None, choices: list[str] | None = None) -> Any:
    return await current_task().ask(message, schema, choices)


async def listen() -> Any:
    async for message in current_task().messages():
        return message
    return None


async def sleep() -> None:
    """Sleep until it is cancelled."""
    await anyio.sleep_forever()


async def secret() -> None:
    pytest.fail("started")


async def fail(why: str) -> None:
    raise ValueError(why)


OURS = ("process", "model_pull", "batch", "demo")
"""Plugins whose kinds a model would be shown as well."""


class Playing:
    @hookimpl
    def register_task_kinds(self) -> Iterable[TaskKind]:
        for run in (say, write, ask, listen, sleep, fail):
            yield TaskKind(run.__name__, run, exposed=True)
        yield TaskKind("nap", sleep, exposed=True, limit=1, resumable=True)
        yield TaskKind("secret", secret)


@asynccontextmanager
async def opened(folder: Path | None = None, **options: Any) -> AsyncIterator[Session]:
    async with (
        Runtime([Playing()], data_dir=folder, load_installed=False, blocked=OURS, **options) as runtime,
        runtime.session("s1") as session,
    ):
        yield session


@pytest.fixture
async def session(anyio_backend: object) -> AsyncIterator[Session]:
    async with opened() as session:
        yield session


def by_name(tools: list[Tool]) -> dict[str, Tool]:
    return {tool.__name__: tool for tool in tools}


class Model:
    """Calls the tools of a session."""

    def __init__(self, session: Session, **how: Any) -> None:
        self.tools = by_name(tools_for(session, **how))

    async def starts(self, kind: str, **params: Any) -> str:
        """Start a task and return its short id."""
        answer = await self.tools["start_background_task"](kind, params)
        return answer.removeprefix("Started ").removesuffix(".").split(" waits")[0]

    async def lists(self, **how: Any) -> str:
        return await self.tools["list_background_tasks"](**how)

    async def looks_at(self, task: str, **how: Any) -> str:
        return await self.tools["get_background_task"](task, **how)

    async def reads(self, task: str, **how: Any) -> str:
        return await self.tools["read_background_output"](task, **how)

    async def waits(self, *tasks: str, **how: Any) -> str:
        return await self.tools["wait_for_background_tasks"](list(tasks), **{"timeout_seconds": 60} | how)

    async def answers(self, task: str, answer: Any) -> str:
        return await self.tools["answer_background_task"](task, answer)

    async def sends(self, task: str, message: Any) -> str:
        return await self.tools["message_background_task"](task, message)

    async def cancels(self, task: str, **how: Any) -> str:
        return await self.tools["cancel_background_task"](task, **how)


@pytest.fixture
def model(session: Session) -> Model:
    return Model(session)
