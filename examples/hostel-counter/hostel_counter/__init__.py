"""A plugin for hostel: the task kind `count`, the command `hostel count`, a view on the inspector's page."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import anyio

from hostel.runtime import (
    Action,
    Column,
    Endpoint,
    Format,
    Panel,
    Runtime,
    Scope,
    TaskKind,
    current_task,
    hookimpl,
)
from hostel.sessions import TaskFilter

if TYPE_CHECKING:
    import typer

    from hostel.sessions import JsonValue, TaskRecord


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


@hookimpl
def register_routes(runtime: Runtime) -> Iterable[Endpoint]:
    """Answer which counts there are, and begin another one."""

    async def counts(_query: Mapping[str, str], _body: "JsonValue") -> "JsonValue":
        found = await runtime.tasks.list(TaskFilter(kind="count", include_terminal=True))
        return [_row(record) for record in found]

    async def begin(_query: Mapping[str, str], body: "JsonValue") -> "JsonValue":
        to = body.get("to") if isinstance(body, dict) else None
        if not isinstance(to, int):
            raise ValueError("to is a whole number")
        await runtime.start("counting", "count", {"to": to, "every": 1.0})
        return {"message": f"Counting to {to}."}

    return [Endpoint("counts", counts, summary="All counts"), Endpoint("counts", begin, "POST")]


@hookimpl
def register_panels() -> Iterable[Panel]:
    """Show them on the inspector's page, with a button that begins another one."""
    columns = [
        Column("Task", "id", Format.TASK, "session_id"),
        Column("State", "state", Format.STATE),
        Column("Done", "share", Format.SHARE),
    ]
    asked: JsonValue = {"to": {"type": "integer", "title": "Count to", "minimum": 1}}
    begin = Action("Count", "counts", schema={"properties": asked, "required": ["to"]}, scope=Scope.PANEL)
    return [Panel("counts", "Counts", "counts", columns, [begin], kinds=["count"])]


def _row(record: "TaskRecord") -> "JsonValue":
    progress = record.progress
    share = progress.done / progress.total if progress and progress.done and progress.total else None
    return {"id": record.id, "session_id": record.session_id, "state": record.state.value, "share": share}


async def _count_once(to: int) -> object:
    async with Runtime() as runtime, runtime.session("counting") as session:
        handle = await session.start("count", {"to": to})
        return await handle.wait()
