"""What happened in a session, told to each of its consumers until that one has acknowledged it.

What is to be told is not written anywhere when it happens: ends are the finished tasks of the session, asked
is what its live tasks ask at this moment, and only what a task tells by itself is kept beside. What is
remembered for each consumer is what it has acknowledged. So nothing can get lost between an end and its
notice, a consumer that nobody reads costs nothing, and a restart changes nothing. A question that was
answered or withdrawn meanwhile is not told any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .._events import EventType
from .._records import TaskFilter
from .._tasks.entry import Entry
from .notice import ASKED, MISSED, Notice, asked, ended, ids_of, missed, told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from typing import Self

    from .._events import TaskEvent
    from .._journal.protocol import Unread
    from .._protocol import Subscription
    from .._records import TaskRecord

AT_ONCE = 100
MOST = 1_000_000
LONGEST_NUMBER = 18
"""Digits: what a journal can keep."""
_NEWS = {EventType.TRANSFERRED, EventType.MISSED}


class Tells(Protocol):
    """What an inbox needs of its host."""

    def now(self) -> float: ...

    async def unread(self, session_id: str, consumer: str, limit: int) -> Unread: ...

    async def acknowledge(
        self, session_id: str, consumer: str, seqs: Sequence[int], missed: int = 0
    ) -> None: ...

    def asking(self, session_id: str) -> list[Entry]: ...

    def watch(self, filter: TaskFilter) -> Subscription: ...

    async def last_output(self, entry: Entry) -> str: ...


class LocalInbox:
    """The notices of one session for one consumer; `host.inbox()` returns it.

    `drain` gives what is not acknowledged, `async for` gives each notice once and then waits for the next.
    Use it in one task."""

    def __init__(self, host: Tells, session_id: str, consumer: str) -> None:
        self._host = host
        self._given: set[str] = set()
        self._waiting: list[Notice] = []
        self._events: Subscription | None = None
        self._who = session_id, consumer
        self.session_id = session_id
        self.consumer = consumer

    async def drain(self, limit: int = AT_ONCE) -> list[Notice]:
        """Return what is not acknowledged, the oldest first, at most `limit`, without waiting for more.

        :raises ValueError: if `limit` is no whole number or below 1.
        """
        if type(limit) is not int or limit < 1:
            raise ValueError(f"a drain gives at least one notice, not {limit!r:.50}")
        limit = min(limit, MOST)
        unread = await self._host.unread(self.session_id, self.consumer, limit)
        notices = [notice async for notice in self._notices(unread)]
        notices.sort(key=lambda notice: notice.at)
        if unread.missed:
            notices.insert(0, missed(self.session_id, unread.missed, self._host.now()))
        return notices[:limit]

    async def ack(self, *notices: Notice) -> None:
        """Acknowledge notices: this consumer is not given them again, not even after a restart."""
        await self.ack_ids([notice.id for notice in notices])

    async def ack_record(self, record: TaskRecord) -> None:
        """Acknowledge what the record of a task shows: its end, or what it asks."""
        await self.ack_ids(ids_of(record))

    async def ack_ids(self, ids: Iterable[str]) -> None:
        """Acknowledge notices by their ids; what is none is left out."""
        wanted = set(ids)
        self._ack_questions({id.removeprefix(ASKED) for id in wanted if id.startswith(ASKED)})
        seqs = [int(id) for id in wanted if _is_number(id)]
        gone = [id.removeprefix(MISSED) for id in wanted if id.startswith(MISSED)]
        counts = sum(int(count) for count in gone if _is_number(count))
        if seqs or counts:
            await self._host.acknowledge(self.session_id, self.consumer, seqs, counts)
        self._given -= wanted

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Notice:
        # in force before the first look, so that nothing falls between the two
        self._events = self._events or self._host.watch(TaskFilter(self.session_id))
        while not self._waiting:
            unread = await self.drain(AT_ONCE + len(self._given))
            self._waiting = [notice for notice in unread if notice.id not in self._given]
            if not self._waiting and not await self._news(self._events):
                raise StopAsyncIteration
        notice = self._waiting.pop(0)
        self._given.add(notice.id)
        return notice

    async def _news(self, events: Subscription) -> bool:
        """Wait until there may be something to tell; tell whether the host goes on."""
        while happened := await events.read():
            if any(_is_news(event) for event in happened):
                return True
        return False

    async def _notices(self, unread: Unread) -> AsyncIterator[Notice]:
        for kept in unread.ended:
            yield ended(kept.record, await self._host.last_output(Entry(kept.record, number=kept.number)))
        for number, event in unread.told:
            if event.record is not None:
                output = await self._host.last_output(Entry(event.record, number=number))
                yield told(event.session_id, event.seq, event.record, output)
        for entry in self._host.asking(self.session_id):
            question = entry.record.question
            if question is not None and (*self._who, question.id) not in entry.acknowledged:
                output = await self._host.last_output(entry)
                yield asked(entry.record, question, output)

    def _ack_questions(self, ids: set[str]) -> None:
        for entry in self._host.asking(self.session_id):
            question = entry.record.question
            if question is not None and question.id in ids:
                entry.acknowledged = {*entry.acknowledged, (*self._who, question.id)}


def _is_number(text: str) -> bool:
    """Tell whether a text is a number that an event can have."""
    return text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER


def _is_news(event: TaskEvent) -> bool:
    record = event.record
    return (
        event.notify
        or event.type in _NEWS
        or (record is not None and (record.state.is_terminal or record.question is not None))
    )
