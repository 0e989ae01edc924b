"""A question, put to whoever sits at the terminal: choices by number, a form field by field.

What is typed is read by the type of its field and asked again until it is of that type; the rest the task's
host checks when it gets the answer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import typer

from hostel.runtime import console

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hostel.sessions import JsonValue, Question

    Schema = Mapping[str, JsonValue]


def fill_in(question: Question) -> JsonValue:
    """Ask for the answer to a question."""
    _say(question.message)
    if question.choices is not None:
        return _choice("your choice", list(question.choices), None)
    if question.schema is None:
        return _prompt("your answer", None, needed=True)
    return dict(_fields(question.schema))


def _fields(schema: Schema) -> Iterator[tuple[str, JsonValue]]:
    required = cast("list[str]", schema.get("required", []))
    for name, described in cast("dict[str, Schema]", schema["properties"]).items():
        value = _field(name, described, needed=name in required)
        if value is not None:
            yield name, value


def _field(name: str, schema: Schema, *, needed: bool) -> JsonValue:
    label = console.plain(str(schema.get("title") or name))
    if schema.get("description"):
        _say(str(schema["description"]))
    default = schema.get("default")
    if schema.get("type") == "boolean":
        return typer.confirm(label, default=default if isinstance(default, bool) else None, err=True)
    options = _options(schema)
    if options and schema.get("type") != "array":
        return _choice(label, options, default, needed=needed)
    if schema.get("type") == "array":
        label = f"{label} ({', '.join(console.plain(one) for one in options)}; with commas between)"
    while True:
        text = _prompt(label, default, needed=needed)
        if not text and not needed:
            return None
        try:
            return _typed(str(schema.get("type", "string")), text)
        except ValueError:
            _say(f"{name} must be {'a whole number' if schema.get('type') == 'integer' else 'a number'}")


def _typed(kind: str, text: str) -> JsonValue:
    match kind:
        case "integer":
            return int(text)
        case "number":
            return _finite(float(text))
        case "array":
            return [part.strip() for part in text.split(",") if part.strip()]
        case _:
            return text


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError("JSON has no such number")
    return number


def _options(schema: Schema) -> list[str]:
    inner = schema.get("items")
    schema = inner if isinstance(inner, dict) else schema
    named = schema.get("oneOf") or schema.get("anyOf")
    if isinstance(named, list):
        return [str(one["const"]) for one in named if isinstance(one, dict) and "const" in one]
    listed = schema.get("enum")
    return [str(one) for one in listed] if isinstance(listed, list) else []


def _choice(label: str, options: list[str], default: JsonValue, *, needed: bool = True) -> JsonValue:
    """Ask for one of several, by its number or as it is."""
    for number, option in enumerate(options, 1):
        _say(f"{number:>3}  {option}")
    while True:
        text = _prompt(label, default, needed=needed)
        if text in options:
            return text
        if text.isascii() and text.isdecimal() and 1 <= int(text) <= len(options):
            return options[int(text) - 1]
        if not text and not needed:
            return None
        _say("give one of them, or its number")


def _prompt(label: str, default: JsonValue, *, needed: bool) -> str:
    shown = ", ".join(map(str, default)) if isinstance(default, list) else default
    shown = None if shown is None and needed else console.plain("" if shown is None else str(shown))
    # always a text: what it has to be, we say in our words
    return str(typer.prompt(label, default=shown, type=str, err=True, show_default=default is not None))


def _say(text: str) -> None:
    for line in text.split("\n"):
        typer.echo(console.plain(line), err=True)
