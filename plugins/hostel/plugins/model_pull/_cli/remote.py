"""Queues of runtimes that serve, asked over HTTP: each has left a card with its address and token."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from hostel.runtime import cards

from .._errors import PullError
from .._queue.queue import NotInQueue
from .._queue.snapshot import snapshot_from_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostel.runtime.cards import Card
    from hostel.sessions import JsonValue

    from .._events import QueueSnapshot
    from .._queue.download_request import DownloadRequest

    Json = Mapping[str, Any]

SECONDS = 30.0
RESOLVING_SECONDS = 120.0


@attrs.define
class NotReached(PullError):
    """A runtime has a card and does not answer as one."""

    url: str
    reason: str

    @property
    def message(self) -> str:
        return f"The runtime at {self.url} does not answer ({self.reason}): try again, or stop it."


@attrs.define
class Refused(PullError):
    """A runtime does not do what it was asked; `detail` is its sentence."""

    url: str
    detail: str

    @property
    def message(self) -> str:
        return self.detail


@attrs.frozen
class RemoteQueue:
    """The queue of one runtime.

    :raises NotReached: from each verb, if it does not answer
    :raises Refused: from each verb, if it answers with a problem
    :raises NotInQueue: from each verb that takes a name it does not know
    """

    card: Card

    @property
    def url(self) -> str:
        """Return the address of the runtime."""
        return self.card.url

    @property
    def where(self) -> str:
        """Return how to name it to a user."""
        return f"the runtime at {self.url}"

    def snapshot(self) -> QueueSnapshot:
        """Return what runs, waits and failed."""
        answer = self._ask("GET", "/queue")
        try:
            return snapshot_from_json(answer)
        except (TypeError, ValueError, LookupError) as error:
            raise NotReached(self.url, "it is of another version of hostel") from error

    def stored_in(self) -> Path | None:
        """Return the folder whose queue it keeps, None if its queue is in memory only."""
        folder = self._ask("GET", "/queue").get("stored_in")
        return None if folder is None else Path(str(folder)).resolve()

    def add(self, request: DownloadRequest) -> tuple[str, int]:
        """Put a model into the queue and return the name and the place of its download; 0: it is here."""
        body = {**request.to_params(secrets=True), "session_id": request.session_id}
        answer = self._ask("POST", "", body, seconds=RESOLVING_SECONDS)
        return str(answer["id"]), int(answer["position"])

    def reorder(self, name: str, position: int) -> int:
        """Move a waiting download and return its place."""
        return int(self._ask("POST", "/reorder", {"id": name, "position": position})["position"])

    def retry(self, name: str) -> int:
        """Queue a failed download again and return its place."""
        return int(self._ask("POST", "/retry", {"id": name})["position"])

    def cancel(self, name: str, *, clear_cache: bool) -> None:
        """Cancel a download for everyone who waits for it; one that failed is forgotten."""
        self._ask("POST", "/cancel", {"id": name, "clear_cache": clear_cache})

    def clear(self) -> None:
        """Forget all failures."""
        self._ask("POST", "/clear", {})

    def _ask(
        self, method: str, path: str, body: dict[str, JsonValue] | None = None, *, seconds: float = SECONDS
    ) -> Json:
        try:
            answer = cards.ask(self.card, method, f"/api/downloads{path}", body=body, seconds=seconds)
        except ConnectionError as error:
            raise NotReached(self.url, str(error)) from error
        if answer.is_error:
            raise self._problem(answer, body)
        return answer.body

    def _problem(self, answer: cards.Answer, body: Json | None) -> PullError:
        if answer.status == HTTPStatus.NOT_FOUND and body and "id" in body:
            return NotInQueue(str(body["id"]))
        return Refused(self.url, str(answer.body.get("detail", f"it answers {answer.status}")))


@attrs.frozen
class RemoteQueues:
    """The queues of all runtimes of this user that serve and pull models.

    :ivar queues: that of the data folder first
    :ivar owns_stored: whether the first is that of the data folder
    :ivar troubles: what kept a runtime out
    """

    queues: tuple[RemoteQueue, ...]
    owns_stored: bool
    troubles: tuple[PullError, ...]


def remote_queues(data_dir: Path) -> RemoteQueues:
    """Ask every runtime that has left a card."""
    ours: list[RemoteQueue] = []
    others: list[RemoteQueue] = []
    troubles: list[PullError] = []
    for card in cards.running():
        queue = RemoteQueue(card)
        try:
            (ours if queue.stored_in() == data_dir.resolve() else others).append(queue)
        except NotReached as error:
            troubles.append(error)
        except Refused:
            continue  # no downloads there
    return RemoteQueues((*ours, *others), bool(ours), tuple(troubles))
