"""The pictures of the page in the docs, taken anew with `PICTURES=docs/pictures` in the environment."""

import os
from pathlib import Path

import pytest
from playwright import sync_api

from .tab import BROWSERS, TASK

pytestmark = pytest.mark.needs(*BROWSERS)

ROOT = Path(__file__).parents[4]


def taken(page: sync_api.Page, folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(page.screenshot(animations="disabled"))
    return path


def test_the_pictures_of_the_docs_can_be_taken(workshop: sync_api.Page, tmp_path: Path) -> None:
    page, folder = workshop, Path(os.environ.get("PICTURES", tmp_path))
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.set_viewport_size({"width": 1280, "height": 760})
    page.locator("#needs-you").get_by_role("button", name="Fix the login").click()
    page.locator(".detail form.question").wait_for()
    tasks = taken(page, folder, "tasks.png")

    page.locator(".detail").get_by_role("button", name="Close").click()
    page.evaluate("document.activeElement.blur()")
    page.locator(TASK, has_text="Read 40 papers").wait_for()
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    page.set_viewport_size({"width": 390, "height": 760})
    phone = taken(page, folder, "phone.png")

    page.set_viewport_size({"width": 1280, "height": 760})
    page.get_by_role("navigation", name="Views").get_by_role("button", name="Batches").click()
    page.locator("#panel tbody tr").first.wait_for()
    batches = taken(page, folder, "batches.png")

    for made in (tasks, phone, batches):
        shown = ROOT / "docs" / "pictures" / made.name
        assert shown.read_bytes()[:8] == made.read_bytes()[:8]
