"""What a task may ask, and what answers it.

A question is a message with the JSON Schema of a flat object, as an elicitation of the Model Context Protocol
has it: each property is a text, a number, a yes or no, or a choice. So every face can show it as a form: a
terminal line by line, a page, a protocol. A question may name `choices` instead, and its answer is one of
them; with neither, any JSON value answers it. A schema that asks for more than is checked here is refused
when it is asked, not when somebody has answered.

Source: elicitation in the Model Context Protocol, schema 2025-11-25."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import attrs

from ._errors import InvalidQuestion, WrongAnswer
from ._json import as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ._records import JsonValue, Question

    Schema = Mapping[str, JsonValue]

LONGEST_MESSAGE = 16_000
"""Characters: a question travels in the record of its task."""

_FOR_PEOPLE = {"type", "title", "description", "default", "enumNames"}
_KEYWORDS = {
    "string": {"minLength", "maxLength", "format", "enum", "oneOf"},
    "number": {"minimum", "maximum"},
    "integer": {"minimum", "maximum"},
    "boolean": set[str](),
    "array": {"items", "minItems", "maxItems"},
}
_OF_OBJECTS = {"$schema", "type", "title", "description", "properties", "required", "additionalProperties"}


def checked_question(question: Question) -> Question:
    """Return `question` as a record keeps it.

    :raises InvalidQuestion: if nobody could answer it."""
    schema, choices = question.schema, question.choices
    _check(question.message, schema, choices)
    kept = None if schema is None else checked_schema(schema)
    return attrs.evolve(question, schema=kept, choices=None if choices is None else tuple(choices))


def checked_schema(schema: Schema) -> dict[str, JsonValue]:
    """Return the JSON Schema of a flat object as JSON, if a form can show it.

    :raises InvalidQuestion: if none can."""
    _check_schema(schema)
    try:
        return cast("dict[str, JsonValue]", as_json(schema))
    except (TypeError, ValueError) as error:
        raise InvalidQuestion(f"its schema is no JSON ({error})") from error


def _check(message: str, schema: Schema | None, choices: Sequence[str] | None) -> None:
    if not isinstance(message, str) or not 0 < len(message) <= LONGEST_MESSAGE:
        raise InvalidQuestion(f"its message is a text of 1 to {LONGEST_MESSAGE} characters")
    if schema is not None and choices is not None:
        raise InvalidQuestion("it has either a schema or choices")
    if choices is not None and (
        isinstance(choices, str) or not choices or not all(isinstance(one, str) for one in choices)
    ):
        raise InvalidQuestion("its choices are texts, at least one")


def check_answer(task_id: str, question: Question, value: JsonValue) -> None:
    """Refuse a value that does not answer the question.

    :raises WrongAnswer: with the first thing that is wrong."""
    if question.choices is not None:
        if value not in question.choices:
            raise WrongAnswer(task_id, f"it is one of {', '.join(map(repr, question.choices))}")
    elif question.schema is not None:
        for problem in _problems(question.schema, value):
            raise WrongAnswer(task_id, problem)


def _check_schema(schema: Schema) -> None:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or schema.get("type", "object") != "object":
        raise InvalidQuestion("its schema describes an object with properties")
    _check_keywords("the schema", schema, _OF_OBJECTS)
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(name in properties for name in required):
        raise InvalidQuestion("its schema requires a property that it does not have")
    for name, described in properties.items():
        if not isinstance(described, dict):
            raise InvalidQuestion(f"property {name!r} has no schema")
        _check_property(name, described)


def _check_property(name: str, schema: Schema) -> None:
    kind = schema.get("type", "string")
    if not isinstance(kind, str) or kind not in _KEYWORDS:
        raise InvalidQuestion(f"property {name!r} is none of {', '.join(_KEYWORDS)}")
    _check_keywords(f"property {name!r}", schema, _KEYWORDS[kind] | _FOR_PEOPLE)
    format = schema.get("format")
    if format is not None and format not in _FORMATS:
        raise InvalidQuestion(f"property {name!r} has a format that is none of {', '.join(_FORMATS)}")
    for bound in _KEYWORDS[kind] - {"format", "enum", "oneOf", "items"}:
        if bound in schema and not _is_number(schema[bound]):
            raise InvalidQuestion(f"{bound} of property {name!r} is no number")
    chosen = schema.get("items") if kind == "array" else schema
    offers = isinstance(chosen, dict) and _choices_of(chosen) is not None
    if not offers and (kind == "array" or "enum" in schema or "oneOf" in schema):
        raise InvalidQuestion(f"property {name!r} offers no choices that are texts")


def _check_keywords(what: str, schema: Schema, known: set[str]) -> None:
    for keyword in schema:
        if keyword not in known:
            raise InvalidQuestion(f"{what} uses {keyword!r}, which a flat form cannot show")


def _problems(schema: Schema, value: JsonValue) -> Iterator[str]:
    if not isinstance(value, dict):
        yield "it is an object"
        return
    properties = cast("dict[str, Schema]", schema["properties"])
    for name in cast("list[str]", schema.get("required", [])):
        if name not in value:
            yield f"{name!r} is missing"
    for name, given in value.items():
        if name not in properties:
            yield f"{name!r} was not asked for"
        else:
            yield from (f"{name!r} is {wanted}" for wanted in _wanted(properties[name], given))


def _wanted(schema: Schema, value: JsonValue) -> Iterator[str]:
    """Yield what `value` should be and is not."""
    match schema.get("type", "string"):
        case "boolean":
            if not isinstance(value, bool):
                yield "true or false"
        case "array":
            yield from _wanted_choices(schema, value)
        case "string":
            yield from _wanted_text(schema, value)
        case kind:
            yield from _wanted_number(schema, value, whole=kind == "integer")


def _wanted_number(schema: Schema, value: JsonValue, *, whole: bool) -> Iterator[str]:
    if not _is_number(value) or (whole and value != math.floor(cast("float", value))):
        yield "a whole number" if whole else "a number"
        return
    if (least := schema.get("minimum")) is not None and cast("float", value) < cast("float", least):
        yield f"at least {least}"
    if (most := schema.get("maximum")) is not None and cast("float", value) > cast("float", most):
        yield f"at most {most}"


def _wanted_text(schema: Schema, value: JsonValue) -> Iterator[str]:
    if not isinstance(value, str):
        yield "a text"
        return
    choices = _choices_of(schema)
    if choices is not None and value not in choices:
        yield f"one of {', '.join(map(repr, choices))}"
    yield from _wanted_size(schema, len(value), "Length", "characters")
    format = schema.get("format")
    if format is not None and not _FORMATS[cast("str", format)](value):
        yield f"a text of format {format}"


def _wanted_choices(schema: Schema, value: JsonValue) -> Iterator[str]:
    choices = _choices_of(cast("Schema", schema["items"])) or []
    if not isinstance(value, list) or any(one not in choices for one in value):
        yield f"a list of {', '.join(map(repr, choices))}"
    else:
        yield from _wanted_size(schema, len(value), "Items", "items")


def _wanted_size(schema: Schema, size: int, of: str, unit: str) -> Iterator[str]:
    if (least := schema.get(f"min{of}")) is not None and size < cast("float", least):
        yield f"{least} {unit} or more"
    if (most := schema.get(f"max{of}")) is not None and size > cast("float", most):
        yield f"{most} {unit} or fewer"


def _choices_of(schema: Schema) -> list[str] | None:
    """Return what a text can be, None if that is open or not said in texts."""
    choices = schema.get("enum")
    titled = schema.get("oneOf", schema.get("anyOf"))
    if isinstance(titled, list):
        choices = [one.get("const") if isinstance(one, dict) else None for one in titled]
    texts = isinstance(choices, list) and bool(choices) and all(isinstance(one, str) for one in choices)
    return cast("list[str]", choices) if texts else None


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _reads(read: Callable[[str], object]) -> Callable[[str], bool]:
    def reads(text: str) -> bool:
        try:
            return bool(read(text))
        except ValueError:
            return False

    return reads


_FORMATS: dict[str, Callable[[str], bool]] = {
    "email": lambda text: all(text.strip().partition("@")[::2]) and " " not in text,
    "uri": _reads(lambda text: urlsplit(text).scheme),
    "date": _reads(date.fromisoformat),
    "date-time": _reads(datetime.fromisoformat),
}
