"""Kinds of tasks that may be started from outside: they do what they are told to."""

from collections.abc import Mapping

import anyio

from hostel.runtime import TaskKind, current_task, hookimpl
from hostel.sessions import JsonValue

FORM: dict[str, JsonValue] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "title": "Name of the branch"},
        "depth": {"type": "integer", "minimum": 1, "default": 1},
        "force": {"type": "boolean", "default": False},
        "remote": {"type": "string", "enum": ["origin", "fork"]},
    },
    "required": ["name", "remote"],
}


async def echo(text: str, times: int = 1, stream: str = "stdout") -> str:
    """Write a text, so many times."""
    for _ in range(times):
        await current_task().write(text, stream)
    return text


async def talk() -> list[JsonValue]:
    """Write what it is sent, until that is `stop`."""
    heard: list[JsonValue] = []
    async for message in current_task().messages():
        if message == "stop":
            break
        heard.append(message)
        await current_task().write(f"{message}\n")
    return heard


async def choose(choices: list[str] | None = None) -> JsonValue:
    """Ask which."""
    return await current_task().ask("Which one?", choices=choices)


async def form() -> JsonValue:
    """Ask for a branch."""
    return await current_task().ask("Which branch?", schema=FORM)


async def stay() -> None:
    """Stay until cancelled."""
    await anyio.sleep_forever()


async def outlast() -> None:
    """Say which run this is, then talk."""
    await current_task().write(f"run {current_task().record.attempt.attempt}\n")
    await talk()


async def process(
    argv: list[str] | None = None,
    shell: str | None = None,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    pass_env: list[str] | None = None,
    timeout: float | None = None,
    pty: bool = False,
    stdin: bool = False,
    on_host_loss: str | None = None,
) -> JsonValue:
    """Stand in for a command: say what was asked for, and end as its first word says."""
    task = current_task()
    assert argv is not None
    match argv:
        case ["echo", *words]:
            await task.write(" ".join(words) + "\n")
        case ["where"]:
            await task.write(f"{cwd}\n")
            await task.write(f"{dict(env or {})} {pty} {stdin}\n", "stderr")
        case ["fail", status]:
            await task.write("oh no\n", "stderr")
            raise RuntimeError(f"exit status {status}: oh no")
        case ["killed"]:
            raise RuntimeError("ended by SIGKILL")
        case ["sleep"]:
            await task.write("sleeping\n")
            await anyio.sleep_forever()
        case ["stubborn"]:
            await task.write("stubborn\n")
            with anyio.CancelScope(shield=True):
                async for message in task.messages():
                    await task.write(f"{message}\n")
                await anyio.sleep_forever()
    return {"exit_status": 0, "signal": None, "output_bytes": task.record.output_bytes}


class Agents:
    """Brings the kinds."""

    name = "agents"

    @hookimpl
    def register_task_kinds(self) -> list[TaskKind]:
        bodies = (echo, talk, choose, form, stay, process)
        exposed = [TaskKind(body.__name__, body, exposed=True) for body in bodies]
        return [
            *exposed,
            TaskKind("secret", stay),
            TaskKind("outlast", outlast, resumable=True, exposed=True),
            TaskKind("alone", stay, exposed=True, limit=1),
        ]
