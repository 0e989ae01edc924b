"""Where the time of a session went."""

from pathlib import Path

import pytest
from playwright import sync_api

from ..program import Program, running
from .tab import BROWSERS, SESSION, Visit

pytestmark = pytest.mark.needs(*BROWSERS)

LANE = ".lane:not([hidden])"

SPANS = """async ([record, history, now]) => {
  const { spansOf, turnsOf } = await import("./page/views/spans.js");
  return spansOf(record, history && turnsOf(history), now).map(({ state, from, to }) => [state, from, to]);
}"""
TREE = """async (records) => {
  const { treeOf } = await import("./page/views/spans.js");
  return treeOf(records).map(({ record, depth }) => `${"-".repeat(depth)}${record.id}`);
}"""


def opened(visit: Visit, session: str) -> sync_api.Page:
    visit.page.locator(SESSION, has_text=session).get_by_text("Timeline").click()
    visit.page.locator(LANE).first.wait_for()
    return visit.page


def test_a_session_shows_its_tasks_over_time_those_it_started_below(visit: Visit, program: Program) -> None:
    program.tell("timed")
    page = opened(visit, "timed")

    assert page.url.endswith("#/session/timed")
    sync_api.expect(page.locator(LANE)).to_contain_text(["queued", "Above it", "below"])
    failed = page.locator(LANE, has_text="below")
    sync_api.expect(failed.locator("i[data-state='waiting']")).to_have_count(1)
    sync_api.expect(failed.locator("i").last).to_have_attribute("data-ended", "failed")
    sync_api.expect(page.locator(LANE, has_text="queued").locator("i[data-state='pending']")).to_have_count(1)
    for words in ("From start to end", "In the queue", "Running", "Waiting", "failed"):
        sync_api.expect(page.locator(".sums")).to_contain_text(words)
    failed.hover()
    sync_api.expect(page.locator(".figures")).to_contain_text("waited")

    failed.click()
    sync_api.expect(page.locator(".detail .state")).to_have_text("failed")
    page.go_back()
    sync_api.expect(page.locator(LANE)).to_have_count(3)


def test_it_is_opened_seen_closer_and_left_by_keys(visit: Visit, program: Program) -> None:
    program.tell("timed")
    page = visit.page
    page.keyboard.press("/")
    page.keyboard.type("below timed")
    page.keyboard.press("Enter")
    page.keyboard.press("s")
    lanes = page.get_by_role("listbox", name="Tasks by time")
    lanes.focus()
    page.keyboard.press("End")
    sync_api.expect(page.locator(".figures")).to_contain_text("below: failed")
    page.keyboard.press("+")
    page.keyboard.press("+")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**from=*to=*")
    page.reload()
    sync_api.expect(page.locator(LANE)).to_have_count(3)
    assert "from=" in page.url
    lanes.focus()
    page.keyboard.press("0")
    page.wait_for_url("**#/session/timed")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    sync_api.expect(page.locator(".detail h2")).to_have_text("below")


def test_a_part_that_is_dragged_over_is_seen_closer(visit: Visit, program: Program) -> None:
    program.tell("timed")
    page = opened(visit, "timed")
    box = page.locator(".ruler").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 5)
    page.mouse.up()

    page.wait_for_url("**from=*to=*")
    page.get_by_role("button", name="All of it").click()
    page.wait_for_url("**#/session/timed")


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_ten_thousand_tasks_are_as_many_elements_as_fit(
    browser: sync_api.Browser, tmp_path: Path, loop: str
) -> None:
    tmp_path.chmod(0o700)
    with running(loop, tmp_path) as program:
        program.tell("chains 10000")
        page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        page.goto(program.page_url)
        page.goto(f"{page.url.partition('#')[0]}#/session/chains")
        sync_api.expect(page.locator(".sums")).to_contain_text("10,000")
        assert page.locator(".lane").count() < 60
        page.get_by_role("listbox", name="Tasks by time").focus()
        page.keyboard.press("End")

        sync_api.expect(page.locator(".lane.selected")).to_contain_text("c9999")
        assert page.locator(".lane").count() < 60
        page.context.close()


def test_a_session_nobody_knows_says_so_and_a_telephone_is_wide_enough(
    browser: sync_api.Browser, program: Program
) -> None:
    program.tell("timed")
    page = browser.new_context(viewport={"width": 360, "height": 720}, has_touch=True).new_page()
    page.goto(program.page_url)
    page.locator(SESSION, has_text="timed").get_by_text("Timeline").tap()
    page.locator(LANE).first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= 360")
    page.goto(f"{page.url.partition('#')[0]}#/session/nobody")
    sync_api.expect(page.locator("#session .empty")).to_have_text(
        "Nothing is known of this session any more."
    )
    page.context.close()


@pytest.mark.parametrize(
    ("began", "ended", "states", "spans"),
    [
        (3, 9, None, [["pending", 1, 3], ["running", 3, 9]]),
        (1, None, None, [["running", 1, 10]]),
        (None, None, None, [["pending", 1, 10]]),
        (None, 4, None, [["pending", 1, 4]]),
        (3, 9, {1: "pending", 3: "running"}, [["pending", 1, 3], ["running", 3, 9]]),
        (
            3,
            9,
            {1: "pending", 3: "running", 5: "waiting", 7: "running", 9: "completed"},
            [["pending", 1, 3], ["running", 3, 5], ["waiting", 5, 7], ["running", 7, 9]],
        ),
        (
            2,
            None,
            {1: "pending", 2: "running", 4: "waiting"},
            [["pending", 1, 2], ["running", 2, 4], ["waiting", 4, 10]],
        ),
    ],
)
def test_a_task_is_in_one_state_at_each_moment(
    visit: Visit,
    began: int | None,
    ended: int | None,
    states: dict[int, str] | None,
    spans: list[list[object]],
) -> None:
    state = "failed" if ended else "running" if began else "pending"
    record = {
        "state": state,
        "created_at": 1,
        "started_at": began,
        "completed_at": ended,
        "updated_at": ended or 1,
    }
    history = states and [{"at": at, "record": {"state": state}} for at, state in states.items()]

    assert visit.page.evaluate(SPANS, [record, history, 10]) == spans


def test_each_task_is_shown_once_whatever_they_call_their_parents(visit: Visit) -> None:
    parents = {"a": None, "b": "a", "c": "b", "d": "d", "e": "f", "f": "e", "g": "gone", "h": "a"}
    records = [
        {"id": name, "parent_task_id": parent, "created_at": place}
        for place, (name, parent) in enumerate(parents.items())
    ]

    shown = visit.page.evaluate(TREE, records)

    assert shown == ["a", "-b", "--c", "-h", "d", "e", "-f", "g"]
