"""A runtime that runs ten commands, or with `resume` those of an earlier one, until it is killed. It says
when all of them have said something, and are known to go on.
"""

import sys
from functools import partial

import anyio

from hostel.runtime import Runtime
from hostel.sessions import JsonValue  # noqa: TC001

COMMANDS = 10


async def all_adopted(runtime: Runtime) -> None:
    """Wait until the journal has that the commands go on in this run of their tasks."""
    run = max(record.attempt.attempt for record in await runtime.tasks.list())
    waiting = {f"task-{number}" for number in range(COMMANDS)}
    async with runtime.tasks.subscribe(after=0) as events:
        while waiting:
            event = await anext(events)
            attempt = event.record.attempt if event.record is not None else None
            if attempt is not None and (attempt.attempt, attempt.counted) == (run, 1):
                waiting.discard(event.task_id)


async def main(data_dir: str, loss: str) -> None:
    async with Runtime(data_dir=data_dir, load_installed=False) as runtime:
        for number in range(COMMANDS if loss != "resume" else 0):
            shell = f"echo up; read x; echo got $x; exit {number}"
            params: dict[str, JsonValue] = {"shell": shell, "stdin": True, "on_host_loss": loss}
            await runtime.start("s", "process", params, id=f"task-{number}")
        if loss == "resume":
            await all_adopted(runtime)
        for number in range(COMMANDS):
            async for _ in runtime.tasks.follow_output(f"task-{number}"):
                break
        print("ready", flush=True)  # noqa: T201
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(partial(main, *sys.argv[1:3]), backend=sys.argv[3])
