"""What tasks ask is answered in the page, and what they ask for is hard to overlook."""

from collections.abc import Iterator
from typing import Literal

import pytest
from playwright import sync_api

from ..contrast import FAINT
from ..program import Program
from .tab import BROWSERS, Visit

pytestmark = pytest.mark.needs(*BROWSERS)

BRANCH = "Name of the branch"


@pytest.fixture
def desk(visit: Visit, program: Program) -> Iterator[sync_api.Page]:
    """A page where no task asks, and none does afterwards."""
    yield visit.page
    program.tell("nobody-asks")
    visit.complaints = [said for said in visit.complaints if "409" not in said and "422" not in said]


def strip(page: sync_api.Page) -> sync_api.Locator:
    return page.locator("#needs-you")


def form(page: sync_api.Page) -> sync_api.Locator:
    return page.locator(".detail form.question")


def open_question(page: sync_api.Page, name: str) -> None:
    strip(page).get_by_role("button", name=f"Ask {name}").click()
    sync_api.expect(page.locator(".detail h2")).to_have_text(f"Ask {name}")
    form(page).wait_for()


def test_a_form_is_filled_in_and_answered_with_the_mouse(desk: sync_api.Page, program: Program) -> None:
    program.tell("asks mouse")
    open_question(desk, "mouse")
    form(desk).get_by_label(BRANCH).fill("main")
    form(desk).get_by_label("force").check()
    form(desk).get_by_label("fork").check()
    form(desk).get_by_role("button", name="Answer").click()

    sync_api.expect(desk.locator(".detail .state")).to_have_text("completed")
    sync_api.expect(strip(desk)).to_be_hidden()
    sync_api.expect(form(desk)).to_have_count(0)
    value = desk.locator(".detail .box.result")
    value.locator("summary").click()
    sync_api.expect(value.locator("pre")).to_contain_text('"force": true')
    sync_api.expect(desk.locator(".timeline")).to_contain_text("answered by inspector page")


def test_a_form_is_filled_in_and_answered_from_the_keyboard(desk: sync_api.Page, program: Program) -> None:
    program.tell("asks keys")
    strip(desk).wait_for()
    desk.keyboard.press("a")
    sync_api.expect(form(desk).get_by_label(BRANCH)).to_be_focused()
    desk.keyboard.type("main")
    desk.keyboard.press("Tab")
    desk.keyboard.type("2")
    desk.keyboard.press("Tab")
    desk.keyboard.press("Space")
    desk.keyboard.press("Tab")
    desk.keyboard.press("ArrowDown")
    desk.keyboard.press("Enter")

    sync_api.expect(desk.locator(".detail .state")).to_have_text("completed")
    sync_api.expect(desk.locator("#scroller")).to_be_focused()


def test_choices_and_free_words_answer_what_has_no_schema(desk: sync_api.Page, program: Program) -> None:
    program.tell("asks which choose")
    open_question(desk, "which")
    form(desk).get_by_label("Your answer").fill("the first\nof them")
    desk.keyboard.press("Control+Enter")
    sync_api.expect(desk.locator(".detail .state")).to_have_text("completed")
    sync_api.expect(desk.locator(".detail .box.result pre")).to_contain_text("the first\\nof them")

    program.tell("asks-of pick red,green")
    open_question(desk, "pick")
    form(desk).get_by_role("button", name="Answer").click()
    answer = form(desk).get_by_role("radiogroup", name="Your answer")
    sync_api.expect(answer).to_have_accessible_description("Choose one.")
    answer.get_by_label("green").check()
    form(desk).get_by_role("button", name="Answer").click()
    sync_api.expect(desk.locator(".detail .box.result pre")).to_contain_text("green")


def test_what_one_writes_survives_the_events_of_its_task(desk: sync_api.Page, program: Program) -> None:
    program.tell("asks-badly busy")
    open_question(desk, "busy")
    form(desk).get_by_label("fine").check()
    form(desk).evaluate("(form) => (window.kept = form)")
    for step in range(5):
        program.tell(f"reports busy step {step}")
        sync_api.expect(desk.locator(".detail .doing")).to_contain_text(f"step {step}")

    sync_api.expect(form(desk).get_by_label("fine")).to_be_checked()
    sync_api.expect(form(desk).get_by_label("fine")).to_be_focused()
    assert form(desk).evaluate("(form) => form === window.kept")


def test_an_answer_that_comes_too_late_says_so_and_loses_nothing(
    desk: sync_api.Page, program: Program
) -> None:
    program.tell("asks late")
    open_question(desk, "late")
    form(desk).get_by_label(BRANCH).fill("all my work")
    program.tell("is-answered late")

    past = desk.locator(".detail form.question.over")
    sync_api.expect(past).to_contain_text("Answered by somebody meanwhile. What you wrote was not sent.")
    sync_api.expect(past.get_by_label(BRANCH)).to_have_value("all my work")
    sync_api.expect(past.get_by_label(BRANCH)).not_to_be_editable()
    sync_api.expect(past.get_by_role("button", name="Answer")).to_have_count(0)
    past.get_by_role("button", name="Put it away").click()
    sync_api.expect(past).to_have_count(0)


