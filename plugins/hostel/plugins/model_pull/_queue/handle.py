"""What a caller holds of a pull, and what a cancel answers."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import attrs

from hostel.sessions import TaskCancelled, TaskFailed

from .._errors import PullError
from .._events import Progress
from .group import Request
from .pull import Pulled


@attrs.define
class PullCancelled(PullError):
    """The request was cancelled; what was fetched is kept unless its canceller asked otherwise."""

    request_id: str

    @property
    def message(self) -> str:
        return f"The pull {self.request_id} was cancelled: pull again and it goes on from there."


@attrs.define
class DuplicateRequest(PullError):
    """A request of that id is alive."""

    request_id: str

    @property
    def message(self) -> str:
        return f"There is a pull {self.request_id} already: leave the id out or wait for that one."


@attrs.frozen
class CancelReceipt:
    """What a cancel did.

    :ivar matched: requests it found
    :ivar newly_cancelled: those of them that it stopped
    :ivar already_terminal: those that had ended before, or completed while being cancelled
    """

    matched: int = 0
    newly_cancelled: int = 0
    already_terminal: int = 0

    def __add__(self, other: "CancelReceipt") -> "CancelReceipt":
        return CancelReceipt(
            self.matched + other.matched,
            self.newly_cancelled + other.newly_cancelled,
            self.already_terminal + other.already_terminal,
        )


class PullHandle:
    """A pull in the hands of its caller; `await handle` gives the path of what a program loads.

    Dropping it, or being cancelled while awaiting it, changes nothing for the pull.
    """

    def __init__(self, request: Request) -> None:
        self._request = request

    def __repr__(self) -> str:
        return f"<PullHandle {self.request_id} {self._request.wanted.label}>"

    @property
    def request_id(self) -> str:
        """Return the id of the request, which is the id of its task."""
        return self._request.id

    @property
    def session_id(self) -> str:
        """Return the session the task belongs to now."""
        return self._request.session_id

    @property
    def download_id(self) -> str | None:
        """Return what its download is called in events and in the queue, None before that is known."""
        return self._request.group.name if self._request.group else None

    @property
    def progress(self) -> Progress | None:
        """Return the latest progress, None before there is any."""
        return self._request.progress

    @property
    def pulled(self) -> Pulled | None:
        """Return what came of it, with the quantization that was chosen and why; None before it completed."""
        group = self._request.group
        return group.outcome if group is not None and isinstance(group.outcome, Pulled) else None

    @property
    def shared(self) -> bool:
        """Return whether it joined a download that somebody else had begun."""
        return self._request.shared

    @property
    def limit(self) -> float | None:
        """Return the bytes per second that its download may take, the loosest limit of all who share it."""
        group = self._request.group
        return group.limiter.rate if group is not None else self._request.wanted.limit

    @property
    def callback_error(self) -> Exception | None:
        """Return what `on_progress` raised; it was not called again after that."""
        return self._request.callback_error

    def __await__(self) -> Generator[Any, None, Path]:
        return self.wait().__await__()

    async def wait(self) -> Path:
        """Wait for the end and return the path: the model's file or first shard, else its folder.

        :raises PullCancelled: if it was cancelled
        :raises PullError: if it failed
        """
        await self._request.begun.wait()
        task = self._request.task
        if task is None:
            raise self._request.refusal or PullCancelled(self.request_id)
        try:
            return Path(await task.wait())
        except TaskCancelled as ended:
            raise PullCancelled(self.request_id) from ended
        except TaskFailed as ended:
            if isinstance(ended.__cause__, PullError):
                raise ended.__cause__ from None
            raise
