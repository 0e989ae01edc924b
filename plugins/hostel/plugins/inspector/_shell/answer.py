"""`hostel answer`: what a task asks, answered from the command line or from a terminal."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import typer

from hostel.runtime import console
from hostel.sessions.json import record_to_json

from .._cli.client import runtimes
from .._cli.control import find, user
from .form import fill_in

if TYPE_CHECKING:
    from hostel.sessions import JsonValue, Question, TaskRecord

    from .._cli.client import Found


def answer_task(
    task_id: str, text: str | None, *, session: str | None, question_id: str | None, as_json: bool
) -> None:
    """Answer the question of a task; without a text, ask for it on the terminal."""
    with console.one_sentence():
        found = find(runtimes(), task_id, session)
        record = answer_found(found, text, question_id)
    if as_json:
        console.print_json({**record_to_json(record), "runtime": found.runtime.url})


def answer_found(found: Found, text: str | None = None, question_id: str | None = None) -> TaskRecord:
    """Answer the question of a task that was found, as `answer_task` does, and return its record.

    :raises InspectorError: if its runtime refuses or does not answer.
    """
    question = found.record.question
    if question is None:
        console.fail(f"task {found.record.id!r} asks nothing")
    if text is None:
        question_id = question_id or question.id
        value = _from_terminal(question)
    else:
        value = _read(question, text)
    asked: dict[str, JsonValue] = {"value": value, "question_id": question_id, "actor": user()}
    return found.runtime.answer(found.record, asked)


def _read(question: Question, text: str) -> JsonValue:
    if question.schema is None:
        return text
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        names = ", ".join(question.schema["properties"])  # type: ignore[arg-type]
        raise typer.BadParameter(f"it is a JSON object with {names}", param_hint="VALUE") from None
    return value


def _from_terminal(question: Question) -> JsonValue:
    if not sys.stdin.isatty():
        console.fail("give the VALUE: there is no terminal to ask for it", console.USAGE)
    try:
        return fill_in(question)
    except (typer.Abort, EOFError):
        raise KeyboardInterrupt from None
