"""The page and the event stream in a real browser."""

import json
import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright import sync_api

from ..contrast import FAINT
from ..cutting import cut_wire
from ..program import SECONDS, Program, running
from ..proxy import NAME, proxied
from ..stranger import stranger
from .tab import BROWSERS, SESSION, TASK, Visit

pytestmark = pytest.mark.needs(*BROWSERS)


def test_a_task_appears_moves_and_ends_before_ones_eyes(visit: Visit, program: Program) -> None:
    program.tell("work seen")
    row = visit.row("Work seen")

    row.wait_for()
    row.locator(".percent", has_text="96 %").wait_for()
    program.tell("finish seen")
    sync_api.expect(row).to_have_attribute("data-state", "completed")
    sync_api.expect(row).to_contain_text("all done")


def test_texts_of_tasks_are_shown_and_never_obeyed(visit: Visit) -> None:
    row = visit.row("<b>bold</b>")
    row.click()

    sync_api.expect(row).to_contain_text("<img src=x onerror=alert(1)>")
    assert visit.page.locator("#scroller b:has-text('bold'), #scroller img, .detail img").count() == 0
    sync_api.expect(visit.page.locator(".detail h2")).to_contain_text("<b>bold</b>")


def test_children_are_below_their_parents_and_fold_away(visit: Visit) -> None:
    parent, child = visit.row("Build it all"), visit.row("child")
    sync_api.expect(child).to_have_attribute("aria-level", "3")
    sync_api.expect(parent).to_have_attribute("aria-expanded", "true")

    parent.locator(".twist").click()

    sync_api.expect(child).to_have_count(0)
    sync_api.expect(parent).to_have_attribute("aria-expanded", "false")


def test_cancelling_asks_first_and_keeps_the_reason(visit: Visit, program: Program) -> None:
    program.tell("work doomed")
    visit.row("Work doomed").click()
    visit.page.locator(".detail").get_by_role("button", name="Cancel").click()
    visit.page.get_by_role("button", name="Leave it").click()
    sync_api.expect(visit.page.locator(".detail .state")).to_have_text("running")

    visit.page.locator(".detail").get_by_role("button", name="Cancel").click()
    visit.page.get_by_label("Why").fill("it is too slow")
    visit.page.get_by_role("button", name="Cancel the task").click()

    sync_api.expect(visit.page.locator(".detail .state")).to_have_text("cancelled")
    sync_api.expect(visit.page.locator(".detail .box.cancel")).to_contain_text("by inspector page")
    sync_api.expect(visit.page.locator(".detail .box.cancel")).to_contain_text("it is too slow")
    sync_api.expect(visit.page.locator(".timeline")).to_contain_text("asked to stop")


@pytest.mark.parametrize("task_id", [".", ".."])
def test_a_task_may_be_called_as_places_in_a_path_are(visit: Visit, program: Program, task_id: str) -> None:
    program.tell(f"work {task_id}")
    title = visit.page.locator(".title", has_text=re.compile(rf"^Work {re.escape(task_id)}$"))
    visit.page.locator(TASK).filter(has=title).click()
    visit.page.locator(".detail").get_by_role("button", name="Cancel").click()
    visit.page.get_by_role("button", name="Cancel the task").click()

    sync_api.expect(visit.page.locator(".detail .state")).to_have_text("cancelled")
    sync_api.expect(visit.page.locator(".timeline")).to_contain_text("asked to stop")


def test_the_question_counts_all_that_the_request_reaches(visit: Visit, program: Program) -> None:
    program.tell("family")
    visit.row("kin-1").click()
    visit.page.locator(".detail").get_by_role("button", name="Cancel").click()
    sync_api.expect(visit.page.get_by_label("and the 2 tasks below it")).to_be_checked()
    visit.page.get_by_role("button", name="Cancel the task").click()

    for name in ("kin-1", "kin-3", "kin-4"):
        sync_api.expect(visit.row(name)).to_have_attribute("data-state", "cancel_requested")


