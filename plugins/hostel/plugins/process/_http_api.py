"""What a runtime that serves answers about its commands: `/api/processes`, and telling one something."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from hostel.runtime import Endpoint
from hostel.sessions import SessionsError, TaskFilter

from ._registry import KIND
from ._task import keeper_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hostel.sessions import BackgroundTaskHost, JsonValue, TaskRecord

    from ._running import RunningCommands

    Body = Mapping[str, JsonValue]


@attrs.frozen
class ProcessesApi:
    """The commands of a host, over HTTP."""

    host: BackgroundTaskHost
    running: RunningCommands

    def endpoints(self) -> list[Endpoint]:
        """Return what is answered."""
        return [
            Endpoint("processes", self._list, summary="List the commands that run or wait"),
            self._post("processes/send", self._line, "Write `line` to the input of the command of task `id`"),
            self._post("processes/eof", self._eof, "End the input of the command of task `id`"),
            self._post("processes/signal", self._signal, "Send `signal` to the command of task `id`"),
        ]

    async def _list(self, query: Mapping[str, str], _: JsonValue) -> JsonValue:
        page = await self.host.page(TaskFilter(kind=KIND), after=query.get("after"))
        return {"items": [self._row(record) for record in page.records], "next": page.next}

    def _row(self, record: TaskRecord) -> JsonValue:
        command = self.running.of(record)
        return {
            "key": f"{record.session_id} {record.id}",
            "id": record.id,
            "session_id": record.session_id,
            "command": record.label or KIND if command is None else command.line,
            "cwd": None if command is None else command.cwd,
            "pid": None if command is None else command.pid,
            "takes_input": command is not None and command.takes_input,
            "runs": command is not None,
            "state": record.state.value,
            "started_at": record.started_at,
            "output_bytes": record.output_bytes,
        }

    def _post(self, path: str, message: Callable[[Body], JsonValue], summary: str) -> Endpoint:
        async def answer(_: Mapping[str, str], body: JsonValue) -> JsonValue:
            if not isinstance(body, dict):
                raise ValueError("the body is a JSON object")
            told = message(body)
            try:
                await self._tell(_text(body, "id"), told, body.get("session_id"))
            except SessionsError as error:
                raise (error if isinstance(error, LookupError) else ValueError(str(error))) from error
            return {}

        return Endpoint(path, answer, "POST", summary)

    async def _tell(self, task_id: str, message: JsonValue, session_id: JsonValue) -> None:
        if not isinstance(session_id, str | None):
            raise ValueError("session_id is a text")
        record = await self.host.get(task_id, session_id=session_id)
        command = None if record is None else self.running.of(record)
        if record is None or command is None:
            raise LookupError(f"no command of a task {task_id!r} runs here")
        if keeper_request(message)["do"] != "signal" and not command.takes_input:
            raise ValueError("this command has no input: it was started without `stdin`")
        await self.host.send(record.id, message, session_id=record.session_id)

    def _line(self, body: Body) -> JsonValue:
        return _text(body, "line", empty=True)

    def _eof(self, _: Body) -> JsonValue:
        return {"eof": True}

    def _signal(self, body: Body) -> JsonValue:
        return {"signal": _text(body, "signal")}


def _text(body: Body, name: str, *, empty: bool = False) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not (value or empty):
        raise ValueError(f"{name} is to be given as a text")
    return value
