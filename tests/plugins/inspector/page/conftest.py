"""A browser, a served program for it to look at, and a tab that shows it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright import sync_api

from ..program import SECONDS, Program, running, started
from .tab import CHROMIUM, FLAGS, Visit

WORKSHOP = Path(__file__).parents[1] / "workshop.py"


# of a module and not of the session: as long as it lasts, its loop keeps other loops from running
@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as playwright:
        sync_api.expect.set_options(timeout=SECONDS * 1_000)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("run")
    folder.chmod(0o700)
    with running(request.param, folder) as program:
        yield program


@pytest.fixture
def visit(browser: sync_api.Browser, program: Program) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    visit = Visit(context.new_page())
    visit.page.goto(program.page_url)
    visit.row("Build it all").wait_for()
    yield visit
    context.close()
    assert visit.complaints == []


@pytest.fixture(params=["asyncio", "trio"])
def workshop(
    request: pytest.FixtureRequest, browser: sync_api.Browser, tmp_path: Path
) -> Iterator[sync_api.Page]:
    """A tab that shows a runtime with all plugins of hostel and the work of five agents."""
    tmp_path.chmod(0o700)
    with started([sys.executable, str(WORKSHOP), request.param, str(tmp_path)], tmp_path) as program:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.set_default_timeout(SECONDS * 1_000)
        page.goto(program.line())
        page.locator("[data-tab^='panel/']").first.wait_for()
        yield page
        context.close()
