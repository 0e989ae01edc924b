"""A question at a terminal: what is typed is asked again until it is of the type of its field."""

import pytest
import typer
from typer.testing import CliRunner

from hostel.plugins.inspector._shell.form import fill_in
from hostel.sessions import JsonValue, Question


def filled(field: dict[str, JsonValue], *typed: str) -> JsonValue:
    """Return the answer to a form of one field, once all that is typed was read."""
    answers: list[JsonValue] = []
    app = typer.Typer()

    @app.command()
    def ask() -> None:
        schema: dict[str, JsonValue] = {"type": "object", "properties": {"one": field}, "required": ["one"]}
        answers.append(fill_in(Question("Which?", schema)))

    done = CliRunner().invoke(app, input="".join(f"{line}\n" for line in typed), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    [answer] = answers
    return answer


@pytest.mark.parametrize("wrong", ["many", "nan", "inf", "-inf", "1e999"])
def test_a_number_is_one_that_json_can_say(wrong: str) -> None:
    assert filled({"type": "number"}, wrong, "0.5") == {"one": 0.5}


@pytest.mark.parametrize("wrong", ["many", "1.5", "9" * 5_000])
def test_a_whole_number_is_asked_until_it_is_one(wrong: str) -> None:
    assert filled({"type": "integer"}, wrong, "-3") == {"one": -3}
