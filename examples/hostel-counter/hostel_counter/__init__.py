"""A plugin for hostel: the task kind `count` and the command `hostel count`."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import anyio

from hostel.runtime import Runtime, TaskKind, current_task, hookimpl

if TYPE_CHECKING:
    import typer


async def count(to: int, every: float = 0.0) -> int:
    """Count to `to`, waiting `every` seconds before each number; a resumed task starts again from 1."""
    task = current_task()
    for number in range(1, to + 1):
        await anyio.sleep(every)
        await task.progress(f"{number} of {to}", done=number, total=to)
    return to


@hookimpl
def register_task_kinds() -> Iterable[TaskKind]:
    """Let anybody start counting by name."""
    return [TaskKind("count", count, resumable=True)]


@hookimpl
def register_commands(app: "typer.Typer") -> None:
    """Add `hostel count`."""

    @app.command(name="count")
    def command(to: int) -> None:
        """Count to a number in a task."""
        print(anyio.run(_count_once, to))


async def _count_once(to: int) -> object:
    async with Runtime() as runtime, runtime.session("counting") as session:
        handle = await session.start("count", {"to": to})
        return await handle.wait()