@pytest.mark.parametrize("kind", ["stale-question", "asks-nothing"])
def test_an_answer_that_the_server_finds_too_late_says_so(
    desk: sync_api.Page, program: Program, kind: str
) -> None:
    program.tell(f"asks {kind}")
    open_question(desk, kind)
    problem = {"type": f"urn:hostel:problem:{kind}", "detail": "it asks something else by now"}
    desk.route("**/answer?*", lambda route: route.fulfill(status=409, json=problem))
    form(desk).get_by_label(BRANCH).fill("main")
    form(desk).get_by_label("fork").check()
    desk.keyboard.press("Enter")

    alert = form(desk).get_by_role("alert")
    sync_api.expect(alert).to_have_text("Too late: it asks something else by now.")
    sync_api.expect(form(desk).get_by_label(BRANCH)).to_have_value("main")


def test_what_the_server_refuses_is_said_at_its_field(desk: sync_api.Page, program: Program) -> None:
    program.tell("asks picky")
    open_question(desk, "picky")
    # what this page lets pass and the server does not
    detail = "that is no answer to task 'picky': 'depth' is at most 3"
    problem = {"type": "urn:hostel:problem:wrong-answer", "detail": detail}
    desk.route("**/answer?*", lambda route: route.fulfill(status=422, json=problem))
    form(desk).get_by_label(BRANCH).fill("main")
    form(desk).get_by_label("fork").check()
    form(desk).get_by_role("button", name="Answer").click()

    sync_api.expect(form(desk).get_by_label("depth")).to_have_accessible_description("It is at most 3.")
    sync_api.expect(form(desk).get_by_label("depth")).to_be_focused()
    sync_api.expect(form(desk).get_by_role("button", name="Answer")).to_be_enabled()


def test_texts_of_a_question_are_shown_and_never_obeyed(desk: sync_api.Page, program: Program) -> None:
    program.tell("asks-badly nasty")
    open_question(desk, "nasty")

    shown = "<img src=x onerror=alert(1)>\ufffd[31m\ufffd"
    sync_api.expect(form(desk).locator(".message")).to_have_text(shown)
    sync_api.expect(form(desk).locator("legend .name")).to_have_text(shown)
    sync_api.expect(strip(desk)).to_contain_text(shown)
    assert desk.locator("img").count() == 0


def test_who_needs_one_is_told_in_the_title_and_above_the_list(desk: sync_api.Page, program: Program) -> None:
    sync_api.expect(strip(desk)).to_be_hidden()
    program.tell("asks one")
    sync_api.expect(desk).to_have_title("● 1 needs you")
    program.tell("asks two choose")
    sync_api.expect(desk).to_have_title("● 2 need you")
    sync_api.expect(strip(desk).get_by_role("status")).to_have_text("2 tasks need you")
    sync_api.expect(strip(desk).get_by_role("button", name="Ask two")).to_contain_text("Which one?")

    program.tell("nobody-asks")
    sync_api.expect(strip(desk)).to_be_hidden()
    sync_api.expect(desk).not_to_have_title("● 2 need you")


NOTIFICATIONS = """(() => {
  window.told = [];
  window.Notification = class {
    static permission = "default";
    static async requestPermission() {
      told.push("asked");
      return (Notification.permission = "granted");
    }
    constructor(title, { body }) {
      told.push(`${title}: ${body}`);
      window.last = this;
    }
    close() {}
  };
})();"""
"""The browser's own way to tell, which no test can click."""


def test_the_system_tells_of_questions_if_one_asks_for_it(
    browser: sync_api.Browser, program: Program
) -> None:
    context = browser.new_context()
    context.add_init_script(NOTIFICATIONS)
    page = context.new_page()
    page.goto(program.page_url)
    program.tell("asks before")
    strip(page).wait_for()
    assert page.evaluate("told") == []
    strip(page).get_by_role("button", name="Notify me").click()
    sync_api.expect(strip(page).get_by_role("button", name="Notify me")).to_be_hidden()

    program.tell("asks after choose")
    page.wait_for_function("() => told.length > 1")
    assert page.evaluate("told") == ["asked", "Ask after needs you: Which one?"]
    page.evaluate("last.onclick()")
    sync_api.expect(page.locator(".detail h2")).to_have_text("Ask after")
    sync_api.expect(form(page).get_by_label("Your answer")).to_be_focused()
    program.tell("nobody-asks")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_of_a_form_can_be_read(
    desk: sync_api.Page, program: Program, scheme: Literal["light", "dark"]
) -> None:
    desk.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    program.tell(f"asks seen-{scheme}")
    open_question(desk, f"seen-{scheme}")
    form(desk).get_by_role("button", name="Answer").click()
    sync_api.expect(form(desk)).to_contain_text("This is needed.")
    faint = desk.evaluate(FAINT)
    form(desk).get_by_label(BRANCH).fill("main")
    program.tell(f"is-answered seen-{scheme}")
    desk.locator(".question.over").wait_for()

    assert faint + desk.evaluate(FAINT) == []


def test_a_question_is_answered_on_a_phone(desk: sync_api.Page, program: Program) -> None:
    desk.set_viewport_size({"width": 360, "height": 740})
    program.tell("asks phone")
    open_question(desk, "phone")
    assert desk.evaluate("document.documentElement.scrollWidth") <= 360
    assert desk.locator("#detail").evaluate("(panel) => panel.scrollWidth - panel.clientWidth") <= 0
    form(desk).get_by_label(BRANCH).fill("main")
    form(desk).get_by_label("origin").check()
    form(desk).get_by_role("button", name="Answer").click()

    sync_api.expect(desk.locator(".detail .state")).to_have_text("completed")
