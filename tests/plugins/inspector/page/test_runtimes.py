"""Several runtimes in one page, and what somebody may do there who may only look."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright import sync_api

from ..program import Program, running
from .tab import BROWSERS, Visit

pytestmark = pytest.mark.needs(*BROWSERS)


@pytest.fixture(params=["asyncio", "trio"])
def two(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Program, Program]]:
    tmp_path.chmod(0o700)
    with running(request.param, tmp_path) as near, running(request.param, tmp_path) as far:
        near.tell("named near")
        far.tell("work far")
        yield near, far


def opened(browser: sync_api.Browser, program: Program, width: int = 1280) -> Visit:
    visit = Visit(browser.new_context(viewport={"width": width, "height": 760}).new_page())
    visit.page.goto(program.page_url)
    visit.row("Build it all").wait_for()
    return visit


def test_another_runtime_is_chosen_and_steered(
    browser: sync_api.Browser, two: tuple[Program, Program]
) -> None:
    visit = opened(browser, two[0])
    page, menu = visit.page, visit.page.get_by_role("menu", name="Runtimes")
    here = page.evaluate("location.host")
    page.get_by_role("button", name="Runtimes").click()
    sync_api.expect(menu.get_by_role("menuitemradio")).to_have_count(2)
    sync_api.expect(menu.get_by_role("menuitemradio", checked=True)).to_contain_text("serves this page")
    menu.get_by_role("menuitemradio", checked=False).click()

    visit.row("Work far").wait_for()
    assert page.evaluate("location.host") == here
    visit.row("Work far").click()
    page.locator(".detail").get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel the task").click()
    sync_api.expect(page.locator(".detail .state")).to_have_text("cancelled")
    page.get_by_role("button", name="History").click()
    sync_api.expect(page.locator("#history tbody tr").first).to_contain_text("Work far")
    page.get_by_role("button", name="Books").click()
    page.locator("#panel tbody tr", has_text="First").get_by_role("button", name="Read", exact=True).click()
    sync_api.expect(page.locator("#panel tbody tr")).to_contain_text("running")
    page.reload()
    sync_api.expect(page.locator("#panel tbody tr")).to_contain_text("running")
    assert visit.complaints == []
    page.context.close()


def test_it_is_chosen_from_the_keyboard_and_back_leads_back(
    browser: sync_api.Browser, two: tuple[Program, Program]
) -> None:
    visit = opened(browser, two[0], width=360)
    page, menu = visit.page, visit.page.get_by_role("menu", name="Runtimes")
    page.get_by_role("button", name="Runtimes").focus()
    page.keyboard.press("Enter")
    menu.get_by_role("menuitemradio").nth(1).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= 360")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    menu.get_by_role("menuitemradio", checked=False).focus()
    page.keyboard.press("Enter")
    visit.row("Work far").wait_for()

    page.go_back()
    visit.row("Build it all").wait_for()
    sync_api.expect(visit.row("Work far")).to_have_count(0)
    page.context.close()


def test_a_runtime_that_is_gone_is_said_to_be(
    browser: sync_api.Browser, two: tuple[Program, Program]
) -> None:
    visit = opened(browser, two[0])
    page, menu = visit.page, visit.page.get_by_role("menu", name="Runtimes")
    page.get_by_role("button", name="Runtimes").click()
    menu.get_by_role("menuitemradio", checked=False).click()
    visit.row("Work far").wait_for()
    two[1].quit()

    sync_api.expect(page.get_by_role("alert")).to_contain_text("Not connected to the runtime")
    page.get_by_role("button", name="Runtimes").click()
    menu.get_by_role("menuitemradio", name="serves this page").click()
    visit.row("Build it all").wait_for()
    page.context.close()


def test_who_may_only_look_has_no_verbs(visit: Visit) -> None:
    page = visit.page
    page.route(
        "**/api/me", lambda route: route.fulfill(json={"name": "eve", "role": "view", "auth": "users"})
    )
    page.reload()
    sync_api.expect(page.get_by_text("view only")).to_be_visible()
    visit.row("Build it all").click()
    sync_api.expect(page.locator(".timeline")).to_be_visible()
    sync_api.expect(page.locator(".detail").get_by_role("button", name="Cancel")).to_be_disabled()
    page.keyboard.press("c")
    sync_api.expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Books").click()
    sync_api.expect(page.get_by_role("button", name="Buy…")).to_be_disabled()
    sync_api.expect(page.get_by_role("button", name="Read", exact=True)).to_be_disabled()
    sync_api.expect(page.get_by_role("button", name="Text")).to_be_enabled()
