"""Several tasks at once: chosen by mouse and keyboard, stopped and handed over after one question."""

import json
from collections.abc import Iterator

import pytest
from playwright import sync_api

from ..program import Program
from .tab import BROWSERS, SESSION, TASK, Visit

pytestmark = pytest.mark.needs(*BROWSERS)


@pytest.fixture
def visit(browser: sync_api.Browser, program: Program) -> Iterator[Visit]:
    """A window so high that it holds what all tests here leave behind."""
    context = browser.new_context(viewport={"width": 1280, "height": 3000})
    visit = Visit(context.new_page())
    visit.page.goto(program.page_url)
    visit.row("Build it all").wait_for()
    yield visit
    context.close()
    assert visit.complaints == []


def only(visit: Visit, session: str) -> None:
    """Show the tasks of one session alone."""
    visit.pill("all").click()
    visit.page.locator("#search").fill(session)
    sync_api.expect(visit.page.locator(SESSION)).to_have_count(1)


def crowd(visit: Visit, program: Program, session: str, count: int) -> None:
    program.tell(f"crowd {session} {count}")
    only(visit, session)
    sync_api.expect(visit.page.locator(TASK)).to_have_count(count)


def box(visit: Visit, place: int) -> sync_api.Locator:
    return visit.page.locator(TASK).nth(place).get_by_role("checkbox")


def said(visit: Visit) -> sync_api.Locator:
    return visit.page.locator("#many [role=status]")


@pytest.mark.parametrize("width", [1280, 360])
def test_tasks_are_chosen_and_stopped_with_the_mouse(visit: Visit, program: Program, width: int) -> None:
    page, session = visit.page, f"mouse{width}"
    page.set_viewport_size({"width": width, "height": 800})
    crowd(visit, program, session, 5)
    box(visit, 0).click()
    box(visit, 2).click(modifiers=["Shift"])
    sync_api.expect(said(visit)).to_have_text("3 selected")
    box(visit, 1).click()
    sync_api.expect(said(visit)).to_have_text("2 selected")
    page.locator("#many").get_by_role("button", name="Select all shown").click()
    sync_api.expect(said(visit)).to_have_text("5 selected")

    page.locator("#many").get_by_role("button", name="Cancel").click()
    sync_api.expect(page.get_by_role("dialog", name="Cancel 5 tasks?")).to_contain_text(session)
    page.get_by_label("Why").fill("too many")
    page.get_by_role("button", name="Cancel them").click()

    sync_api.expect(page.locator(f'{TASK}[data-state="cancel_requested"]')).to_have_count(5)
    sync_api.expect(page.locator("#many").get_by_role("button", name="Cancel")).to_be_disabled()
    sync_api.expect(page.locator("#many").get_by_role("button", name="Transfer")).to_be_enabled()
    page.get_by_role("button", name="Clear").click()
    sync_api.expect(page.locator("#many")).to_be_hidden()


def test_tasks_are_chosen_and_handed_over_with_the_keyboard(visit: Visit, program: Program) -> None:
    page = visit.page
    crowd(visit, program, "keyboard", 5)
    page.keyboard.press("Enter")
    page.keyboard.press("Home")
    for key in ("ArrowDown", "x", "Shift+ArrowDown"):
        page.keyboard.press(key)
    sync_api.expect(said(visit)).to_have_text("2 selected")
    for key in ("Escape", "Home", "ArrowDown", "x", "ArrowDown", "ArrowDown", "Shift+X"):
        page.keyboard.press(key)
    sync_api.expect(said(visit)).to_have_text("3 selected")
    page.keyboard.press("Control+a")
    sync_api.expect(said(visit)).to_have_text("5 selected")
    page.keyboard.press("t")
    page.get_by_label("To session").fill("keyboard moved")
    page.keyboard.press("Enter")

    sync_api.expect(page.locator(SESSION, has_text="keyboard moved")).to_contain_text("5 tasks")
    sync_api.expect(page.locator("#many")).to_be_hidden()  # what was chosen is elsewhere now


def test_the_question_names_all_that_is_reached(visit: Visit, program: Program) -> None:
    page = visit.page
    program.tell("cascade")
    visit.row("top-1").get_by_role("checkbox").click()
    visit.row("top-2").get_by_role("checkbox").click()
    page.keyboard.press("c")
    dialog = page.get_by_role("dialog", name="Cancel 2 tasks?")
    sync_api.expect(dialog.get_by_label("and the 3 tasks below them, in near, far")).to_be_checked()
    page.keyboard.press("Enter")

    for name in ("top-1", "top-2", "below-1", "below-2", "below-3"):
        sync_api.expect(visit.row(name)).to_have_attribute("data-state", "cancel_requested")


def test_verbs_are_off_where_there_is_nothing_they_apply_to(visit: Visit) -> None:
    visit.pill("failed").click()
    visit.row("broken").get_by_role("checkbox").click()
    bar = visit.page.locator("#many")

    for name in ("Cancel", "Transfer"):
        sync_api.expect(bar.get_by_role("button", name=name)).to_be_disabled()
    visit.page.keyboard.press("c")
    sync_api.expect(visit.page.get_by_role("dialog")).to_have_count(0)
    visit.page.keyboard.press("Escape")
    sync_api.expect(bar).to_be_hidden()


def test_what_did_not_work_is_said_and_stays_chosen(visit: Visit, program: Program) -> None:
    page = visit.page
    crowd(visit, program, "refused", 3)
    asked: list[str] = []
    problem = {"type": "urn:hostel:problem:error", "detail": "not on a Sunday"}

    def refuse(route: sync_api.Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=500, json=problem)

    page.route("**/api/tasks/refused-1/cancel?*", refuse)
    box(visit, 0).click()
    page.keyboard.press("Control+a")
    page.keyboard.press("c")
    page.get_by_role("button", name="Cancel them").click()

    dialog = page.get_by_role("dialog", name="1 of 3 requests to stop did not work")
    sync_api.expect(dialog).to_contain_text("refused-1 in refused: not on a Sunday")
    page.get_by_role("button", name="Close").click()
    sync_api.expect(page.locator(f'{TASK}[data-state="cancel_requested"]')).to_have_count(2)
    sync_api.expect(said(visit)).to_have_text("3 selected")
    assert len(asked) == 1
    visit.complaints = [one for one in visit.complaints if "500" not in one]  # as the browser tells it


def test_of_each_session_all_are_handed_over_or_none(visit: Visit, program: Program) -> None:
    page = visit.page
    crowd(visit, program, "whole", 3)
    bodies: list[object] = []

    def heard(request: sync_api.Request) -> None:
        if request.url.endswith("/api/transfer"):
            bodies.append(json.loads(request.post_data or ""))

    page.on("request", heard)
    box(visit, 0).click()
    page.keyboard.press("Control+a")
    page.keyboard.press("t")
    page.get_by_label("To session").fill("whole again")
    page.keyboard.press("Enter")
    sync_api.expect(page.locator(SESSION, has_text="whole again")).to_contain_text("3 tasks")

    ids = ["whole-2", "whole-1", "whole-0"]
    assert bodies == [{"from_session_id": "whole", "session_id": "whole again", "task_ids": ids}]
