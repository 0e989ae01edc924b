"""The views that plugins bring: tables of their rows, and what one can do with them."""

from collections.abc import Iterator

import pytest
from playwright import sync_api

from ..program import Program
from .tab import BROWSERS, Visit
from .test_page import ACTING

pytestmark = pytest.mark.needs(*BROWSERS)

ROW = "#panel tbody tr"


@pytest.fixture
def books(visit: Visit, program: Program) -> Iterator[Visit]:
    program.tell("shelf first")
    visit.page.get_by_role("button", name="Books").click()
    visit.page.locator(ROW, has_text="First").wait_for()
    yield visit
    program.tell("shelf first")


def test_each_format_is_written_as_people_read_it(books: Visit, program: Program) -> None:
    program.tell("shelf all")
    row = books.page.locator(ROW, has_text="Everything")

    for words in ("in progress", "42 %", "1.5 MB", "2.0 kB/s", "1m 15s", "12,345", "1970", "parent", "torn"):
        sync_api.expect(row).to_contain_text(words)
    assert row.locator(".bar i").evaluate("(bar) => bar.style.width") == "42%"
    sync_api.expect(row.locator("pre")).to_be_hidden()
    row.locator("summary").click()
    sync_api.expect(row.locator("pre")).to_contain_text("line")
    sync_api.expect(books.page.locator("[data-count='panel/shelf/books']")).to_have_text("1")


def test_nothing_of_a_stranger_is_markup_or_breaks_a_row(books: Visit, program: Program) -> None:
    program.tell("shelf all")
    row = books.page.locator(ROW, has_text="<img src=x")

    sync_api.expect(row).to_contain_text('{"a":1}')
    sync_api.expect(row).to_contain_text("[1]")
    assert books.page.locator("#panel img, #panel script").count() == 0
    assert books.page.evaluate(ACTING) == []
    books.page.locator(ROW, has_text="First").wait_for(state="detached")
    program.tell("shelf many 0")
    sync_api.expect(books.page.locator("#panel .empty")).to_have_text("No <b>books</b>.")


def test_a_task_in_a_row_opens(books: Visit, program: Program) -> None:
    program.tell("shelf all")
    books.page.get_by_role("link", name="parent").click()

    sync_api.expect(books.page.locator(".detail h2")).to_have_text("Build it all")
    books.page.go_back()
    sync_api.expect(books.page.locator(ROW, has_text="Everything")).to_be_visible()


def test_a_form_is_checked_and_what_the_plugin_refuses_is_said_in_it(books: Visit) -> None:
    page, dialog = books.page, books.page.get_by_role("dialog")
    page.get_by_role("button", name="Buy…").click()
    dialog.get_by_label("Title of the book").fill("x")
    dialog.get_by_role("button", name="Buy").click()
    sync_api.expect(dialog).to_contain_text("2 characters or more")
    dialog.get_by_label("Title of the book").fill("Forbidden")
    dialog.get_by_role("button", name="Buy").click()
    sync_api.expect(dialog).to_contain_text("is on the index")
    dialog.get_by_label("Title of the book").fill("Allowed")
    dialog.get_by_label("Copies").fill("3")
    dialog.get_by_role("button", name="Buy").click()

    sync_api.expect(dialog).to_be_hidden()
    sync_api.expect(page.locator(ROW, has_text="Allowed")).to_contain_text("3")
    sync_api.expect(page.locator("#toasts")).to_have_text("bought Allowed")
    books.complaints = [said for said in books.complaints if "400" not in said]  # as the browser tells it


def test_an_action_asks_first_is_offered_where_it_fits_and_shows_what_it_did(
    books: Visit, program: Program
) -> None:
    program.tell("shelf all")
    page = books.page
    sync_api.expect(page.get_by_role("button", name="Burn…")).to_have_count(1)  # the other does not burn
    page.locator(ROW, has_text="Everything").get_by_role("button", name="Read", exact=True).click()
    sync_api.expect(page.locator(ROW, has_text="Everything")).to_contain_text("running")
    page.get_by_role("button", name="Burn…").click()
    sync_api.expect(page.get_by_role("dialog")).to_contain_text("Burn this book?")
    page.get_by_role("button", name="Leave it").click()
    sync_api.expect(page.locator(ROW)).to_have_count(2)
    page.get_by_role("button", name="Burn…").click()
    page.get_by_role("button", name="Burn", exact=True).click()

    sync_api.expect(page.locator(ROW)).to_have_count(1)


