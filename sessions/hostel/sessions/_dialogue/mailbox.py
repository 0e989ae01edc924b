"""What a task is sent, and reads when it wants to.

A mailbox belongs to the run of a task in this process: it holds what was sent before the body looked, within
bounds, and goes with its host. Whoever must know that a message was read asks for an answer instead."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .._errors import MailboxFull, TakesNoMessages
from .._json import as_json, to_text

if TYPE_CHECKING:
    from typing import Self

    from .._records import JsonValue
    from .._tasks.entry import Entry, Run

MOST_MESSAGES = 100
LARGEST_MESSAGE = 64 * 1024
"""Bytes of JSON text."""


def send(entry: Entry, message: JsonValue) -> None:
    """Put a message into the mailbox of a task.

    :raises TakesNoMessages: if it has ended or the host does not run it.
    :raises MailboxFull: if 100 messages are not read.
    :raises TypeError, ValueError: if the message is no JSON, or more than 64 KiB of it.
    """
    run = entry.run
    if run is None or not entry.live:
        raise TakesNoMessages(entry.record.id, entry.record.state)
    sent = as_json(message)
    size = len(to_text(sent))
    if size > LARGEST_MESSAGE:
        raise ValueError(f"a message has at most {LARGEST_MESSAGE} bytes of JSON, not {size}")
    run.mailbox = run.mailbox if run.mailbox is not None else deque()
    if len(run.mailbox) >= MOST_MESSAGES:
        raise MailboxFull(entry.record.id, MOST_MESSAGES)
    run.mailbox.append(sent)
    entry.notify()


class Messages:
    """Iterates over what a task is sent, until it has to stop."""

    def __init__(self, entry: Entry, run: Run) -> None:
        self._entry, self._run = entry, run

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> JsonValue:
        while not self._run.mailbox:
            if self._entry.must_stop:
                self._run.saw_request = True
                raise StopAsyncIteration
            await self._entry.changed()
        return self._run.mailbox.popleft()
