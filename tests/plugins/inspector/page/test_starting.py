"""Tasks are started in the page and sent messages."""

import pytest
from playwright import sync_api

from ..program import Program
from .tab import BROWSERS, Visit

pytestmark = pytest.mark.needs(*BROWSERS)


def dialog(page: sync_api.Page) -> sync_api.Locator:
    return page.get_by_role("dialog")


def test_a_task_is_started_with_the_mouse_and_opened(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("button", name="Start a task").click()
    dialog(page).get_by_label("Kind").select_option("echo")
    sync_api.expect(dialog(page)).to_contain_text("Write a text, so many times.")
    dialog(page).get_by_label("text").fill("hello ")
    dialog(page).get_by_label("times").fill("3")
    dialog(page).get_by_label("Session").fill("new")
    dialog(page).get_by_label("Label").fill("Say hello")
    dialog(page).get_by_role("radiogroup", name="Priority").get_by_label("batch").check()
    dialog(page).get_by_role("button", name="Start", exact=True).click()

    sync_api.expect(page.locator(".detail h2")).to_have_text("Say hello")
    sync_api.expect(page.locator(".detail .log")).to_have_text("hello hello hello ")
    sync_api.expect(page.locator(".detail .facts").first).to_contain_text("new")
    sync_api.expect(dialog(page)).to_have_count(0)


def test_a_task_is_started_and_talked_with_from_the_keyboard(visit: Visit) -> None:
    page = visit.page
    page.keyboard.press("n")
    sync_api.expect(dialog(page).get_by_label("Kind")).to_be_focused()
    page.keyboard.type("talk")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+a")
    page.keyboard.type("keys")
    page.keyboard.press("Enter")
    sync_api.expect(page.locator(".detail .state")).to_have_text("running")

    page.keyboard.press("m")
    sync_api.expect(page.get_by_role("textbox", name="Message")).to_be_focused()
    page.keyboard.type("hello")
    page.keyboard.press("Enter")
    sync_api.expect(page.locator(".detail .log .ln").first).to_have_text("hello")
    sync_api.expect(page.get_by_role("textbox", name="Message")).to_have_value("")
    page.keyboard.type("stop")
    page.keyboard.press("Enter")
    sync_api.expect(page.locator(".detail .state")).to_have_text("completed")


def test_messages_may_be_json(visit: Visit, program: Program) -> None:
    page, name = visit.page, "json-talk"
    program.tell(f"starts {name} talk")
    visit.row(f"Task {name}").click()
    box = page.locator(".detail .message-box")
    box.locator("summary").click()
    box.get_by_role("textbox", name="Message").fill("{'a': 1}")
    box.get_by_label("It is JSON").check()
    box.get_by_role("button", name="Send").click()
    message = box.get_by_role("textbox", name="Message")
    sync_api.expect(message).to_have_accessible_description(
        'This is no JSON: texts stand in quotes, as in {"name": "value"}.'
    )
    message.fill('{"a": [1]}')
    box.get_by_role("button", name="Send").click()
    sync_api.expect(page.locator(".detail .log .ln").first).to_have_text("{'a': [1]}")
    program.tell("nobody-asks")


def test_a_task_of_somebody_else_says_that_it_takes_no_messages(visit: Visit) -> None:
    visit.pill("all").click()
    visit.row("<b>bold</b>").click()
    box = visit.page.locator(".detail .message-box")
    box.locator("summary").click()
    box.get_by_role("textbox", name="Message").fill("hello")
    box.get_by_role("button", name="Send").click()

    sync_api.expect(box.get_by_role("alert")).to_contain_text("somebody else runs it")
    sync_api.expect(box.get_by_role("textbox", name="Message")).to_have_value("hello")
    visit.complaints = [said for said in visit.complaints if "409" not in said]


def test_what_a_kind_does_not_take_is_said_at_its_field(visit: Visit) -> None:
    page = visit.page
    page.keyboard.press("n")
    dialog(page).get_by_label("Kind").select_option("echo")
    dialog(page).get_by_role("button", name="Start", exact=True).click()
    text = dialog(page).get_by_label("text")
    sync_api.expect(text).to_be_focused()
    sync_api.expect(text).to_have_accessible_description("This is needed.")

    dialog(page).get_by_label("Kind").select_option("choose")
    problem = {"type": "urn:hostel:problem:invalid-params", "detail": "not these", "parameter": "choices"}
    page.route("**/api/tasks", lambda route: route.fulfill(status=422, json=problem))
    dialog(page).get_by_label("choices").fill("a\nb")
    dialog(page).get_by_role("button", name="Start", exact=True).click()
    sync_api.expect(dialog(page).get_by_label("choices")).to_have_accessible_description("not these")
    sync_api.expect(dialog(page).get_by_label("choices")).to_have_value("a\nb")
    visit.complaints = [said for said in visit.complaints if "422" not in said]


def test_a_task_is_started_on_a_phone(visit: Visit) -> None:
    page = visit.page
    page.set_viewport_size({"width": 360, "height": 740})
    page.get_by_role("button", name="Start a task").click()
    dialog(page).get_by_label("Kind").select_option("process")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert dialog(page).evaluate("(dialog) => dialog.scrollWidth <= dialog.clientWidth")
    dialog(page).get_by_label("Kind").select_option("echo")
    dialog(page).get_by_label("text").fill("small")
    dialog(page).get_by_role("button", name="Start", exact=True).click()

    sync_api.expect(page.locator(".detail .log")).to_have_text("small")
