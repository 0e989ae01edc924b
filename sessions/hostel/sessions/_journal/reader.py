"""A journal read from outside: by another process while a host writes to it, or by anybody afterwards."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from .._errors import JournalError
from .._event_log.gaps import Losses
from .._records import EVERYTHING, by_age
from .file import is_held, translating
from .view import JournalView

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from .._events import TaskEvent
    from .._records import TaskFilter, TaskRecord

POLL_SECONDS = 0.1


class JournalReader:
    """The journal at `path`, read without disturbing the host that writes to it; a context manager.

    Nothing in the journal is changed. The methods block while they read; only `follow` does not. Damaged
    parts are left out, lost events are told as `missed`, and `damage` says in words what was met.

    :raises JournalTooNew: on entering, if a newer version wrote it.
    :raises JournalCorrupt: on entering, if not even its first page can be read; `salvage_journal` may help.
    :raises JournalError: on entering, if there is no journal.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._opened: JournalView | None = None

    def __enter__(self) -> Self:
        self._opened = JournalView(self.path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._view.close()

    @property
    def _view(self) -> JournalView:
        if self._opened is None:
            raise JournalError(str(self.path), "is not open: use the reader in a `with` block")
        return self._opened

    @property
    def is_hosted(self) -> bool:
        """Whether a host has the journal open; if none has, what looks live was cut off.

        :raises JournalError: if that cannot be found out.
        """
        with translating(self.path):
            return is_held(self.path)

    @property
    def damage(self) -> tuple[str, ...]:
        """What could not be read so far."""
        return tuple(self._view.damage)

    def records(self, filter: TaskFilter = EVERYTHING) -> list[TaskRecord]:
        """Return the records that match, by creation time, as `BackgroundTaskHost.list` does.

        Those of a host that died are as it left them: still `running` until the next host opens the
        journal."""
        return sorted(self._view.records(filter), key=by_age)

    def events(
        self, after: int = 0, limit: int | None = None, *, filter: TaskFilter = EVERYTHING
    ) -> Iterator[TaskEvent]:
        """Yield the events after number `after` that match, at most `limit`, up to the last one there is.

        `missed` comes first if some of them were forgotten.
        """
        return islice((event for event in _until_now(self._view, after) if event.matches(filter)), limit)

    def follow(
        self, after: int | None = None, *, filter: TaskFilter = EVERYTHING, poll: float = POLL_SECONDS
    ) -> JournalFollower:
        """Return the events after number `after` (None: from now on) that match, an endless async iterator.

        It asks every `poll` seconds whether anything was written, which costs no disk access.
        """
        start = self._view.last_seq() if after is None else after
        return JournalFollower(self._view, start, filter, poll)


def _until_now(view: JournalView, after: int) -> Iterator[TaskEvent]:
    through, losses = view.last_seq(), Losses(after)
    while after < through:
        events = view.page(after, through, losses)
        yield from events
        after = events[-1].seq if events else through


class JournalFollower:
    """The events of a journal as they are written: an async iterator that never ends and needs no closing."""

    def __init__(self, view: JournalView, after: int, filter: TaskFilter, poll: float) -> None:
        self._view = view
        self._cursor = after
        self._filter = filter
        self._poll = poll
        self._page: list[TaskEvent] = []
        self._losses = Losses(after)
        self._through = after
        self._version = -1

    @property
    def cursor(self) -> int:
        """The number of the last event seen; pass it as `after` to go on from here."""
        return self._cursor

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> TaskEvent:
        while True:
            while self._page:
                event = self._page.pop()
                self._cursor = event.seq
                if event.matches(self._filter):
                    return event
            if not await anyio.to_thread.run_sync(self._look):
                await anyio.sleep(self._poll)

    def _look(self) -> bool:
        """Read the next page; tell whether there may be more."""
        if self._cursor >= self._through:
            version = self._view.version()
            if version == self._version:
                return False
            self._version, self._through = version, max(self._cursor, self._view.last_seq())
            self._losses = Losses(self._cursor)
        if self._cursor < self._through:
            page = self._view.page(self._cursor, self._through, self._losses)
            self._page = page[::-1]
            if not page:
                self._cursor = self._through
        return True
