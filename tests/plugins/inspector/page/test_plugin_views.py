"""The panels of hostel's own plugins, with real downloads, models, batches and commands."""

import json

import pytest
from playwright import sync_api

from .tab import BROWSERS

pytestmark = pytest.mark.needs(*BROWSERS)

ROW = "#panel tbody tr"


def see(page: sync_api.Page, view: str) -> None:
    page.get_by_role("navigation", name="Views").get_by_role("button", name=view).click()
    sync_api.expect(page.get_by_role("heading", name=view, level=1)).to_be_visible()


def test_models_are_pulled_batches_sent_again_and_commands_spoken_to(workshop: sync_api.Page) -> None:
    page = workshop
    see(page, "Downloads")
    page.get_by_role("button", name="Pull a model…").click()
    page.get_by_role("textbox", name="Model").fill("org/model")
    page.get_by_role("dialog").get_by_role("button", name="Pull a model").click()
    sync_api.expect(page.get_by_role("dialog")).to_be_hidden()
    see(page, "Models")
    sync_api.expect(page.locator(ROW, has_text="org/model")).to_contain_text("1.0 MB")

    see(page, "Batches")
    batch = page.locator(ROW).first
    sync_api.expect(batch).to_contain_text("completed")
    with page.expect_download() as saved:
        batch.get_by_role("button", name="Results").click()
    (line,) = saved.value.path().read_text().splitlines()
    assert json.loads(line)["custom_id"] == "good"
    batch.get_by_role("button", name="Failed lines", exact=True).click()
    sync_api.expect(page.locator(ROW)).to_contain_text(["HTTP 400: no such thing"])
    page.locator(ROW).get_by_role("button", name="Send again").click()
    sync_api.expect(page.locator("#toasts")).to_have_text("1 line is sent again.")
    sync_api.expect(page.locator(ROW)).to_contain_text(["failed"])

    see(page, "Processes")
    cat = page.locator(ROW, has_text="cat")
    sync_api.expect(cat).to_contain_text("running")
    cat.get_by_role("button", name="Send a line…").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("hello")
    page.get_by_role("dialog").get_by_role("button", name="Send a line").click()
    sync_api.expect(cat).to_contain_text("6 B")
    cat.get_by_role("link", name="cat").click()
    sync_api.expect(page.locator(".detail h2")).to_have_text("cat")
