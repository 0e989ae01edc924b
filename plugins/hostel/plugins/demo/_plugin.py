"""A plugin such as anybody could write: two kinds of tasks that can be started by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from hostel.runtime import TaskKind, current_task, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable


class Inbox:
    """Where the demo's user answers a task that waits."""

    def __init__(self) -> None:
        self.answered = anyio.Event()
        self.answer = ""

    def put(self, answer: str) -> None:
        """Give the answer."""
        self.answer = answer
        self.answered.set()


class DemoPlugin:
    """Watches a build for ever, and writes a report that needs an answer."""

    name = "demo-tasks"

    def __init__(self) -> None:
        self.inbox = Inbox()

    @hookimpl
    def register_task_kinds(self) -> Iterable[TaskKind]:
        """Add `watch_build` and `write_report`."""
        return [TaskKind("watch_build", self.watch_build), TaskKind("write_report", self.write_report)]

    async def watch_build(self) -> None:
        """Look at a build until somebody says it is enough."""
        looks = 0
        while True:
            looks += 1
            await current_task().progress(f"looked {looks} times", done=looks)
            await anyio.sleep(0.5)

    async def write_report(self, title: str) -> str:
        """Write a report in the tone that the user chooses."""
        task = current_task()
        async with task.waiting("which tone?"):
            await self.inbox.answered.wait()
        await task.progress(f"writing in a {self.inbox.answer} tone", done=1, total=1)
        return f"{title}, {self.inbox.answer}"
