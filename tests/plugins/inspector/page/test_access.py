"""The page for everybody: what axe finds, names, and keys that can be turned off."""

from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright import sync_api

from ..program import Program, running
from .tab import BROWSERS, TASK, Visit

pytestmark = pytest.mark.needs(*BROWSERS)

AXE = Axe()


def violations(page: sync_api.Page) -> list[str]:
    """What axe has to say about what is in sight."""
    found = AXE.run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary']}"
        for one in found
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_violates_a_rule(
    visit: Visit, program: Program, scheme: Literal["light", "dark"], width: int
) -> None:
    page = visit.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 800})
    program.tell(f"asks {scheme}-{width}")
    found = violations(page)
    for tab in page.locator("[data-tab]").all()[::-1]:
        tab.click()
        found += violations(page)
    visit.pill("all").click()
    visit.row("broken").get_by_role("checkbox").click()
    found += violations(page)
    page.keyboard.press("Escape")
    page.locator("#search").fill("no such thing at all")
    page.get_by_text("Nothing matches").wait_for()
    found += violations(page)
    page.get_by_role("button", name="Show all").click()
    for row in ("broken", "Build it all"):
        visit.row(row).click()
        page.locator(".timeline").wait_for()
        found += violations(page)
        page.get_by_role("button", name="Close").click()

    assert found == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_dialog_violates_a_rule(visit: Visit, scheme: Literal["light", "dark"]) -> None:
    page = visit.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    found = []
    visit.row("Build it all").click()
    for key in ("c", "t", "?"):
        page.keyboard.press(key)
        found += violations(page)
        page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    visit.row("child").get_by_role("checkbox").click()
    for key in ("c", "t"):
        page.keyboard.press(key)
        found += violations(page)
        page.keyboard.press("Escape")

    assert found == []


def test_a_dialog_is_called_what_its_heading_says(visit: Visit) -> None:
    visit.row("Build it all").click()
    for key, name in (("c", "Cancel this task?"), ("t", "Hand this task over?"), ("?", "Keys")):
        visit.page.keyboard.press(key)
        sync_api.expect(visit.page.get_by_role("dialog", name=name)).to_be_visible()
        visit.page.keyboard.press("Escape")


def test_every_view_has_one_heading_of_the_first_level(visit: Visit) -> None:
    for tab in visit.page.locator("[data-tab]").all():
        tab.click()
        sync_api.expect(visit.page.get_by_role("heading", level=1)).to_have_count(1)


def test_keys_of_a_single_character_can_be_turned_off(visit: Visit) -> None:
    page = visit.page
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").get_by_role("checkbox").uncheck()
    page.get_by_role("button", name="Close").click()
    page.reload()
    visit.row("Build it all").click()
    page.locator("#scroller").focus()
    for key in ("c", "x", "2", "?", "/"):
        page.keyboard.press(key)
    sync_api.expect(page.get_by_role("dialog")).to_have_count(0)
    sync_api.expect(page.locator("#many")).to_be_hidden()
    sync_api.expect(page.locator("#tasks")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowDown")
    sync_api.expect(page.locator(f"{TASK}.selected, hostel-row.session.selected")).to_have_count(1)

    page.get_by_role("button", name="Keyboard shortcuts").click()
    page.get_by_role("dialog", name="Keys").get_by_role("checkbox").check()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("2")
    sync_api.expect(page.locator("#history")).to_be_visible()


HISTORY = """async () => {
  const { kept } = await import("/page/task/history.js");
  const event = (type, seq) => ({ type, seq });
  let history = [event("registered", 0)];
  for (let seq = 1; seq < 5000; seq += 1) history = kept([...history, event("progress", seq)]);
  return [history.length, history[0].type, history.at(-1).seq];
}"""


def test_a_panel_that_stays_open_keeps_no_more_and_no_more(visit: Visit) -> None:
    length, first, last = visit.page.evaluate(HISTORY)

    assert length <= 801
    assert (first, last) == ("registered", 4999)


SAID = """() => {
  window.said = [];
  const link = document.querySelector("#link span");
  const hear = () => said.push(link.textContent);
  new MutationObserver(hear).observe(link, { childList: true, characterData: true, subtree: true });
}"""


def test_the_state_of_the_connection_is_not_said_again_and_again(
    browser: sync_api.Browser, tmp_path: Path
) -> None:
    tmp_path.chmod(0o700)
    context = browser.new_context()
    page = context.new_page()
    with running("asyncio", tmp_path) as program:
        page.goto(program.page_url)
        page.locator(TASK, has_text="Build it all").wait_for()
        page.evaluate(SAID)
    for _ in range(3):
        page.wait_for_event("requestfailed")
    said = page.evaluate("said")
    context.close()

    assert said == ["not connected"]
