"""The page inside an application with a login of its own: no token, the user's name, the user's role."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright import sync_api

from ..program import SECONDS, Started, started
from .tab import BROWSERS, TASK

APP = Path(__file__).parent.parent / "users_app.py"
ASK = """async ([path, body]) => {
    const { ask } = await import("./page/lib/api.js");
    return ask(path, body).then((answer) => [200, answer], (error) => [error.status, error.kind]);
}"""

pytestmark = pytest.mark.needs(*BROWSERS)


@pytest.fixture(params=["asyncio", "trio"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Started]:
    with started([sys.executable, "-W", "error", str(APP), request.param], tmp_path) as program:
        yield program


def ask(page: sync_api.Page, path: str, body: object = None) -> list[object]:
    found = page.evaluate(ASK, [path, body] if body is not None else [path])
    assert isinstance(found, list)
    return found


def test_the_page_needs_no_token_where_the_application_knows_its_users(
    browser: sync_api.Browser, app: Started
) -> None:
    url = app.line()
    viewer, steerer = browser.new_context(), browser.new_context()
    for context, secret in ((viewer, "bob-secret"), (steerer, "ada-secret")):
        page = context.new_page()
        page.set_default_timeout(SECONDS * 1_000)
        page.goto(f"{url}/login/{secret}")
        page.locator(TASK, has_text="Build it all").wait_for()
        sync_api.expect(page.get_by_role("heading", name="locked")).to_have_count(0)
    looking, steering = viewer.pages[0], steerer.pages[0]

    assert ask(looking, "me") == [
        200,
        {"name": "Bob", "role": "view", "auth": "users", "sees_runtimes": False},
    ]
    assert ask(looking, "tasks/build/cancel", {"reason": "mine now"}) == [403, "forbidden"]
    assert ask(looking, "tasks/build")[0] == 200

    steering.locator(TASK, has_text="Build it all").click()
    steering.locator(".detail").get_by_role("button", name="Cancel").click()
    steering.get_by_role("button", name="Cancel the task").click()
    assert app.line() == "cancelled by Ada Lovelace"
    kept = steering.evaluate("JSON.stringify([sessionStorage, localStorage])")
    assert "key" not in json.dumps(kept)

    viewer.close()
    steerer.close()


def test_a_stranger_is_told_to_log_in(browser: sync_api.Browser, app: Started) -> None:
    url = app.line()
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{url}/hostel/")

    sync_api.expect(page.locator("#banner")).to_contain_text("log in to the application")
    page.goto(f"{url}/login/ada-secret")
    page.locator(TASK, has_text="Build it all").wait_for()
    context.close()


def test_a_page_with_a_token_does_not_do_without_because_it_is_told_to(
    browser: sync_api.Browser, app: Started
) -> None:
    url, asked = app.line(), list[str]()
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{url}/login/ada-secret")
    page.locator(TASK, has_text="Build it all").wait_for()
    page.goto("about:blank")
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{url}/hostel/#token=the-token-of-the-one-before")

    sync_api.expect(page.get_by_role("heading", name="locked")).to_be_visible()
    assert [one for one in asked if "/proof?" in one]
    assert [one for one in asked if "/api/" in one] == []
    context.close()
