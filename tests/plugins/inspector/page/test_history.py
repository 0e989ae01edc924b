"""What has ended: found again, also when the list of tasks does not hold it."""

from pathlib import Path

import pytest
from playwright import sync_api

from ..program import Program, running
from .tab import BROWSERS, Visit

pytestmark = pytest.mark.needs(*BROWSERS)

ROW = "#history tbody tr"


def test_what_ends_appears_on_top_and_opens(visit: Visit, program: Program) -> None:
    page = visit.page
    page.get_by_role("button", name="History").click()
    page.locator(ROW, has_text="broken").wait_for()
    program.tell("named lately")
    name = b"lately".hex()

    sync_api.expect(page.locator(ROW).first).to_contain_text(name)
    sync_api.expect(page.locator(ROW).first).to_contain_text("completed")
    page.get_by_role("link", name=name).click()
    sync_api.expect(page.locator(".detail h2")).to_have_text(name)
    page.go_back()
    sync_api.expect(page.locator(ROW).first).to_contain_text(name)


def test_it_is_searched_by_words_state_kind_and_session(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("button", name="History").click()
    page.get_by_label("Find in what has ended").fill("DISK paper")
    sync_api.expect(page.locator(ROW)).to_have_count(1)
    sync_api.expect(page.locator(ROW)).to_contain_text("broken")
    page.locator("#history").get_by_label("State").select_option("completed")
    sync_api.expect(page.locator("#history .looked")).to_contain_text("matches")
    assert "q=DISK+paper&state=completed" in page.url

    page.reload()
    sync_api.expect(page.get_by_label("Find in what has ended")).to_have_value("DISK paper")
    sync_api.expect(page.locator(ROW)).to_have_count(0)
    page.locator("#history").get_by_label("State").select_option("failed")
    page.locator("#history").get_by_label("Kind").fill("other")
    page.get_by_role("searchbox", name="Session").fill("chat")
    sync_api.expect(page.locator(ROW)).to_have_count(1)
    page.get_by_role("searchbox", name="Session").fill("nowhere")
    sync_api.expect(page.locator(ROW)).to_have_count(0)


def test_it_needs_no_mouse(visit: Visit) -> None:
    page = visit.page
    page.keyboard.press("2")
    page.get_by_label("Find in what has ended").focus()
    page.keyboard.type("broken")
    sync_api.expect(page.locator(ROW)).to_have_count(1)
    page.get_by_role("link", name="broken").focus()
    page.keyboard.press("Enter")

    sync_api.expect(page.locator(".detail h2")).to_have_text("broken")


def test_more_is_there_when_it_is_asked_for(visit: Visit, program: Program) -> None:
    program.tell("ended 120")
    page = visit.page
    page.get_by_role("button", name="History").click()
    page.get_by_label("Find in what has ended").fill("heap")
    page.wait_for_url("**q=heap*")
    sync_api.expect(page.locator(ROW)).to_have_count(50)
    page.get_by_role("button", name="More").click()
    sync_api.expect(page.locator(ROW)).to_have_count(100)
    page.get_by_role("button", name="More").click()
    sync_api.expect(page.locator(ROW)).to_have_count(120)
    sync_api.expect(page.locator("#history .looked")).to_have_text("That is all: 120 tasks.")


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_task_of_an_earlier_run_is_found_and_opens(
    browser: sync_api.Browser, tmp_path: Path, loop: str
) -> None:
    tmp_path.chmod(0o700)
    env = {"SCENARIO_DATA": str(tmp_path / "data")}
    with running(loop, tmp_path, env=env) as program:
        program.tell("named long-ago")
        program.quit()
    name = b"long-ago".hex()
    with running(loop, tmp_path, env=env) as program:
        context = browser.new_context(viewport={"width": 360, "height": 720}, has_touch=True)
        page = context.new_page()
        page.goto(program.page_url)
        page.get_by_role("button", name="History").tap()
        page.locator(ROW, has_text=name).wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= 360")
        page.get_by_role("link", name=name).tap()
        sync_api.expect(page.locator(".detail h2")).to_have_text(name)
        sync_api.expect(page.locator(".timeline")).to_contain_text("completed")
        context.close()
