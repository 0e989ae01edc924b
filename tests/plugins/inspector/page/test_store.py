"""What the page keeps of the tasks is what a count of everything would give, and what the server has."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright import sync_api

from ..cutting import cut_wire
from ..program import SECONDS, Program, running
from .tab import BROWSERS

pytestmark = pytest.mark.needs(*BROWSERS)

RECOUNT = (Path(__file__).parent / "recount.js").read_text()


@pytest.fixture(scope="module")
def blank(browser: sync_api.Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sync_api.Page]:
    """A document of the server's without the page in it, which can take the modules of the page."""
    folder = tmp_path_factory.mktemp("run")
    folder.chmod(0o700)
    context = browser.new_context()
    with running("asyncio", folder) as program:
        page = context.new_page()
        page.goto(f"{urlsplit(program.page_url)._replace(fragment='').geturl()}page/icon.svg")
        yield page
    context.close()


@pytest.mark.parametrize("seeds", [range(start, start + 50) for start in range(0, 400, 50)], ids=str)
def test_a_store_that_changes_piece_by_piece_shows_what_a_recount_shows(
    blank: sync_api.Page, seeds: range
) -> None:
    for seed in seeds:
        assert blank.evaluate(RECOUNT, seed) is None, f"seed {seed}"


REPLICA = """async () => {
  const { follow, takeToken } = await import("/page/lib/api.js");
  const { Store } = await import("/page/tasks/store.js");
  const store = new Store();
  takeToken();
  window.links = 0;
  window.held = () =>
    [...store.tasks.values()].map((r) => [r.session_id, r.id, r.state, r.progress?.done ?? null]);
  window.counted = () => [store.counts.all, store.counts.live];
  follow("snapshot=true&include_terminal=true", {
    frame: (type, data) => {
      if (type === "snapshot") store.applyPart(data);
      else if (store.apply(type, data)) store.rows(data.at);
    },
    link: (state) => {
      if (state !== "live") return;
      window.links += 1;
      store.beginSnapshot();
    },
  });
}"""
"""A page's copy of the tasks, followed as the page does."""

ROUNDS = 20
CHANGES = 1_000


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_the_copy_of_a_page_is_right_whatever_happens_to_its_connection(
    browser: sync_api.Browser, tmp_path: Path, loop: str
) -> None:
    tmp_path.chmod(0o700)
    context = browser.new_context()
    with running(loop, tmp_path) as program:
        parts = urlsplit(program.page_url)
        with cut_wire(("127.0.0.1", parts.port or 0), after=900_000) as wire:
            page = context.new_page()
            page.goto(f"http://127.0.0.1:{wire.port}/page/icon.svg#{parts.fragment}")
            page.evaluate(REPLICA)
            for round_ in range(ROUNDS):
                program.tell(f"churn {round_} {CHANGES}")
                there = sorted(tasks_of(program))
                page.wait_for_function(SAME, arg=json.dumps(there), timeout=SECONDS * 1_000)
            live = sum(state in ("pending", "running") for _, _, state, _ in there)
            assert page.evaluate("links") >= 3
            assert wire.cuts >= 3
            all_of_them, live_of_them = page.evaluate("counted()")
            assert all_of_them == len(there)
            assert live_of_them >= live
            context.close()


SAME = """(wanted) => {
  const order = (a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
  return JSON.stringify(held().sort(order)) === JSON.stringify(JSON.parse(wanted).sort(order));
}"""


def tasks_of(program: Program) -> Iterator[list[object]]:
    """What the server lists, page by page."""
    base, _, token = program.page_url.partition("#token=")
    headers = {"authorization": f"Bearer {token}"}
    after: str | None = ""
    with httpx.Client(base_url=base, headers=headers, trust_env=False, timeout=SECONDS) as http:
        while after is not None:
            query = {"include_terminal": "true", "limit": "1000", **({"after": after} if after else {})}
            answer = http.get("api/tasks", params=query).raise_for_status().json()
            after = answer["next"]
            for record in answer["items"]:
                done = record["progress"] and record["progress"]["done"]
                yield [record["session_id"], record["id"], record["state"], done]
