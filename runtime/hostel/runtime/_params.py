"""What a kind of task takes: JSON Schema drawn from the signature of its `run`, and checking values by it.

Only what JSON can say is described: texts, numbers, yes or no, lists, objects, one of several. A parameter
whose annotation says something else, or nothing, takes any JSON value, and what has no signature takes any
parameters. The schema is for those who start a task by name without seeing its code: a form, a command line,
a model."""

from __future__ import annotations

import inspect
import json
import math
import types
import typing
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Union, cast

from ._errors import InvalidParams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hostel.sessions import JsonValue

    Schema = dict[str, JsonValue]

_PLAIN: dict[object, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
    None: "null",
}
_COMMON = {"Mapping": Mapping, "Sequence": Sequence, "Any": Any, "Literal": Literal}
"""What annotations often name and modules import for type checkers alone."""
_NAMED_ONE_BY_ONE = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_WORDS = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
}


def params_schema(run: Callable[..., object]) -> Schema:
    """Return the JSON Schema of what `run(**params)` takes."""
    properties: Schema = {}
    required: list[JsonValue] = []
    open_ended = False
    for name, parameter in _parameters(run).items():
        if parameter.kind in _NAMED_ONE_BY_ONE:
            properties[name] = _described(_hint(run, parameter.annotation), parameter.default)
            if parameter.default is parameter.empty:
                required.append(name)
        open_ended |= parameter.kind is parameter.VAR_KEYWORD
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": open_ended,
    }


def _parameters(run: Callable[..., object]) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of `run`, any if it does not say."""
    try:
        return inspect.signature(run).parameters
    except (TypeError, ValueError):  # what is written in C often has none
        return {"more": inspect.Parameter("more", inspect.Parameter.VAR_KEYWORD)}


def check_params(kind: str, schema: Schema, params: Mapping[str, JsonValue]) -> None:
    """Refuse what a kind does not take.

    :raises InvalidParams: naming the parameter and what it should be.
    """
    properties = cast("dict[str, Schema]", schema["properties"])
    for name in cast("list[str]", schema["required"]):
        if name not in params:
            raise InvalidParams(kind, f"{name!r} is missing", name)
    for name, value in params.items():
        if name in properties:
            for wanted in _wanted(properties[name], value):
                raise InvalidParams(kind, f"{name!r} must be {wanted}", name)
        elif not schema["additionalProperties"]:
            names = ", ".join(properties) or "none"
            raise InvalidParams(kind, f"it takes no {name!r}; there is {names}", name)


def param_from_text(schema: Schema, name: str, text: str) -> JsonValue:
    """Return the value that a text written on a command line means for a parameter: the text itself where it
    takes texts, else what it says as JSON, if it does.
    """
    described = cast("dict[str, Schema]", schema["properties"]).get(name, {})
    if _takes_text(described, text):
        return text
    try:
        return cast("JsonValue", json.loads(text))
    except ValueError:
        return text


def _takes_text(schema: Schema, text: str) -> bool:
    choices, several = schema.get("enum"), schema.get("anyOf")
    return (
        schema.get("type") == "string"
        or (isinstance(choices, list) and text in choices)
        or (isinstance(several, list) and any(_takes_text(cast("Schema", one), text) for one in several))
    )


def _hint(run: Callable[..., object], annotation: object) -> object:
    """Return what an annotation means, Any if that is not known here."""
    func = run if inspect.isroutine(run) else getattr(type(run), "__call__")  # noqa: B004, B009
    names = {**_COMMON, **getattr(inspect.unwrap(func), "__globals__", {})}
    one = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(one, names)["it"]
    except Exception:  # noqa: BLE001 - it may name what is imported for type checkers alone
        return Any


def _described(annotation: object, default: object) -> Schema:
    schema = _schema_of(annotation)
    return {**schema, "default": cast("JsonValue", default)} if _is_plain(default) else schema


def _is_plain(value: object) -> bool:
    """Tell whether JSON can say a value that is no list or object."""
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, (str, int))


def _schema_of(annotation: object) -> Schema:
    # by identity: what people write there need not have a hash
    if word := next((word for plain, word in _PLAIN.items() if plain is annotation), None):
        return {"type": word}
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _schema_of(inner[0])
    if origin in (Union, types.UnionType):
        return _any_of([_schema_of(one) for one in inner])
    if origin is Literal:
        return {"enum": [cast("JsonValue", one) for one in inner]} if all(map(_is_plain, inner)) else {}
    if origin in (list, Sequence) or annotation is list:
        return {"type": "array", "items": _schema_of(inner[0])} if inner else {"type": "array"}
    if origin in (dict, Mapping) or annotation is dict:
        named = len(inner) == 2
        return (
            {"type": "object", "additionalProperties": _schema_of(inner[1])} if named else {"type": "object"}
        )
    return {}


def _any_of(schemas: list[Schema]) -> Schema:
    return {"anyOf": cast("list[JsonValue]", schemas)} if all(schemas) else {}


def _wanted(schema: Schema, value: JsonValue) -> Iterator[str]:
    """Yield what the value should be and is not."""
    choices, several = schema.get("enum"), schema.get("anyOf")
    if isinstance(choices, list) and value not in choices:
        yield f"one of {', '.join(repr(one) for one in choices)}"
    if isinstance(several, list):
        wishes = [list(_wanted(cast("Schema", one), value)) for one in several]
        if all(wishes):
            yield " or ".join(dict.fromkeys(wish[0] for wish in wishes))
    kind = schema.get("type")
    if not isinstance(kind, str):
        return
    if not _is(kind, value):
        yield _WORDS[kind]
    elif isinstance(value, list):
        yield from _wanted_inside(schema.get("items"), value, "a list of which each is")
    elif isinstance(value, dict):
        yield from _wanted_inside(
            schema.get("additionalProperties"), value.values(), "an object of which each is"
        )


def _wanted_inside(schema: JsonValue, values: typing.Iterable[JsonValue], words: str) -> Iterator[str]:
    if isinstance(schema, dict):
        for value in values:
            for wanted in _wanted(schema, value):
                yield f"{words} {wanted}"
                return


def _is(kind: str, value: JsonValue) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    match kind:
        case "integer":
            return number and value == int(cast("float", value))
        case "number":
            return number
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case _:
            return isinstance(value, str)
