"""What can be asked and what answers it: the flat forms of the Model Context Protocol, nothing more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.sessions import InvalidQuestion, Question, WrongAnswer
from hostel.sessions._questions import check_answer, checked_question  # pure, and everything asks through it

from .strategies import json_values

if TYPE_CHECKING:
    from hostel.sessions import JsonValue

    Schema = dict[str, JsonValue]


def form(required: list[str] | None = None, **properties: JsonValue) -> Schema:
    return {"type": "object", "properties": properties, "required": [*(required or [])]}


def answers(value: JsonValue, schema: Schema) -> bool:
    question = checked_question(Question("?", schema))
    try:
        check_answer("t", question, value)
    except WrongAnswer:
        return False
    return True


FITTING: list[tuple[Schema, JsonValue, JsonValue]] = [
    ({"type": "string"}, "x", 1),
    ({"type": "string", "minLength": 2}, "ab", "a"),
    ({"type": "string", "maxLength": 2}, "ab", "abc"),
    ({"type": "string", "enum": ["a", "b"]}, "a", "c"),
    ({"type": "string", "oneOf": [{"const": "a", "title": "A"}]}, "a", "A"),
    ({"type": "string", "format": "email"}, "a@b", "a"),
    ({"type": "string", "format": "uri"}, "https://a", "a b"),
    ({"type": "string", "format": "date"}, "2026-01-31", "2026-02-31"),
    ({"type": "string", "format": "date-time"}, "2026-01-31T10:00:00", "tomorrow"),
    ({"type": "number"}, 1.5, "1.5"),
    ({"type": "number", "minimum": 1}, 1, 0.5),
    ({"type": "number", "maximum": 1}, 1, 1.5),
    ({"type": "integer"}, 2, 2.5),
    ({"type": "integer"}, 2.0, True),
    ({"type": "boolean"}, False, 0),
    ({"type": "array", "items": {"type": "string", "enum": ["a", "b"]}}, ["a"], ["c"]),
    ({"type": "array", "items": {"enum": ["a"]}, "minItems": 1}, ["a"], []),
    ({"type": "array", "items": {"anyOf": [{"const": "a"}]}, "maxItems": 1}, ["a"], ["a", "a"]),
]


@pytest.mark.parametrize(("schema", "right", "wrong"), FITTING)
def test_a_property_takes_what_its_schema_says(schema: Schema, right: JsonValue, wrong: JsonValue) -> None:
    assert answers({"it": right}, form(it=schema))
    assert not answers({"it": wrong}, form(it=schema))


def test_an_answer_has_what_is_required_and_nothing_that_was_not_asked_for() -> None:
    schema = form(["a"], a={"type": "string"}, b={"type": "string"})

    assert answers({"a": "x"}, schema)
    assert not answers({"b": "x"}, schema)
    assert not answers({"a": "x", "c": "x"}, schema)
    assert not answers(["x"], schema)


def test_a_wrong_answer_names_what_is_wrong() -> None:
    question = Question("?", form(age={"type": "integer", "minimum": 18}))

    with pytest.raises(WrongAnswer, match="no answer to task 't': 'age' is at least 18") as wrong:
        check_answer("t", question, {"age": 3})
    assert wrong.value.task_id == "t"


UNASKABLE: list[Schema] = [
    {"type": "string"},
    {"type": "object"},
    {"type": "array", "properties": {}},
    form(["missing"], a={"type": "string"}),
    form(a={"type": "object", "properties": {}}),
    form(a={"type": ["string", "null"]}),
    form(a={"type": "string", "pattern": "a+"}),
    form(a={"type": "string", "format": "ipv4"}),
    form(a={"type": "string", "enum": [1, 2]}),
    form(a={"type": "string", "minLength": "2"}),
    form(a={"type": "array"}),
    form(a={"type": "array", "items": {"type": "number"}}),
    form(a="string"),
    {**form(), "allOf": []},
]


@pytest.mark.parametrize("schema", UNASKABLE)
def test_a_schema_that_no_flat_form_can_show_is_refused_when_it_is_asked(schema: Schema) -> None:
    with pytest.raises(InvalidQuestion, match="cannot be asked"):
        checked_question(Question("?", schema))


@pytest.mark.parametrize("message", ["", "x" * 16_001, None])
def test_a_message_is_a_text_of_some_length(message: str) -> None:
    with pytest.raises(InvalidQuestion, match="1 to 16000 characters"):
        checked_question(Question(message))


@given(json_values)
def test_a_question_without_a_form_takes_any_json(value: JsonValue) -> None:
    check_answer("t", Question("?"), value)


@given(json_values, st.dictionaries(st.sampled_from("ab"), json_values, max_size=2))
def test_any_value_is_an_answer_or_refused_in_one_sentence(value: JsonValue, more: Schema) -> None:
    schema = form(["a"], a={"type": "string"}, b={"type": "integer"})

    for given_value in (value, more):
        refused = refusal(Question("?", schema), given_value)

        assert refused is None or "\n" not in refused
        if refused is None:
            assert isinstance(given_value, dict)
            assert isinstance(given_value["a"], str)


def refusal(question: Question, value: JsonValue) -> str | None:
    try:
        check_answer("t", question, value)
    except WrongAnswer as error:
        return str(error)
    return None
