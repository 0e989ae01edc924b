"""The eight tools. Each is a method of `_Toolbox` whose docstring is written for a model; `tools_for` hands
them out as functions.

There is one tool that starts and not one for each kind: a model has a number of tools that does not grow with
what is installed, and the runtime checks params by the signature of their kind and names the one at fault."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Literal, cast

import anyio

from ._finding import Finder
from ._function import as_function
from ._mistakes import Mistake, talking_with
from ._output import part_in_words, part_of
from ._params import kind_in_words
from ._telling import how_to_answer, line_of, status_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from hostel.runtime import Session, TaskKind
    from hostel.sessions import JsonValue, TaskRecord

    from ._function import Tool

ACTOR = CONSUMER = "agent"
LEAST = 2_000
MOST_SECONDS = 600.0
HEADINGS = 800
"""Characters of an answer that are not for what tasks wrote."""
ROOM = HEADINGS
"""What an answer has at least for each task that it tells all of; of those beyond it has a line."""


def tools_for(session: Session, kinds: Collection[str] | None = None, *, limit: int = 10_000) -> list[Tool]:
    """Return the tools of a model for the tasks of `session`: async functions that return text.

    `kinds` are the names of those it may start, of the exposed ones; None allows all of them, and without any
    there is no tool that starts. `limit` is how many characters an answer has at most, 2,000 or more.

    :raises ValueError: if a kind is not exposed, or the limit is too low.
    """
    if limit < LEAST:
        raise ValueError(f"an answer has a limit of at least {LEAST} characters, not {limit}")
    startable = _startable(session, kinds)
    box = _Toolbox(session, [kind.name for kind in startable], limit)
    start = as_function(box.start_background_task, limit, _kinds_in_words(startable))
    others: list[Tool] = [
        box.list_background_tasks,
        box.get_background_task,
        box.read_background_output,
        box.wait_for_background_tasks,
        box.answer_background_task,
        box.message_background_task,
        box.cancel_background_task,
    ]
    return [*([start] if startable else []), *(as_function(other, limit) for other in others)]


def _startable(session: Session, kinds: Collection[str] | None) -> list[TaskKind]:
    exposed = {kind.name: kind for kind in session.kinds if kind.exposed}
    kinds = [kinds] if isinstance(kinds, str) else kinds  # a text is a collection of texts as well
    for name in kinds or ():
        if name not in exposed:
            raise ValueError(
                f"no exposed task kind is called {name!r}; there is {', '.join(exposed) or 'none'}"
            )
    return [kind for name, kind in exposed.items() if kinds is None or name in kinds]


def _kinds_in_words(kinds: Sequence[TaskKind]) -> str:
    return "\n".join(["The kinds of tasks are", *map(kind_in_words, kinds)])


class _Toolbox:
    """What a model may do with the tasks of one session."""

    def __init__(self, session: Session, kinds: Collection[str], limit: int) -> None:
        self._session, self._kinds, self._limit = session, kinds, limit
        self._finder = Finder(session)

    async def start_background_task(
        self, kind: str, params: dict[str, Any] | None = None, label: str = ""
    ) -> str:
        """Start a task that runs in the background, and return at once with its id.

        Go on with something else meanwhile; you are told when it ends or asks something.

        Args:
            kind: Which kind of task.
            params: What the kind takes, an object.
            label: A few words to recognize it by.
        """
        if kind not in self._kinds:
            raise Mistake(f"There is no kind {kind[:100]!r} to start; there is {', '.join(self._kinds)}.")
        if not isinstance(params or {}, dict):
            raise Mistake("The params are an object, with a value for each name.")
        handle = await self._session.start(kind, params or {}, label=label[:200])
        name, place = await self._finder.name(handle.record), await self._session.place(handle.id)
        if place is None:
            return f"Started {name}."
        return f"{name} waits for its turn: number {place.number} in line, {place.reason}."

    async def list_background_tasks(self, include_ended: bool = False) -> str:
        """List the background tasks that are live, the oldest first, one line each.

        Args:
            include_ended: List also those that have ended.
        """
        records = await self._session.list(include_terminal=include_ended)
        if not records:
            return "There are no background tasks." if include_ended else "No background task is live."
        lines = await self._lines(records)
        kept = _last_that_fit(lines, self._limit - 100)
        older = len(lines) - len(kept)
        return "\n".join([*([f"{older} older tasks are left out."] if older else []), *kept])

    async def get_background_task(self, task: str, result_after: int = 0) -> str:
        """Return the state of a background task, what it asks, and its result if it has ended.

        Args:
            task: The id of the task.
            result_after: Where to read on in a result that was too long, in characters.
        """
        record = await self._finder.record(task)
        return await self._told(record, self._limit - HEADINGS, result_after)

    async def read_background_output(self, task: str, after: int | None = None) -> str:
        """Return what a background task has written, the end of it if `after` is not given.

        Args:
            task: The id of the task.
            after: Return what comes after this byte; 0 is the beginning.
        """
        record = await self._finder.record(task)
        name, size = await self._finder.name(record), self._limit - HEADINGS
        start = -size if after is None else max(after, 0)
        part = await part_of(self._session, record.id, start, size)
        return part_in_words(name, part, record, self._limit - HEADINGS // 2)

    async def wait_for_background_tasks(
        self, tasks: list[str], timeout_seconds: float = 30.0, until: Literal["any", "all"] = "any"
    ) -> str:
        """Wait until background tasks end, and return how they ended; nothing happens to those that go on.

        Returns early when one of them asks something.

        Args:
            tasks: The ids of the tasks.
            timeout_seconds: How long to wait at most, up to 600.
            until: Wait until any of them has ended, or all.
        """
        records = [await self._finder.record(task) for task in ([tasks] if isinstance(tasks, str) else tasks)]
        if not records:
            raise Mistake("Name at least one task to wait for.")
        seconds = min(timeout_seconds, MOST_SECONDS) if timeout_seconds > 0 else 0.0
        waited = await self._wait([record.id for record in records], seconds, all_of_them=until == "all")
        news = sorted(waited, key=_is_no_news)
        over = sum(not _is_no_news(record) for record in news)
        told = await self._told_of(news[:over][: (self._limit - HEADINGS) // ROOM])
        lines = await self._lines(news[len(told) :])
        heading = [] if told else [f"None of them has ended within {seconds:g} s."]
        return "\n\n".join(part for part in (*heading, *told, "\n".join(lines)) if part)

    async def answer_background_task(self, task: str, answer: str | dict[str, Any]) -> str:
        """Answer what a background task asks, so that it goes on.

        Args:
            task: The id of the task.
            answer: The answer: a text, one of the choices, or an object, as the question wants it.
        """
        record = await self._finder.record(task)
        name, question = await self._finder.name(record), record.question
        how = how_to_answer(name, question) if question is not None else ""
        with talking_with(name, how):
            wants_object = question is not None and question.schema is not None
            value = _object_in(answer) if wants_object else answer
            asked = question.id if question is not None else None
            await self._session.answer(record.id, value, question_id=asked, actor=ACTOR)
        return f"{name} has its answer and goes on."

    async def message_background_task(self, task: str, message: str | dict[str, Any]) -> str:
        """Send a message to a background task: input for a command, or an instruction for an agent.

        Args:
            task: The id of the task.
            message: A text, or an object if the kind of task takes such.
        """
        record = await self._finder.record(task)
        name = await self._finder.name(record)
        with talking_with(name):
            await self._session.send(record.id, message)
        return f"The message is sent to {name}."

    async def cancel_background_task(self, task: str, reason: str = "") -> str:
        """Stop a background task, and wait a few seconds for its end.

        Args:
            task: The id of the task.
            reason: Why it is not needed any more.
        """
        record = await self._finder.record(task)
        name = await self._finder.name(record)
        if record.is_terminal:
            return f"{name} had ended before: {record.state}."
        record = await self._session.cancel(record.id, reason[:1_000] or None, actor=ACTOR)
        if record.is_terminal:
            await self._session.inbox(CONSUMER).ack_record(record)
            return f"{name} has ended: {record.state}."
        return f"{name} was asked to stop and has not ended yet; wait_for_background_tasks tells when it has."

    async def _wait(self, ids: Collection[str], seconds: float, *, all_of_them: bool) -> list[TaskRecord]:
        deadline = anyio.current_time() + seconds
        ended: list[TaskRecord] = []
        while True:
            left = max(deadline - anyio.current_time(), 0.0)
            waited = await self._session.wait_any(ids, timeout=left, or_asking=True)
            ended += waited.ended
            asking = any(record.question is not None for record in waited.live)
            if asking or not waited.live or left == 0 or (ended and not all_of_them):
                return [*ended, *waited.live]
            ids = [record.id for record in waited.live]

    async def _told_of(self, records: Sequence[TaskRecord]) -> list[str]:
        room = (self._limit - HEADINGS) // max(len(records), 1) - HEADINGS // 2
        return [await self._told(record, room) for record in records]

    async def _lines(self, records: Sequence[TaskRecord]) -> list[str]:
        names, now = await self._finder.names(records), time.time()
        return [line_of(name, record, now) for name, record in zip(names, records, strict=True)]

    async def _told(self, record: TaskRecord, limit: int, result_after: int = 0) -> str:
        """Tell all of a task; the inbox need not tell it then."""
        name, place = await self._finder.name(record), await self._session.place(record.id)
        text = status_of(name, record, time.time(), limit, place, result_after)
        await self._session.inbox(CONSUMER).ack_record(record)
        return text


def _last_that_fit(lines: Sequence[str], limit: int) -> list[str]:
    kept: list[str] = []
    for line in reversed(lines):
        limit -= len(line) + 1
        if limit < 0:
            break
        kept.insert(0, line)
    return kept


def _is_no_news(record: TaskRecord) -> bool:
    return not record.is_terminal and record.question is None


def _object_in(answer: str | dict[str, Any]) -> JsonValue:
    """Return the object that an answer is, or that its text says."""
    if isinstance(answer, dict):
        return answer
    try:
        return cast("JsonValue", json.loads(answer))
    except ValueError:
        return answer
