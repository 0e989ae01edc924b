"""The verbs that talk with a task and with whoever looks on: output, answers, messages, inboxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._dialogue.asking import answer
from .._dialogue.inbox import LocalInbox
from .._dialogue.mailbox import send
from .._ids import checked_id
from .context import current_task_id
from .opened import OpenedHost

if TYPE_CHECKING:
    from .._records import JsonValue, TaskRecord


class TalkingVerbs(OpenedHost):
    """What passes between a task and others."""

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
