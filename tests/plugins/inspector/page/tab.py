"""A real browser, and one tab of it that shows the page."""

import shutil

from playwright import sync_api

from ..program import SECONDS
from ..proxy import NAME

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules=MAP {NAME} 127.0.0.1",
]

TASK = "hostel-row.task:not([hidden])"
SESSION = "hostel-row.session:not([hidden])"


class Visit:
    """One tab, and what went wrong in it."""

    def __init__(self, page: sync_api.Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requested: list[str] = []
        page.set_default_timeout(SECONDS * 1_000)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._heard)
        page.on("request", lambda request: self.requested.append(request.url))

    def _heard(self, message: sync_api.ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def row(self, text: str) -> sync_api.Locator:
        return self.page.locator(TASK, has_text=text)

    def pill(self, state: str) -> sync_api.Locator:
        return self.page.locator(f'.pill[data-state="{state}"]')

    def key_of(self, view: str) -> str:
        """Return the key that shows a view: its place among the tabs."""
        return str(self.page.locator("[data-tab] > span").all_text_contents().index(view) + 1)
