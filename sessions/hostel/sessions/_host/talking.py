"""The verbs that talk with a task and with whoever looks on: output, answers, messages, inboxes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from .._dialogue.asking import answer
from .._dialogue.inbox import LocalInbox
from .._dialogue.mailbox import send
from .._ids import checked_id
from .._output.of_tasks import Following
from .._output.value import LIMIT
from .context import current_task_id
from .opened import OpenedHost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .._output.value import Output
    from .._records import JsonValue, TaskRecord


class TalkingVerbs(OpenedHost):
    """What passes between a task and others."""

    async def write_output(
        self, task_id: str, text: str, stream: str = "stdout", *, session_id: str | None = None
    ) -> None:
        """Add to the output of a live task, for whoever runs it.

        :raises IllegalTransition: if it has ended.
        :raises ValueError: if `stream` is not 1 to 32 characters of `[a-z0-9_-]`.
        """
        host = self._host
        await host.outputs.write(await host.table.get(task_id, session_id), text, stream)

    async def read_output(
        self, task_id: str, after: int = 0, limit: int = LIMIT, *, session_id: str | None = None
    ) -> Output:
        """Return what a task has written from byte `after` on, at most `limit` bytes (4 to 1 MiB), of one
        stream. Below 0, `after` counts from the end. What is not kept any more is counted as `dropped`.
        """
        host = self._host
        return await host.outputs.read(await host.table.get(task_id, session_id), after, limit)

    def follow_output(
        self, task_id: str, after: int = 0, *, session_id: str | None = None
    ) -> AsyncIterator[Output]:
        """Iterate over what a task writes from byte `after` on, until it has ended or the host closes."""
        host = self._host
        return Following(host.outputs, partial(host.table.get, task_id, session_id), after)

    async def answer(
        self,
        task_id: str,
        value: JsonValue,
        *,
        question_id: str | None = None,
        actor: str | None = None,
        session_id: str | None = None,
    ) -> TaskRecord:
        """Answer what a task asks; the first answer that fits takes effect.

        `question_id` makes sure that it still asks that; None answers whatever it asks. `actor` is who
        answers; the calling task if None.

        :raises AsksNothing: if it asks nothing.
        :raises StaleQuestion: if it does not ask that question any more.
        :raises WrongAnswer: if the value does not fit; the task goes on asking.
        :raises TypeError, ValueError: if the value is no JSON.
        """
        host = self._host
        entry = await host.table.get(task_id, session_id)
        answer(host, entry, value, question_id, actor or current_task_id())
        await self._durable()
        return entry.record

    async def send(self, task_id: str, message: JsonValue, *, session_id: str | None = None) -> None:
        """Put a JSON message into the mailbox of a managed task, whose body reads it with
        `current_task().messages()`. A mailbox lives in memory and goes with its host.

        :raises TakesNoMessages: if the task has ended, or somebody else runs it.
        :raises MailboxFull: if it has not read the last 100.
        :raises TypeError, ValueError: if the message is no JSON, or more than 64 KiB of it.
        """
        send(await self._host.table.get(task_id, session_id), message)

    def inbox(self, session_id: str, consumer: str = "agent") -> LocalInbox:
        """Return the notices of a session for one consumer: what ended, what asks, what a task tells with
        `notify=True`. Each is given until it is acknowledged, with a journal after a restart too.
        """
        return LocalInbox(self._host, checked_id(session_id), checked_id(consumer))
