"""Forms for JSON Schemas: what one writes becomes the value that was asked for, or is refused."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright import sync_api

from hostel.sessions import JsonValue, Question
from hostel.sessions._questions import check_answer

from .tab import BROWSERS, Visit

pytestmark = pytest.mark.needs(*BROWSERS)

SHOW = """async ([schema, values]) => {
  const { formOf } = await import("/page/lib/form.js");
  window.form = formOf(JSON.parse(schema), { values });
  const dialog = document.querySelector("#dialog");
  dialog.replaceChildren(form.element);
  if (!dialog.open) dialog.showModal();
}"""
READ = "form.read()"
ALL: dict[str, JsonValue] = {
    "type": "object",
    "properties": {
        "name": {
            "type": "string",
            "title": "Name of the branch",
            "description": "As git has it",
            "minLength": 2,
        },
        "mail": {"type": "string", "format": "email"},
        "day": {"type": "string", "format": "date"},
        "depth": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
        "rate": {"type": "number"},
        "force": {"type": "boolean", "default": True},
        "sure": {"type": "boolean"},
        "remote": {"type": "string", "enum": ["origin", "fork"], "enumNames": ["Ours", "Theirs"]},
        "tags": {"type": "array", "items": {"type": "string", "enum": ["a", "b", "c"]}, "maxItems": 2},
        "lines": {
            "anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}],
            "default": None,
        },
        "more": {},
    },
    "required": ["name", "sure", "remote"],
}


@pytest.fixture
def page(visit: Visit) -> sync_api.Page:
    visit.page.evaluate(SHOW, [json.dumps(ALL), {"rate": 0.5}])
    return visit.page


def test_what_one_puts_in_becomes_what_was_asked_for(page: sync_api.Page) -> None:
    page.get_by_label("Name of the branch").fill("main")
    page.get_by_label("day").fill("2026-02-03")
    page.get_by_label("depth").fill("7")
    page.get_by_label("force").uncheck()
    page.get_by_label("No", exact=True).check()
    page.get_by_label("Theirs").check()
    page.get_by_label("c", exact=True).check()
    page.get_by_label("lines").fill("one\n\ntwo, and more\n")
    page.get_by_label("more").fill('{"deep": [1]}')

    assert page.evaluate(READ) == {
        "name": "main",
        "day": "2026-02-03",
        "depth": 7,
        "rate": 0.5,
        "force": False,
        "sure": False,
        "remote": "fork",
        "tags": ["c"],
        "lines": ["one", "two, and more"],
        "more": {"deep": [1]},
    }


def test_what_is_wrong_is_said_at_its_field_and_focused(page: sync_api.Page) -> None:
    page.get_by_label("depth").fill("3.5")
    page.get_by_label("mail").fill("nobody")

    assert page.evaluate(READ) is None
    name = page.get_by_label("Name of the branch")
    sync_api.expect(name).to_be_focused()
    sync_api.expect(name).to_have_accessible_description("As git has it This is needed.")
    sync_api.expect(name).to_have_attribute("aria-invalid", "true")
    sync_api.expect(page.get_by_label("depth")).to_have_accessible_description("A whole number.")
    mail = page.get_by_label("mail")
    sync_api.expect(mail).to_have_accessible_description("An e-mail address, as name@example.org.")
    sync_api.expect(page.get_by_role("radiogroup", name="sure")).to_have_accessible_description("Choose one.")
    sync_api.expect(page.get_by_label("lines")).to_have_accessible_description("")

    name.fill("main")
    page.evaluate(READ)
    sync_api.expect(name).not_to_have_attribute("aria-invalid", "true")
    sync_api.expect(mail).to_be_focused()


def test_what_the_server_refuses_is_said_at_the_field_it_names(page: sync_api.Page) -> None:
    page.evaluate("form.refuse('rate', 'too fast')")
    sync_api.expect(page.get_by_label("rate")).to_have_accessible_description("too fast")
    sync_api.expect(page.get_by_label("rate")).to_be_focused()

    page.evaluate(REFUSED, ["that is no answer to task 'name': 'depth' is at least 1", None])
    sync_api.expect(page.get_by_label("depth")).to_have_accessible_description("It is at least 1.")

    page.evaluate(REFUSED, ["nobody wants it", "day"])
    sync_api.expect(page.get_by_label("day")).to_have_accessible_description("nobody wants it")

    page.evaluate(REFUSED, ["nobody knows why", None])
    sync_api.expect(page.get_by_role("alert").filter(has_text="nobody knows why")).to_be_visible()


REFUSED = """([detail, parameter]) =>
  form.refusedBy(Object.assign(new Error(detail), { problem: { parameter } }))"""


def test_texts_of_a_schema_are_shown_and_never_obeyed(visit: Visit) -> None:
    nasty = "<img src=x onerror=alert(1)>\x1b[31m\u202e"
    described = {"title": nasty, "description": nasty, "enum": [nasty, "__proto__"]}
    properties = {"__proto__": described, nasty: {"default": nasty, "type": "string"}}
    schema = {"properties": properties, "required": ["__proto__"]}
    visit.page.evaluate(SHOW, [json.dumps(schema), {}])
    page = visit.page

    sync_api.expect(page.locator("#dialog legend")).to_have_text(
        "<img src=x onerror=alert(1)>\ufffd[31m\ufffd"
    )
    assert page.locator("#dialog img").count() == 0
    page.get_by_label("__proto__").check()
    assert page.evaluate("JSON.stringify(form.read())").startswith('{"__proto__":"__proto__"')


TEXTS = st.text("ab1 .-e\n😀", max_size=6) | st.sampled_from(
    ["7", "-3", "2.5", "1e3", "a@b", "2026-02-30", "x"]
)
BOUNDS = st.integers(-3, 8)
PROPERTIES = st.one_of(
    st.fixed_dictionaries({"type": st.just("string")}, optional={"minLength": BOUNDS, "maxLength": BOUNDS}),
    st.fixed_dictionaries({"type": st.just("string"), "format": st.sampled_from(["email", "date"])}),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["number", "integer"])}, optional={"minimum": BOUNDS, "maximum": BOUNDS}
    ),
)
READ_FIELD = """async ({ schema, text }) => {
  const { fieldsOf, readField } = await import("/page/lib/schema.js");
  return fieldsOf(schema).map((field) => readField(field, text))[0];
}"""


def test_what_a_form_lets_pass_answers_the_question(visit: Visit) -> None:
    @settings(deadline=None, max_examples=150, database=None)
    @given(PROPERTIES, st.booleans(), TEXTS)
    def check(described: dict[str, JsonValue], needed: bool, text: str) -> None:
        names: list[JsonValue] = ["it"] if needed else []
        schema: dict[str, JsonValue] = {"type": "object", "properties": {"it": described}, "required": names}
        read = visit.page.evaluate(READ_FIELD, {"schema": schema, "text": text})
        if "wrong" not in read:
            check_answer("task", Question("?", schema), {"it": read["value"]} if "value" in read else {})

    check()
