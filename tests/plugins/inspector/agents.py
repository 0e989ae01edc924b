"""Kinds of tasks that may be started from outside: they do what they are told to."""

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


async def stubborn(argv: list[str], cwd: str, stdin: bool) -> None:
    """Stand in for a command that no signal ends."""
    await current_task().write("stubborn\n")
    with anyio.CancelScope(shield=True):
        await anyio.sleep_forever()


class Stubborn:
    """Brings the kind in place of that of commands."""

    name = "stubborn"

    @hookimpl
    def register_task_kinds(self) -> list[TaskKind]:
        return [TaskKind("process", stubborn, exposed=True)]


class Agents:
    """Brings the kinds."""

    name = "agents"

    @hookimpl
    def register_task_kinds(self) -> list[TaskKind]:
        bodies = (echo, talk, choose, form, stay)
        exposed = [TaskKind(body.__name__, body, exposed=True) for body in bodies]
        return [
            *exposed,
            TaskKind("secret", stay),
            TaskKind("outlast", outlast, resumable=True, exposed=True),
            TaskKind("alone", stay, exposed=True, limit=1),
        ]
