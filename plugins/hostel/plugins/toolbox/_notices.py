"""What happened to a session's tasks meanwhile, as one text for the model's next turn.

It is acknowledged once it is in the conversation, so a process that dies in between tells it again. What does
not fit stays in the inbox for the turn after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from hostel.sessions import NoticeKind

from ._finding import Finder
from ._telling import notice_of
from ._text import shortened
from ._tools import CONSUMER, LEAST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostel.runtime import Session
    from hostel.sessions import Inbox, Notice

AT_ONCE = 20
MOST = 1_700
"""Characters for one notice, so that one always fits."""


@attrs.frozen(eq=False)
class News:
    """What a model is to be told; false if that is nothing. `notices` are those that `text` tells."""

    text: str
    notices: Sequence[Notice]
    _inbox: Inbox = attrs.field(repr=False)

    def __bool__(self) -> bool:
        return bool(self.notices)

    async def ack(self) -> None:
        """Say that the text is in the conversation: it is not told again."""
        if self.notices:
            await self._inbox.ack(*self.notices)


async def notices_for(session: Session, *, limit: int = 10_000) -> News:
    """Return what the session's tasks have to tell its model, in at most `limit` characters, 2,000 or more;
    nothing is waited for.

    :raises ValueError: if the limit is too low.
    """
    if limit < LEAST:
        raise ValueError(f"a text has a limit of at least {LEAST} characters, not {limit}")
    inbox = session.inbox(CONSUMER)
    unread = await inbox.drain(AT_ONCE + 1)
    told, texts = await _that_fit(Finder(session), session, unread[:AT_ONCE], limit - 200)
    more = ["More of them are told with your next turn."] if len(unread) > len(told) else []
    heading = ["This happened to your background tasks:"] if told else []
    return News("\n\n".join([*heading, *texts, *more]), told, inbox)


async def _that_fit(
    finder: Finder, session: Session, notices: Sequence[Notice], limit: int
) -> tuple[list[Notice], list[str]]:
    texts: list[str] = []
    for notice in notices:
        text = shortened(notice_of(await _name(finder, session, notice), notice, MOST), MOST)
        limit -= len(text) + 2
        if limit < 0:
            break
        texts.append(text)
    return list(notices[: len(texts)]), texts


async def _name(finder: Finder, session: Session, notice: Notice) -> str:
    if notice.kind is NoticeKind.MISSED:
        return ""
    record = await session.get(notice.task_id)
    return notice.task_id if record is None else await finder.name(record)
