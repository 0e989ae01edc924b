"""The list of tasks: what is wrong with one, how it is called, and that all of it is legible at any width."""

import re

import pytest
from playwright import sync_api

from ..program import Program
from .tab import BROWSERS, SESSION, TASK, Visit

pytestmark = pytest.mark.needs(*BROWSERS)

NOW = "document.querySelector('#silent-after').add(new Option('now', '0'))"


def test_a_row_says_in_words_what_is_wrong(visit: Visit, program: Program) -> None:
    program.tell("hostile unkind")
    row = visit.row("unkind")
    row.wait_for()
    visit.page.evaluate(NOW)
    visit.page.get_by_label("silent after").select_option("now")

    sync_api.expect(row.locator(".badge")).to_contain_text("silent")
    visit.pill("warned").click()
    sync_api.expect(visit.page.locator(f"{TASK}:not(.context)").first).to_have_class(re.compile("is-warned"))
    sync_api.expect(visit.row("Build it all")).to_have_count(0)  # what waits is right to be silent
    sync_api.expect(row).to_have_attribute("aria-label", SILENT)


SILENT = re.compile(r"silent \d+s, running")


def test_a_lint_that_the_page_does_not_know_is_said_as_the_server_says_it(visit: Visit) -> None:
    lint = {
        "lint": "odd",
        "task_id": "parent",
        "session_id": "build",
        "since": 0,
        "text": "it is <b>odd</b>",
    }
    answer = {"items": [lint], "next": None, "left_out": 0, "counts": []}
    visit.page.route("**/api/lints?*", lambda route: route.fulfill(json=answer))
    visit.page.get_by_label("silent after").select_option("60")

    sync_api.expect(visit.row("Build it all").locator(".badge")).to_have_text("it is <b>odd</b>")
    sync_api.expect(visit.pill("warned").locator("i")).to_have_text("1")
    visit.page.unroute("**/api/lints?*")


def test_a_failure_says_first_what_happened(visit: Visit) -> None:
    visit.pill("failed").click()

    sync_api.expect(visit.row("broken").locator(".text")).to_have_text(
        "the disk is made of paper (RuntimeError)"
    )


@pytest.mark.parametrize("width", [360, 768, 1024, 1440, 2560])
def test_no_figure_is_cut_off_at_any_width(visit: Visit, program: Program, width: int) -> None:
    program.tell(f"aged old-{width}")
    visit.page.set_viewport_size({"width": width, "height": 800})
    visit.row(f"old-{width}").wait_for()
    cut = visit.page.evaluate(CUT)
    visit.row(f"old-{width}").click()
    if width >= 900:
        cut += visit.page.evaluate(CUT)

    assert cut == []


CUT = """() => [...document.querySelectorAll("hostel-row:not([hidden]) .c-num, .columns span, .select")]
  .filter((cell) => cell.checkVisibility() && cell.scrollWidth > cell.clientWidth)
  .map((cell) => cell.textContent)"""


def test_a_row_says_where_in_the_tree_it_is(visit: Visit) -> None:
    parent, child = visit.row("Build it all"), visit.row("child")
    heading = visit.page.locator(SESSION, has_text="build")

    sessions = visit.page.locator(SESSION).count()
    for row, level, place, of in (
        (heading, 1, sessions, sessions),
        (parent, 2, 1, 1),
        (child, 3, 1, 1),
    ):
        told = [row.get_attribute(f"aria-{name}") for name in ("level", "posinset", "setsize")]
        assert told == [str(level), str(place), str(of)]


def test_a_row_that_was_another_keeps_nothing_of_it(visit: Visit) -> None:
    visit.pill("all").click()
    visit.page.locator("#kind").select_option("observer")
    visit.row("child").wait_for()
    for chosen in ("", "observer", ""):
        visit.page.locator("#kind").select_option(chosen)
    visit.row("broken").wait_for()
    said = visit.page.evaluate(NAMES)

    assert said
    assert [pair for pair in said if not pair["name"].startswith(pair["seen"])] == []
    assert [pair for pair in said if pair["kind"] == "session" and pair["state"]] == []


NAMES = """() => [...document.querySelectorAll("hostel-row:not([hidden]):not(.pin)")].map((row) => ({
  kind: row.classList[0],
  state: row.dataset.state ?? "",
  name: row.getAttribute("aria-label"),
  seen: row.querySelector(".title, b").textContent,
}))"""


ORDER = """() => {
  const rows = [...document.querySelectorAll("#spacer hostel-row:not([hidden])")];
  return rows.map((row) => row.getBoundingClientRect().top);
}"""


def test_rows_are_read_in_the_order_in_which_they_are_seen(visit: Visit, program: Program) -> None:
    program.tell("crowd ordered 120")
    visit.pill("all").click()
    sync_api.expect(visit.page.locator(SESSION, has_text="ordered").first).to_contain_text("120 tasks")
    for top in (900, 300, 2000, 0):
        visit.page.evaluate(f"document.querySelector('#scroller').scrollTop = {top}")
        visit.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        tops = visit.page.evaluate(ORDER)
        assert tops == sorted(tops)
        assert len(tops) > 10
