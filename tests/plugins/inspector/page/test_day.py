"""A day's work of five agents, from the page alone: by mouse, on a phone, from the keyboard."""

import pytest
from playwright import sync_api

from .tab import BROWSERS, TASK

pytestmark = pytest.mark.needs(*BROWSERS)

ROW = "#panel tbody tr"
TABS = 120
"""No page has so many places that Tab goes to."""


def detail(page: sync_api.Page) -> sync_api.Locator:
    return page.locator(".detail")


def dialog(page: sync_api.Page) -> sync_api.Locator:
    return page.get_by_role("dialog")


def is_in_state(page: sync_api.Page, state: str) -> None:
    sync_api.expect(detail(page).locator(".state")).to_have_text(state)


def open_task(page: sync_api.Page, label: str) -> None:
    page.locator(TASK, has_text=label).click()
    sync_api.expect(detail(page).locator("h2")).to_have_text(label)


def put_away(page: sync_api.Page) -> None:
    detail(page).get_by_role("button", name="Close").click()
    sync_api.expect(detail(page)).to_be_hidden()


@pytest.mark.parametrize("width", [1280, 360])
def test_a_day_is_run_by_mouse_and_on_a_phone(workshop: sync_api.Page, width: int) -> None:
    page = workshop
    page.set_viewport_size({"width": width, "height": 760})

    page.get_by_role("button", name="Start a task").click()
    dialog(page).get_by_label("Kind").select_option("talk")
    dialog(page).get_by_label("Session").fill("writer")
    dialog(page).get_by_label("Label").fill("Write the notes")
    dialog(page).get_by_role("button", name="Start", exact=True).click()
    sync_api.expect(detail(page).locator("h2")).to_have_text("Write the notes")
    box = detail(page).locator(".message-box")
    box.locator("summary").click()
    box.get_by_role("textbox", name="Message").fill("begin")
    box.get_by_role("button", name="Send").click()
    sync_api.expect(detail(page).locator(".log .ln").first).to_have_text("begin")
    put_away(page)

    page.locator("#needs-you").get_by_role("button", name="Fix the login").click()
    question = detail(page).locator("form.question")
    question.get_by_label("Name of the branch").fill("main")
    question.get_by_label("origin").check()
    question.get_by_role("button", name="Answer").click()
    is_in_state(page, "completed")
    put_away(page)

    open_task(page, "Plan the release")
    detail(page).get_by_role("button", name="Transfer").click()
    dialog(page).get_by_role("combobox").fill("reviewer")
    dialog(page).get_by_role("button", name="Transfer").click()
    sync_api.expect(detail(page).locator(".facts").first).to_contain_text("reviewer")
    put_away(page)

    open_task(page, "Read 40 papers")
    detail(page).get_by_role("button", name="Cancel").click()
    dialog(page).get_by_role("textbox").fill("enough is known")
    dialog(page).get_by_role("button", name="Cancel the task").click()
    sync_api.expect(detail(page).locator(".box.cancel")).to_contain_text("enough is known")
    put_away(page)

    view(page, "Downloads").click()
    page.get_by_role("button", name="Pull a model…").click()
    dialog(page).get_by_role("textbox", name="Model").fill("org/model")
    dialog(page).get_by_role("button", name="Pull a model").click()
    view(page, "Models").click()
    sync_api.expect(page.locator(ROW, has_text="org/model")).to_be_visible()

    view(page, "Batches").click()
    page.locator(ROW).first.get_by_role("button", name="Send failed lines again").click()
    sync_api.expect(page.locator("#toasts")).to_contain_text("again")


def view(page: sync_api.Page, name: str) -> sync_api.Locator:
    return page.get_by_role("navigation", name="Views").get_by_role("button", name=name)


def tab_to(page: sync_api.Page, wanted: sync_api.Locator) -> None:
    """Press Tab until it is there."""
    wanted.wait_for()
    for _ in range(TABS):
        if wanted.evaluate("(element) => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never comes to {wanted}")


def find(page: sync_api.Page, label: str) -> None:
    """Open a task by its name."""
    page.keyboard.press("/")
    page.keyboard.press("Control+a")
    page.keyboard.type(label)
    sync_api.expect(page.locator(TASK, has_text=label)).to_be_visible()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    sync_api.expect(detail(page).locator("h2")).to_have_text(label)


def see(page: sync_api.Page, name: str) -> None:
    tabs = page.locator("[data-tab] > span").all_text_contents()
    page.keyboard.press(str(tabs.index(name) + 1))
    sync_api.expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()


def test_a_day_is_run_from_the_keyboard(workshop: sync_api.Page) -> None:
    page = workshop
    page.keyboard.press("n")
    sync_api.expect(dialog(page).get_by_label("Kind")).to_be_focused()
    page.keyboard.type("talk")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+a")
    page.keyboard.type("writer")
    page.keyboard.press("Enter")
    is_in_state(page, "running")
    page.keyboard.press("m")
    page.keyboard.type("begin")
    page.keyboard.press("Enter")
    sync_api.expect(detail(page).locator(".log .ln").first).to_have_text("begin")
    page.keyboard.press("Escape")

    page.keyboard.press("a")
    sync_api.expect(detail(page).get_by_label("Name of the branch")).to_be_focused()
    page.keyboard.type("main")
    tab_to(page, detail(page).get_by_label("origin"))
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    is_in_state(page, "completed")

    find(page, "Plan the release")
    page.keyboard.press("t")
    sync_api.expect(dialog(page).get_by_role("combobox")).to_be_focused()
    page.keyboard.type("reviewer")
    page.keyboard.press("Enter")
    sync_api.expect(detail(page).locator(".facts").first).to_contain_text("reviewer")

    find(page, "Read 40 papers")
    page.keyboard.press("c")
    sync_api.expect(dialog(page).get_by_role("textbox")).to_be_focused()
    page.keyboard.type("enough is known")
    page.keyboard.press("Enter")
    sync_api.expect(detail(page).locator(".box.cancel")).to_contain_text("enough is known")

    see(page, "Downloads")
    tab_to(page, page.get_by_role("button", name="Pull a model…"))
    page.keyboard.press("Enter")
    tab_to(page, dialog(page).get_by_role("textbox", name="Model"))
    page.keyboard.type("org/model")
    page.keyboard.press("Enter")
    sync_api.expect(dialog(page)).to_be_hidden()
    see(page, "Models")
    sync_api.expect(page.locator(ROW, has_text="org/model")).to_be_visible()

    see(page, "Batches")
    tab_to(page, page.locator(ROW).first.get_by_role("button", name="Send failed lines again"))
    page.keyboard.press("Enter")
    sync_api.expect(page.locator("#toasts")).to_contain_text("again")