def test_no_text_acts_on_those_around_it(visit: Visit, program: Program) -> None:
    program.tell("hostile unkind")
    visit.row("unkind").click()
    sync_api.expect(visit.page.locator(".detail .facts")).to_contain_text("kind")
    visit.page.locator(".timeline").wait_for()
    visit.page.keyboard.press("t")
    acting = visit.page.evaluate(ACTING)
    visit.page.keyboard.press("Escape")

    assert acting == []


ACTING = """() => {
  const texts = [document.title];
  const shown = NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT;
  const walker = document.createTreeWalker(document.documentElement, shown);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node.nodeType === Node.TEXT_NODE) texts.push(node.data);
    else for (const name of ["title", "aria-label", "placeholder"]) texts.push(node.getAttribute(name) ?? "");
  }
  const acting =
    /[[\\p{Cf}--[\\u00ad\\u200c\\u200d]]\\p{Zl}\\p{Zp}\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f]/v;
  return texts.filter((text) => acting.test(text));
}"""


def test_no_text_of_many_becomes_anything_but_text(browser: sync_api.Browser, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with running("asyncio", tmp_path) as program:
        program.tell("nasty x")
        visit = Visit(browser.new_context(viewport={"width": 1280, "height": 6000}).new_page())
        visit.page.goto(f"{program.page_url}")
        visit.pill("all").click()
        names = visit.page.locator(TASK).get_by_text("markup", exact=False)
        names.first.wait_for()
        assert visit.page.evaluate(ACTING) == []
        for text in ("[bold red]markup", ":bomb:", "<b>bold</b><img"):
            for row in visit.page.locator(TASK, has_text=f"l{text}").all()[:4]:
                row.click()
                visit.page.locator(".detail .timeline li").first.wait_for()
                assert visit.page.evaluate(ACTING) == []
        assert visit.page.locator("main img, main script, main b b, main iframe").count() == 0
        visit.page.context.close()
        assert visit.complaints == []


def test_a_task_can_be_handed_to_another_session(visit: Visit, program: Program) -> None:
    program.tell("work moved")
    visit.row("Work moved").click()
    visit.page.keyboard.press("t")
    visit.page.get_by_label("To session").fill("elsewhere")
    visit.page.keyboard.press("Enter")

    visit.page.locator(SESSION, has_text="elsewhere").wait_for()
    sync_api.expect(visit.page.locator(".timeline")).to_contain_text("from chat to elsewhere")
    program.tell("finish moved")
    sync_api.expect(visit.page.locator(".detail .state")).to_have_text("completed")


def test_a_failure_shows_why_and_where(visit: Visit) -> None:
    visit.pill("failed").click()
    visit.row("broken").click()

    box = visit.page.locator(".detail .box.failure")
    sync_api.expect(box).to_contain_text("the disk is made of paper")
    box.locator("summary").click()
    sync_api.expect(box.locator("pre")).to_contain_text("raise RuntimeError")


def test_tasks_are_found_by_text_state_and_kind(visit: Visit) -> None:
    visit.page.keyboard.press("/")
    visit.page.keyboard.type("build all")
    sync_api.expect(visit.page.locator(TASK)).to_have_count(1)
    visit.page.locator("#search").fill("no such thing at all")
    sync_api.expect(visit.page.get_by_text("Nothing matches")).to_be_visible()
    visit.page.get_by_role("button", name="Show all").click()
    visit.row("broken").wait_for()

    visit.pill("waiting").click()
    visit.page.locator("#kind").select_option("observer")
    sync_api.expect(visit.row("child")).to_be_visible()
    sync_api.expect(visit.page.locator(f"{TASK}:not(.context)")).to_have_count(1)


def test_everything_can_be_done_from_the_keyboard(visit: Visit) -> None:
    page = visit.page
    page.keyboard.press("/")
    page.keyboard.type("build")
    page.keyboard.press("Enter")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    sync_api.expect(page.locator(".detail h2")).to_have_text("Build it all")

    page.keyboard.press("c")
    sync_api.expect(page.get_by_role("heading", name="Cancel this task?")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    sync_api.expect(page.locator(".detail")).to_be_hidden()
    page.keyboard.press("ArrowLeft")
    sync_api.expect(visit.row("child")).to_have_count(0)
    page.keyboard.press(visit.key_of("Plugins"))
    sync_api.expect(page.get_by_role("heading", name="Plugins")).to_be_visible()
    page.keyboard.press(visit.key_of("Books"))
    sync_api.expect(page.get_by_role("heading", name="Books")).to_be_visible()
    page.keyboard.press("1")
    page.keyboard.press("?")
    sync_api.expect(page.get_by_role("heading", name="Keys")).to_be_visible()


def test_plugins_are_shown_with_what_is_wrong_with_them(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Plugins").click()

    sync_api.expect(visit.page.locator(".card", has_text="shelf")).to_contain_text("works")
    sync_api.expect(visit.page.locator(".card", has_text="noisy")).to_contain_text("ValueError: too loud")


def test_the_token_leaves_the_address_and_is_in_no_request(visit: Visit, program: Program) -> None:
    token = program.page_url.partition("token=")[2]

    assert visit.page.url == program.page_url.partition("#")[0]
    assert not [url for url in visit.requested if token in url]
    visit.page.reload()
    visit.row("Build it all").wait_for()


def test_the_tab_keeps_nothing_that_outlives_the_run(visit: Visit, program: Program) -> None:
    token = program.page_url.partition("token=")[2]

    assert token not in visit.page.evaluate("JSON.stringify([sessionStorage, localStorage, document.cookie])")


def test_without_a_token_it_asks_for_one(browser: sync_api.Browser, program: Program) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(program.page_url.partition("#")[0])
    for token in ("wrong", program.page_url.partition("token=")[2]):
        sync_api.expect(page.get_by_role("heading", name="locked")).to_be_visible()
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Unlock").click()

    page.locator(TASK, has_text="Build it all").wait_for()
    context.close()


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1440])
def test_nothing_sticks_out_at_any_width(visit: Visit, program: Program, width: int) -> None:
    page = visit.page
    program.tell(f"long at-{width}-")
    page.set_viewport_size({"width": width, "height": 800})
    alone = page.evaluate("document.documentElement.scrollWidth")
    visit.row(f"at-{width}-").click()
    beside_a_task = page.evaluate("document.documentElement.scrollWidth")
    inside = page.locator("#detail").evaluate("(panel) => panel.scrollWidth - panel.clientWidth")
    close = page.get_by_role("button", name="Close").bounding_box()

    assert max(alone, beside_a_task) <= width
    assert inside <= 0
    assert close is not None
    assert close["x"] + close["width"] <= width


def test_it_is_light_and_dark(visit: Visit) -> None:
    colours = set()
    for scheme in ("light", "dark"):
        visit.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        colours.add(visit.page.evaluate("getComputedStyle(document.body).backgroundColor"))
    visit.page.get_by_role("button", name="Switch between light and dark").click()
    visit.page.get_by_role("button", name="Switch between light and dark").click()
    colours.add(visit.page.evaluate("getComputedStyle(document.body).backgroundColor"))

    assert len(colours) == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(
    visit: Visit, program: Program, scheme: Literal["light", "dark"]
) -> None:
    page = visit.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    program.tell(f"work gone-{scheme}")
    visit.row(f"gone-{scheme}").click()
    page.keyboard.press("c")
    page.get_by_label("Why").fill("it is too slow")
    faint = page.evaluate(FAINT)
    page.keyboard.press("Enter")
    sync_api.expect(page.locator(".detail .state")).to_have_text("cancelled")
    visit.pill("all").click()
    page.get_by_label("Find", exact=True).fill("broken")  # among many it may be out of sight
    visit.row("broken").hover()
    faint += page.evaluate(FAINT)
    visit.pill("all").click()
    visit.pill("failed").click()
    visit.row("broken").click()
    page.locator(".detail .box.failure summary").click()
    page.locator(".timeline").wait_for()
    faint += page.evaluate(FAINT)
    for view in ("2", "3", "?"):
        page.keyboard.press(view)
        faint += page.evaluate(FAINT)

    assert faint == []


def test_an_error_is_shown_as_one_and_not_as_an_empty_list(
    browser: sync_api.Browser, program: Program
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(program.page_url)
    page.locator(TASK, has_text="Build it all").wait_for()
    program.tell("shelf broken yes")
    page.get_by_role("button", name="Books").click()
    trouble = page.get_by_role("alert").filter(has_text="Books cannot be shown")
    sync_api.expect(trouble).to_contain_text("the shelf has fallen over")
    sync_api.expect(page.locator("#panel .empty")).to_be_hidden()
    trouble.get_by_role("button", name="Try again").click()
    sync_api.expect(trouble).to_be_visible()
    program.tell("shelf broken no")  # a panel in sight asks again by itself, too
    sync_api.expect(trouble).to_have_count(0)

    failing = {"status": 500, "json": {"type": "urn:hostel:problem:error", "detail": "it is on fire"}}
    page.route("**/api/plugins", lambda route: route.fulfill(**failing))
    page.get_by_role("button", name="Plugins").click()
    trouble = page.get_by_role("alert").filter(has_text="Plugins cannot be shown")
    sync_api.expect(trouble).to_contain_text("it is on fire")
    page.unroute("**/api/plugins")
    trouble.get_by_role("button", name="Try again").click()
    sync_api.expect(trouble).to_have_count(0)
    sync_api.expect(page.locator(".card", has_text="noisy")).to_be_visible()
    context.close()


def test_behind_a_proxy_with_a_name_and_a_path_it_is_the_same(
    browser: sync_api.Browser, tmp_path: Path
) -> None:
    tmp_path.chmod(0o700)
    with running("asyncio", tmp_path, env={"SCENARIO_HOSTS": NAME}) as program:
        upstream, _, token = program.page_url.partition("/#")
        with proxied(upstream, tmp_path / "nginx") as url:
            context = browser.new_context(ignore_https_errors=True)
            visit = Visit(context.new_page())
            visit.page.goto(f"{url}#{token}")
            visit.row("Build it all").wait_for()
            program.tell("work seen")
            visit.row("Work seen").click()
            visit.page.locator(".detail").get_by_role("button", name="Cancel").click()
            visit.page.get_by_role("button", name="Cancel the task").click()
            sync_api.expect(visit.page.locator(".detail .state")).to_have_text("cancelled")
            visit.page.get_by_role("button", name="Plugins").click()
            sync_api.expect(visit.page.locator(".card", has_text="noisy")).to_be_visible()
            visit.page.reload()
            visit.page.locator(".card", has_text="noisy").wait_for()
            visit.page.keyboard.press("1")
            visit.row("Build it all").wait_for()
            context.close()
            assert {asked.startswith(url) for asked in visit.requested} == {True}
            assert visit.complaints == []


PASSED = """async () => {
  const { now } = await import("/page/lib/api.js");
  const begun = now();
  await new Promise((done) => setTimeout(done, 20));
  return now() - begun;
}"""
"""How much time passes for the page, by the clock of its ages."""


def test_without_a_connection_nothing_looks_live(browser: sync_api.Browser, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    env = {"HOSTEL_TOKEN": "the-same-token-again" * 10}
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    visit = Visit(context.new_page())
    page = visit.page
    banner = page.get_by_role("alert").filter(has_text="Not connected to the runtime")
    cancel = page.locator(".detail").get_by_role("button", name="Cancel")
    with running("asyncio", tmp_path, env=env) as program:
        page.goto(program.page_url)
        visit.row("Build it all").click()
        sync_api.expect(cancel).to_be_enabled()
        sync_api.expect(banner).to_have_count(0)
        assert page.evaluate(PASSED) > 0
        port = urlsplit(program.page_url).port or 0
    sync_api.expect(banner).to_contain_text("What you see is from")
    sync_api.expect(cancel).to_be_disabled()
    page.keyboard.press("c")
    sync_api.expect(page.get_by_role("heading", name="Cancel this task?")).to_have_count(0)
    assert page.evaluate(PASSED) == 0
    with running("asyncio", tmp_path, port=port, env=env):
        sync_api.expect(banner).to_have_count(0)
        sync_api.expect(cancel).to_be_enabled()
        assert page.evaluate(PASSED) > 0
    context.close()


def test_one_need_not_wait_until_it_tries_again(browser: sync_api.Browser, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    env = {"HOSTEL_TOKEN": "the-same-token-again"}
    context = browser.new_context()
    page = context.new_page()
    retry = page.get_by_role("button", name="Retry now")
    with running("asyncio", tmp_path, env=env) as program:
        page.goto(program.page_url)
        page.locator(TASK, has_text="Build it all").wait_for()
        port = urlsplit(program.page_url).port or 0
    retry.wait_for()
    page.clock.install()
    page.clock.pause_at(2**33)
    retry.click()  # in vain; from here on the time stands still, and no pause ends by itself
    with running("asyncio", tmp_path, port=port, env=env):
        retry.click()
        sync_api.expect(retry).to_be_hidden()
    context.close()


def test_nothing_secret_is_sent_to_a_program_that_took_the_port(
    browser: sync_api.Browser, tmp_path: Path
) -> None:
    tmp_path.chmod(0o700)
    env = {"HOSTEL_TOKEN": "the-same-token-again"}
    context = browser.new_context()
    page = context.new_page()
    with running("asyncio", tmp_path, env=env) as program:
        page.goto(program.page_url)
        page.locator(TASK, has_text="Build it all").wait_for()
        port = urlsplit(program.page_url).port or 0
    kept = page.evaluate("sessionStorage.getItem('hostel-key')")
    with stranger(port) as (heard, _):
        sync_api.expect(page.get_by_role("heading", name="locked")).to_be_visible()
        page.get_by_label("Token").fill(env["HOSTEL_TOKEN"])
        heard.was_asked.clear()
        page.get_by_role("button", name="Unlock").click()
        heard.was_asked.wait(SECONDS)
        sync_api.expect(page.get_by_role("heading", name="locked")).to_be_visible()
    said = str(heard.heard)
    assert heard.heard
    assert "authorization" not in said.lower()
    assert env["HOSTEL_TOKEN"] not in said
    assert json.loads(kept)["key"] not in said
    with running("asyncio", tmp_path, port=port, env=env):
        page.get_by_label("Token").fill(env["HOSTEL_TOKEN"])
        page.get_by_role("button", name="Unlock").click()
        sync_api.expect(page.locator("#link")).to_have_attribute("data-state", "live")
    context.close()


def test_what_a_stop_interrupted_is_shown_as_that(browser: sync_api.Browser, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    env = {"HOSTEL_TOKEN": "the-same-token-again", "SCENARIO_DATA": str(tmp_path / "data")}
    context = browser.new_context()
    visit = Visit(context.new_page())
    with running("trio", tmp_path, env=env) as program:
        visit.page.goto(program.page_url)
        program.tell("steady stay")
        visit.row("stay").click()
        sync_api.expect(visit.page.locator(".detail .state")).to_have_text("waiting")
        port = urlsplit(program.page_url).port or 0
        program.quit()
    with running("trio", tmp_path, port=port, env=env):
        sync_api.expect(visit.page.locator("#link")).to_have_attribute("data-state", "live")
        visit.row("stay").click()
        timeline = visit.page.locator(".timeline")
        sync_api.expect(timeline).to_contain_text("its host stopped; it goes on with the next")
        sync_api.expect(visit.page.locator(".detail .facts")).to_contain_text("1 time")
        sync_api.expect(visit.page.locator(".detail .state")).to_have_text("waiting")
    context.close()
    assert [one for one in visit.complaints if "ERR_" not in one] == []


def test_the_browsers_own_event_source_misses_nothing_when_it_is_cut_off(
    browser: sync_api.Browser, program: Program
) -> None:
    parts = urlsplit(program.page_url)
    token = parts.fragment.partition("=")[2]
    with cut_wire(("127.0.0.1", parts.port or 0), after=1_500_000) as wire:
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{wire.port}/")
        page.evaluate(FOLLOW, token)
        program.tell("burst 10000")
        page.wait_for_function("() => told.length >= 10_000", timeout=SECONDS * 1_000)
        told = page.evaluate("told")
        context.close()
        assert wire.cuts >= 3

    assert told == [f"b{number}" for number in range(10_000)]


FOLLOW = """(token) => new Promise((ready) => {
  window.told = [];
  let after = "start";
  async function follow() {
    const headers = { authorization: `Bearer ${token}` };
    const made = await fetch("api/events/ticket", { method: "POST", headers }).catch(() => null);
    if (!made?.ok) return setTimeout(follow, 100);
    const { ticket } = await made.json();
    const source = new EventSource(`api/events?session_id=burst&after=${after}&ticket=${ticket}`);
    source.onopen = () => ready();
    source.onerror = () => { source.close(); follow(); };
    source.addEventListener("registered", (event) => {
      after = event.lastEventId;
      told.push(JSON.parse(event.data).task_id);
    });
    source.addEventListener("missed", () => told.push("missed"));
  }
  follow();
})"""
"""How a page of one's own follows the events: as docs/inspector.md has it."""


def test_the_page_survives_cuts_and_shows_ten_thousand_tasks(
    browser: sync_api.Browser, tmp_path: Path
) -> None:
    tmp_path.chmod(0o700)
    with running("asyncio", tmp_path) as program:
        parts = urlsplit(program.page_url)
        with cut_wire(("127.0.0.1", parts.port or 0), after=4_000_000) as wire:
            context = browser.new_context(viewport={"width": 1280, "height": 800})
            page = context.new_page()
            page.goto(f"http://127.0.0.1:{wire.port}/#{parts.fragment}")
            page.locator(TASK, has_text="Build it all").wait_for()
            program.tell("many 10000")
            live = page.locator('.pill[data-state="live"] i')
            sync_api.expect(live).to_have_text("10,003")
            elements = page.locator("hostel-row").count()
            page.evaluate("document.querySelector('#scroller').scrollTop = 1e9")
            page.locator(TASK, has_text="child").wait_for()
            elements = max(elements, page.locator("hostel-row").count())
            context.close()
            assert wire.cuts >= 1

    assert elements < 80


def test_the_page_comes_back_with_a_runtime_that_starts_again(
    browser: sync_api.Browser, tmp_path: Path
) -> None:
    tmp_path.chmod(0o700)
    env = {"HOSTEL_TOKEN": "the-same-token-again"}
    context = browser.new_context()
    page = context.new_page()
    with running("trio", tmp_path, env=env) as first:
        page.goto(first.page_url)
        page.locator(TASK, has_text="Build it all").wait_for()
        first.tell("work old")
        page.locator(TASK, has_text="Work old").wait_for()
        port = urlsplit(first.page_url).port or 0
    sync_api.expect(page.locator("#link")).to_have_attribute("data-state", "lost")
    with running("trio", tmp_path, port=port, env=env):
        sync_api.expect(page.locator("#link")).to_have_attribute("data-state", "live")
        page.locator(TASK, has_text="Build it all").wait_for()
        sync_api.expect(page.locator(TASK, has_text="Work old")).to_have_count(0)
    context.close()
