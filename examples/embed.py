"""Embed hostel in an application: run a task, follow it, hand it over, cancel it.

Install: pip install hostel.
"""

import anyio

from hostel.runtime import Runtime, current_task
from hostel.sessions import TaskSpec


async def watch_build() -> None:
    for minute in range(60):
        await current_task().progress(f"minute {minute}", done=minute, total=60)
        await anyio.sleep(60)


async def main() -> None:
    async with Runtime() as runtime:
        events = runtime.tasks.subscribe()
        async with runtime.session("first") as first:
            await first.spawn_managed(TaskSpec(id="monitor:build", kind="monitor"), watch_build)
            await first.transfer(["monitor:build"], to="second")
        await runtime.tasks.cancel_managed("second", "monitor:build", "the build is done", actor="example")
    async for event in events:
        print(event.seq, event.type, event.session_id, event.task_id)


if __name__ == "__main__":
    anyio.run(main)
