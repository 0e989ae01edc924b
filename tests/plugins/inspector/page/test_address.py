"""Everything one sees has an address: it can be sent to somebody, gone back from and loaded again."""

import pytest
from playwright import sync_api

from ..program import Program
from .tab import BROWSERS, TASK, Visit

pytestmark = pytest.mark.needs(*BROWSERS)


def test_back_and_forward_go_through_what_was_seen(visit: Visit) -> None:
    page, detail = visit.page, visit.page.locator(".detail")
    visit.row("Build it all").click()
    sync_api.expect(detail.locator("h2")).to_have_text("Build it all")
    page.get_by_role("button", name="Plugins").click()
    sync_api.expect(page.locator("#plugins")).to_be_visible()

    page.go_back()
    sync_api.expect(detail.locator("h2")).to_have_text("Build it all")
    page.go_back()
    sync_api.expect(detail).to_be_hidden()
    page.go_forward()
    sync_api.expect(detail.locator("h2")).to_have_text("Build it all")


def test_a_page_that_is_loaded_again_shows_the_same(visit: Visit) -> None:
    page = visit.page
    visit.pill("all").click()
    page.get_by_label("Find", exact=True).fill("build")
    visit.row("Build it all").click()
    sync_api.expect(page.locator(".detail h2")).to_have_text("Build it all")
    sync_api.expect(page.locator(TASK)).to_have_count(2)

    page.reload()

    sync_api.expect(page.locator(".detail h2")).to_have_text("Build it all")
    sync_api.expect(page.get_by_label("Find", exact=True)).to_have_value("build")
    sync_api.expect(visit.pill("all")).to_have_attribute("aria-pressed", "true")
    sync_api.expect(page.locator(TASK)).to_have_count(2)


def test_what_one_types_is_no_step_back(visit: Visit) -> None:
    page = visit.page
    visit.row("Build it all").click()
    page.get_by_label("Find", exact=True).fill("build")
    sync_api.expect(page.locator(".detail h2")).to_have_text("Build it all")

    page.go_back()

    sync_api.expect(page.locator(".detail")).to_be_hidden()


def test_an_address_of_a_task_that_is_gone_says_so(visit: Visit) -> None:
    here = visit.page.url.partition("#")[0]
    visit.page.goto(f"{here}#/tasks/nobody/nothing")

    sync_api.expect(visit.page.locator(".detail .failure")).to_contain_text("nothing")
    visit.complaints = [said for said in visit.complaints if "404" not in said]  # as the browser tells it


@pytest.mark.parametrize("task_id", [".", "..", "a/b?c#d%25", "\u202eabc"])
def test_whatever_a_task_is_called_it_has_an_address(visit: Visit, program: Program, task_id: str) -> None:
    label = task_id.encode().hex()
    program.tell(f"named {task_id}")
    visit.pill("all").click()
    visit.row(label).click()
    sync_api.expect(visit.page.locator(".detail .state")).to_have_text("completed")

    visit.page.reload()

    sync_api.expect(visit.page.locator(".detail .state")).to_have_text("completed")
    sync_api.expect(visit.page.locator(".detail h2")).to_have_text(label)
