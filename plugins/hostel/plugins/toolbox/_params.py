"""What a kind of task takes and what a question wants, in words: JSON Schema is long to read, and a model
reads it with every turn."""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostel.runtime import TaskKind
    from hostel.sessions import JsonValue

    Schema = Mapping[str, JsonValue]

_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
    "array": "list",
    "object": "object",
}
_PARAM = re.compile(r"^:param (\w+): (.*?)(?=^:|\Z)", re.MULTILINE | re.DOTALL)


def kind_in_words(kind: TaskKind) -> str:
    """Return what a kind of task does and takes, one line for each param."""
    told = {name: " ".join(text.split()) for name, text in _PARAM.findall(inspect.getdoc(kind.run) or "")}
    lines = [
        f"  {line}{f': {told[name]}' if name in told else ''}"
        for name, line in _properties(kind.params_schema)
    ]
    about = f": {kind.summary}" if kind.summary else "."
    return "\n".join([f"* {kind.name}{about} {'Its params:' if lines else 'It takes no params.'}", *lines])


def object_in_words(schema: Schema) -> str:
    """Return what an object that is asked for consists of."""
    return "; ".join(line for _, line in _properties(schema))


def _properties(schema: Schema) -> list[tuple[str, str]]:
    properties = cast("dict[str, Schema]", schema.get("properties", {}))
    required = cast("list[str]", schema.get("required", []))
    return [
        (name, f"{name} ({_type(described)}, {'required' if name in required else _optional(described)})")
        for name, described in properties.items()
    ]


def _optional(schema: Schema) -> str:
    default = schema.get("default")
    return "optional" if default is None else f"default {json.dumps(default, ensure_ascii=False)}"


def _type(schema: Schema) -> str:
    several, items, inner = schema.get("anyOf"), schema.get("items"), schema.get("additionalProperties")
    if choices := _choices(schema):
        return " or ".join(json.dumps(one, ensure_ascii=False) for one in choices)
    if isinstance(several, list):
        kinds = [_type(cast("Schema", one)) for one in several if one != {"type": "null"}]
        return " or ".join(dict.fromkeys(kinds))
    kind = schema.get("type")
    if kind == "array" and isinstance(items, dict) and items:
        return f"list of {_type(items)}"
    if kind == "object" and isinstance(inner, dict) and inner:
        return f"object of {_type(inner)}"
    return _WORDS.get(str(kind), "any JSON")


def _choices(schema: Schema) -> list[JsonValue]:
    chosen, titled = schema.get("enum"), schema.get("oneOf")
    if isinstance(titled, list):
        return [one.get("const") for one in titled if isinstance(one, dict)]
    return chosen if isinstance(chosen, list) else []
