"""The runtimes of this user, asked over HTTP by the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import attrs

from hostel.runtime import cards
from hostel.sessions.json import event_from_json, record_from_json

from .._errors import NotReached, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hostel.sessions import JsonValue, TaskEvent, TaskRecord

    Json = dict[str, JsonValue]

SECONDS = 5.0
PAGE = 500
KIND = ("name", "summary", "resumable", "params")
PART = ("text", "start", "next", "dropped", "ended", "stream")


@attrs.frozen
class Found:
    """One task and the runtime that has it."""

    runtime: RemoteRuntime
    record: TaskRecord


@attrs.frozen
class Details:
    """One task with what happened to it and the tasks it started."""

    record: TaskRecord
    history: list[TaskEvent]
    children: list[TaskRecord]
    place: Json | None
    """Its `number` among those that wait, and the `reason`; None if it does not wait."""


@attrs.frozen
class Kind:
    """A kind of tasks that a runtime lets others start; `params` is a JSON Schema."""

    runtime: RemoteRuntime
    name: str
    summary: str
    resumable: bool
    params: dict[str, JsonValue]


@attrs.frozen
class Part:
    """Part of what a task has written, as the API has it; offsets are in bytes."""

    text: str
    start: int
    next: int
    dropped: int
    ended: bool
    stream: str


class RemoteRuntime:
    """One running runtime. Each verb asks it once.

    :raises NotReached: from each verb, if it does not answer within 5 seconds.
    :raises Refused: from each verb, if it answers with a problem.
    """

    def __init__(self, card: cards.Card) -> None:
        self.card = card
        self.url = card.url

    def tasks(self, query: Mapping[str, str]) -> Iterator[TaskRecord]:
        """Return all tasks that match, page by page."""
        # a copy: the place of the next page goes into it
        asked = {**query, "limit": str(PAGE)}
        while True:
            answer = self._ask("GET", "/api/tasks", query=asked)
            yield from map(record_from_json, cast("list[Json]", answer["items"]))
            if answer["next"] is None:
                return
            asked["after"] = str(answer["next"])

    def task(self, task_id: str, session_id: str | None = None) -> Details:
        """Return a task with its history and children."""
        answer = self._ask("GET", _path(task_id), query=_session(session_id))
        return Details(
            record_from_json(answer),
            [event_from_json(event) for event in cast("list[Json]", answer["history"])],
            [record_from_json(child) for child in cast("list[Json]", answer["children"])],
            cast("Json | None", answer["place"]),
        )

    def kinds(self) -> list[Kind]:
        """Return the kinds that may be started."""
        answer = self._ask("GET", "/api/kinds")
        items = cast("list[dict[str, Any]]", answer["items"])
        return [Kind(self, **{field: item[field] for field in KIND}) for item in items]

    def start(self, asked: Json) -> TaskRecord:
        """Start a task; `asked` has the fields of `POST /api/tasks`."""
        return record_from_json(self._ask("POST", "/api/tasks", body=asked))

    def output(self, record: TaskRecord, after: int) -> Part:
        """Return part of what a task has written."""
        query = {**_session(record.session_id), "after": str(after)}
        return part_of(self._ask("GET", output_path(record), query=query))

    def answer(self, record: TaskRecord, asked: Json) -> TaskRecord:
        """Answer what a task asks."""
        path = f"{_path(record.id)}/answer"
        return record_from_json(self._ask("POST", path, query=_session(record.session_id), body=asked))

    def send(self, record: TaskRecord, message: JsonValue) -> TaskRecord:
        """Put a message into the mailbox of a task."""
        path, body = f"{_path(record.id)}/messages", {"message": message}
        return record_from_json(self._ask("POST", path, query=_session(record.session_id), body=body))

    def wait(self, session_id: str, task_ids: list[str], *, any: bool, seconds: float) -> list[TaskRecord]:
        """Wait for tasks of one session, at most 50 seconds; return those that have ended."""
        mode, ids = "any" if any else "all", cast("list[JsonValue]", task_ids)
        body: Json = {"task_ids": ids, "session_id": session_id, "mode": mode, "timeout": seconds}
        answer = self._ask("POST", "/api/tasks/wait", body=body, seconds=SECONDS + seconds)
        return [record_from_json(record) for record in cast("list[Json]", answer["ended"])]

    def inbox(self, session_id: str, consumer: str) -> list[Json]:
        """Return the notices of a session that a consumer has not acknowledged."""
        query = {"consumer": consumer, "limit": str(PAGE)}
        return cast("list[Json]", self._ask("GET", _inbox(session_id), query=query)["items"])

    def acknowledge(self, session_id: str, consumer: str, ids: list[JsonValue]) -> None:
        """Acknowledge notices."""
        self._ask("POST", f"{_inbox(session_id)}/ack", body={"consumer": consumer, "ids": ids})

    def cancel(self, record: TaskRecord, *, reason: str | None, cascade: bool, actor: str) -> TaskRecord:
        """Ask a task to stop."""
        body: Json = {"reason": reason, "cascade": cascade, "actor": actor}
        path = f"{_path(record.id)}/cancel"
        return record_from_json(self._ask("POST", path, query=_session(record.session_id), body=body))

    def transfer(self, from_session_id: str, session_id: str, task_ids: list[str]) -> list[TaskRecord]:
        """Hand tasks of one session to another, all or none; return those that moved."""
        body: Json = {
            "from_session_id": from_session_id,
            "session_id": session_id,
            "task_ids": list(task_ids),
        }
        answer = self._ask("POST", "/api/transfer", body=body)
        return [record_from_json(record) for record in cast("list[Json]", answer["items"])]

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        seconds: float = SECONDS,
    ) -> Json:
        try:
            answer = cards.ask(self.card, method, path, query=query, body=body, seconds=seconds)
        except ConnectionError as error:
            raise NotReached(self.url, error) from error
        if answer.is_error:
            detail = str(answer.body.get("detail", answer.status))
            raise Refused(answer.status, _kind(answer.body), detail)
        return answer.body


def runtimes() -> list[RemoteRuntime]:
    """Return each running runtime of this user."""
    return [RemoteRuntime(card) for card in cards.running()]


def output_path(record: TaskRecord) -> str:
    """Return where the output of a task is read."""
    return f"{_path(record.id)}/output"


def part_of(answer: Mapping[str, Any]) -> Part:
    """Return the part of an output whose JSON form is `answer`."""
    return Part(**{field: answer[field] for field in PART})


def _inbox(session_id: str) -> str:
    return f"/api/sessions/{quote(session_id, safe='')}/inbox"


def _path(task_id: str) -> str:
    return f"/api/tasks/{quote(task_id, safe='')}"


def _session(session_id: str | None) -> dict[str, str]:
    return {} if session_id is None else {"session_id": session_id}


def _kind(problem: Json) -> str:
    return str(problem.get("type", "")).rpartition(":")[2]
