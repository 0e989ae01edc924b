"""The runtimes of this user, asked over HTTP by the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
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
        )

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
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Json | None = None
    ) -> Json:
        try:
            answer = cards.ask(self.card, method, path, query=query, body=body, seconds=SECONDS)
        except ConnectionError as error:
            raise NotReached(self.url, error) from error
        if answer.is_error:
            detail = str(answer.body.get("detail", answer.status))
            raise Refused(answer.status, _kind(answer.body), detail)
        return answer.body


def runtimes() -> list[RemoteRuntime]:
    """Return each running runtime of this user."""
    return [RemoteRuntime(card) for card in cards.running()]


def _path(task_id: str) -> str:
    return f"/api/tasks/{quote(task_id, safe='')}"


def _session(session_id: str | None) -> dict[str, str]:
    return {} if session_id is None else {"session_id": session_id}


def _kind(problem: Json) -> str:
    return str(problem.get("type", "")).rpartition(":")[2]