def test_all_of_it_needs_no_mouse(books: Visit) -> None:
    page = books.page
    page.get_by_role("button", name="Plugins").click()
    page.keyboard.press(books.key_of("Books"))
    row = page.locator(ROW, has_text="First")
    row.wait_for()
    page.get_by_role("button", name="Buy…").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("Typed")
    page.keyboard.press("Enter")
    sync_api.expect(page.locator(ROW, has_text="Typed")).to_be_visible()
    page.locator(ROW, has_text="Typed").get_by_role("button", name="Burn…").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    sync_api.expect(page.locator(ROW, has_text="Typed")).to_have_count(0)
    row.get_by_role("button", name="Pages").focus()
    page.keyboard.press("Enter")
    sync_api.expect(page.locator(ROW)).to_contain_text(["page 1 of 1", "page 2 of 1"])


def test_a_file_is_saved_under_a_harmless_name(books: Visit, program: Program) -> None:
    program.tell("shelf put ../a:b\\c")
    with books.page.expect_download() as saved:
        books.page.locator(ROW, has_text="..").get_by_role("button", name="Text").click()

    assert saved.value.suggested_filename.lstrip("._") == "a_b_c.json"
    assert '"all of 2"' in saved.value.path().read_text()


def test_a_row_leads_to_what_is_within_it_and_the_address_keeps_that(books: Visit) -> None:
    page = books.page
    page.get_by_role("button", name="Pages").click()
    sync_api.expect(page.locator(ROW)).to_contain_text(["page 1 of 1", "page 2 of 1"])
    assert page.url.endswith("#/panel/shelf/pages?book_id=1")
    sync_api.expect(page.locator("[data-tab='panel/shelf/books']")).to_have_attribute("aria-current", "page")

    page.reload()
    sync_api.expect(page.locator(ROW)).to_contain_text(["page 1 of 1", "page 2 of 1"])
    page.get_by_role("navigation", name="Where this is").get_by_role("link", name="Books").click()
    sync_api.expect(page.locator(ROW)).to_contain_text("First")
    page.go_back()
    sync_api.expect(page.locator(ROW)).to_contain_text(["page 1 of 1", "page 2 of 1"])


def test_many_rows_come_page_by_page(books: Visit, program: Program) -> None:
    program.tell("shelf many 120")
    sync_api.expect(books.page.locator(ROW)).to_have_count(50)
    books.page.get_by_role("button", name="More").click()
    sync_api.expect(books.page.locator(ROW)).to_have_count(100)
    books.page.get_by_role("button", name="More").click()
    sync_api.expect(books.page.locator(ROW)).to_have_count(120)
    sync_api.expect(books.page.get_by_role("button", name="More")).to_be_hidden()


def test_rows_keep_the_focus_when_others_come_before_them(books: Visit, program: Program) -> None:
    button = books.page.locator(ROW, has_text="First").get_by_role("button", name="Read", exact=True)
    button.focus()
    program.tell("shelf put Second")
    books.page.locator(ROW, has_text="Second").wait_for()

    sync_api.expect(button).to_be_focused()


def test_an_event_of_its_kinds_loads_it_again_at_once(books: Visit, program: Program) -> None:
    books.page.clock.install()  # from here on nothing happens by the time alone
    program.tell("shelf put Second")
    program.tell("subagent")
    books.page.clock.run_for(600)

    books.page.locator(ROW, has_text="Second").wait_for()


def test_a_view_that_nobody_brings_says_so(books: Visit) -> None:
    books.page.goto(f"{books.page.url.partition('#')[0]}#/panel/nobody/nothing")

    sync_api.expect(books.page.locator("#panel .empty")).to_contain_text("No plugin of this runtime")


def test_on_a_telephone_rows_are_cards_and_nothing_is_cut_off(
    browser: sync_api.Browser, program: Program
) -> None:
    program.tell("shelf all")
    context = browser.new_context(viewport={"width": 360, "height": 720}, has_touch=True)
    page = context.new_page()
    page.goto(program.page_url)
    page.get_by_role("button", name="Books").tap()
    row = page.locator(ROW, has_text="Everything")
    row.wait_for()

    assert page.evaluate("document.querySelector('#panel').scrollWidth <= 360")
    assert page.evaluate("document.documentElement.scrollWidth <= 360")
    row.get_by_role("button", name="Read", exact=True).tap()
    sync_api.expect(row).to_contain_text("running")
    page.get_by_role("button", name="Buy…").tap()
    sync_api.expect(page.get_by_role("dialog").get_by_label("Copies")).to_be_visible()
    context.close()
    program.tell("shelf first")
