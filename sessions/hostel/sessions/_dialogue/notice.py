"""One thing that a session is told: short enough to be put before a model."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import attrs

from .._json import question_to_json, to_text

if TYPE_CHECKING:
    from .._json import Json
    from .._records import Question, TaskRecord
    from ..states import TaskState

LONGEST_SUMMARY = 2_000
"""Characters."""
ASKED, MISSED = "asked-", "missed-"
"""What the ids of notices begin with that are no numbers of events."""
OUTPUT_BYTES = 2 * 1024
"""How much of a task's output a notice has, from its end."""


class NoticeKind(StrEnum):
    """What a notice tells."""

    ENDED = "ended"
    """The task has ended, for better or worse."""
    ASKED = "asked"
    """The task asks a question and waits for the answer."""
    TOLD = "told"
    """The task wants this to be known: progress with `notify=True`."""
    MISSED = "missed"
    """`count` notices were forgotten before anybody acknowledged them."""


@attrs.frozen
class Notice:
    """What happened to one task of a session; `id` is what to acknowledge.

    `summary` is one text of at most 2,000 characters: the result, why it failed or was cancelled, the
    progress. `output` is the end of what the task wrote, at most 2 KiB. `at` is in seconds since the epoch,
    UTC. A notice of what was `missed` has no task."""

    id: str
    kind: NoticeKind
    session_id: str
    at: float
    task_id: str = ""
    task_kind: str = ""
    label: str = ""
    state: TaskState | None = None
    summary: str | None = None
    output: str = ""
    question: Question | None = None
    count: int | None = None


def ended(record: TaskRecord, output: str) -> Notice:
    """Return the notice of an end."""
    return _of(record, NoticeKind.ENDED, str(record.seq), record.updated_at, _how_it_ended(record), output)


def told(session_id: str, seq: int, record: TaskRecord, output: str) -> Notice:
    """Return the notice of what a task tells by itself."""
    message = record.progress.message if record.progress is not None else None
    notice = _of(record, NoticeKind.TOLD, str(seq), record.updated_at, message, output)
    return attrs.evolve(notice, session_id=session_id)


def asked(record: TaskRecord, question: Question, output: str) -> Notice:
    """Return the notice of an open question."""
    notice = _of(
        record, NoticeKind.ASKED, f"{ASKED}{question.id}", question.asked_at, question.message, output
    )
    return attrs.evolve(notice, question=question)


def ids_of(record: TaskRecord) -> list[str]:
    """Return the ids of the notices that tell what a record shows."""
    if record.is_terminal:
        return [str(record.seq)]
    return [] if record.question is None else [f"{ASKED}{record.question.id}"]


def missed(session_id: str, count: int, at: float) -> Notice:
    """Return the notice of those that nobody will read."""
    return Notice(f"{MISSED}{count}", NoticeKind.MISSED, session_id, at, count=count)


def notice_to_json(notice: Notice) -> Json:
    """Return the JSON form of a notice."""
    question = notice.question
    return {
        "id": notice.id,
        "kind": notice.kind.value,
        "session_id": notice.session_id,
        "at": notice.at,
        "task_id": notice.task_id,
        "task_kind": notice.task_kind,
        "label": notice.label,
        "state": notice.state and notice.state.value,
        "summary": notice.summary,
        "output": notice.output,
        "question": None if question is None else question_to_json(question),
        "count": notice.count,
    }


def _of(record: TaskRecord, kind: NoticeKind, id: str, at: float, summary: str | None, output: str) -> Notice:
    short = None if summary is None else summary[:LONGEST_SUMMARY]
    return Notice(
        id, kind, record.session_id, at, record.id, record.kind, record.label, record.state, short, output
    )


def _how_it_ended(record: TaskRecord) -> str | None:
    if record.failure is not None:
        return record.failure.message
    if record.result is not None:
        summary, value, size = record.result.summary, record.result.value, record.result.size
        if summary is None and size is not None:
            return f"a result of {size} bytes"
        if summary is None and value is not None:
            return value if isinstance(value, str) else to_text(value)
        return summary
    return record.cancel_reason
