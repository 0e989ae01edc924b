"""Tasks, questions and notices as text: functions of values, without a clock."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hostel.runtime.text import duration_text
from hostel.sessions import NoticeKind

from ._params import object_in_words
from ._text import one_line, quoted, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostel.sessions import JsonValue, Notice, Place, Progress, Question, TaskRecord


def line_of(name: str, record: TaskRecord, now: float) -> str:
    """Return one line on a task."""
    label = f' "{one_line(record.label, 80)}"' if record.label else ""
    asks = ", asks you something" if record.question is not None else ""
    done = f", {progress_of(record.progress)}" if record.progress is not None and record.state.is_live else ""
    return f"{name}{label}: {state_of(record, now)}{asks}{done}"


def state_of(record: TaskRecord, now: float) -> str:
    """Return a task's state, and for how long it has been going on or over."""
    state = record.state.value.replace("_", " ")
    if record.completed_at is not None:
        return f"{state} {duration_text(now - record.completed_at)} ago"
    since = record.created_at if record.started_at is None else record.started_at
    verb = "created" if record.started_at is None else "started"
    return f"{state}, {verb} {duration_text(now - since)} ago"


def progress_of(progress: Progress) -> str:
    """Return how far a task is."""
    unit = f" {progress.unit}" if progress.unit else ""
    total = f" of {progress.total:,.10g}" if progress.total is not None else ""
    amount = f"{progress.done:,.10g}{total}{unit}" if progress.done is not None else ""
    return "; ".join(part for part in (one_line(progress.message or ""), amount) if part) or "no progress yet"


def status_of(
    name: str, record: TaskRecord, now: float, limit: int, place: Place | None, result_after: int
) -> str:
    """Return all there is to say of a task, in about `limit` characters."""
    return "\n".join(_status(name, record, now, limit, place, result_after))


def _status(
    name: str, record: TaskRecord, now: float, limit: int, place: Place | None, result_after: int
) -> Iterator[str]:
    yield line_of(name, record, now)
    yield f"kind: {record.kind}; id: {one_line(record.id)}"
    if record.attempt.attempt > 1:
        yield f"this is attempt {record.attempt.attempt}"
    if place is not None:
        yield f"it waits for its turn: number {place.number} in line, {place.reason}"
    if record.question is not None:
        yield question_of(name, record.question, limit * 2 // 3)
    if record.cancel_reason:
        yield f"it was asked to stop: {one_line(record.cancel_reason)}"
    if record.output_bytes:
        yield f"it wrote {record.output_bytes:,} bytes: read_background_output shows them"
    yield from _end(record, limit, result_after)


def _end(record: TaskRecord, limit: int, after: int) -> Iterator[str]:
    summary = record.result.summary if record.result is not None else None
    value = record.result.value if record.result is not None else None
    limit //= max(sum(part is not None for part in (record.failure, summary, value)), 1)
    if record.failure is not None:
        yield f"it failed ({record.failure.kind}):"
        yield quoted("failure", shortened(record.failure.message, limit))
    if summary is not None:
        yield quoted("summary", shortened(summary, limit))
    if value is not None:
        yield result_of(value, limit, after)


def result_of(value: JsonValue, limit: int, after: int = 0) -> str:
    """Return a result from character `after` on, and how to read on."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    start = min(max(after, 0), len(text))
    end = min(start + limit, len(text))
    part = quoted("result", text[start:end])
    if (start, end) == (0, len(text)):
        return part
    more = f"; read on with result_after={end}" if end < len(text) else ""
    return f"{part}\nthese are the characters {start:,} to {end:,} of {len(text):,} of the result{more}"


def question_of(name: str, question: Question, limit: int, label: str = "") -> str:
    """Return what a task asks, and how to answer it."""
    asked = quoted("question", shortened(question.message, limit))
    return f"{name}{label} asks:\n{asked}\n{how_to_answer(name, question, limit // 2)}"


def how_to_answer(name: str, question: Question, limit: int = 2_000) -> str:
    """Return what fits as an answer, its choices in at most `limit` characters."""
    answer = f'Answer with answer_background_task(task="{name}", answer=...)'
    if question.choices is not None:
        choices = ", ".join(json.dumps(one, ensure_ascii=False) for one in question.choices)
        return f"{answer}, where the answer is one of {shortened(choices, limit)}."
    if question.schema is not None:
        wanted = shortened(object_in_words(question.schema), limit)
        return f"{answer}, where the answer is an object with {wanted}."
    return f"{answer}, where the answer is any text."


def notice_of(name: str, notice: Notice, limit: int) -> str:
    """Return what a notice tells, in at most about `limit` characters."""
    if notice.kind is NoticeKind.MISSED:
        return f"{notice.count} notices of this session were forgotten before you could be told."
    label = f' "{one_line(notice.label, 80)}"' if notice.label else ""
    output = f"\n{quoted('output', notice.output[-limit // 3 :])}" if notice.output else ""
    if notice.question is not None:
        return question_of(name, notice.question, limit // 2, label)
    state = notice.state.value.replace("_", " ") if notice.state is not None else ""
    said = "tells" if notice.kind is NoticeKind.TOLD else f"has ended: {state}"
    summary = f"\n{quoted('summary', shortened(notice.summary, limit // 3))}" if notice.summary else ""
    return f"{name}{label} {said}{summary}{output}"
