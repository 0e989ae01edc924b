"""What has ended, over HTTP: the latest end first, searched, also of earlier runs."""

from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from hostel.plugins.inspector import Inspector
from hostel.plugins.inspector._resources.ended import MOST_PIECES, PIECE
from hostel.runtime import Runtime
from hostel.sessions import BackgroundTaskHost, TaskSpec, TaskState

from ..conftest import Served, client


async def end(host: BackgroundTaskHost, task_id: str, state: TaskState = TaskState.COMPLETED) -> None:
    spec = TaskSpec(id=task_id, kind=f"k{len(task_id)}", label=f"The {task_id}")
    await host.register_external(f"s{len(task_id)}", spec)
    await host.complete(task_id, state, summary=f"sum of {task_id}")


async def ids(http: httpx.AsyncClient, query: Mapping[str, str | int]) -> list[str]:
    """Return the ids of all that is found, page by page."""
    found: list[str] = []
    query = dict(query)
    while True:
        page = (await http.get("/api/history", params=query)).raise_for_status().json()
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            return found
        query["before"] = page["next"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["ccc", "bb", "a"]),
        ({"limit": 1}, ["ccc", "bb", "a"]),
        ({"state": "failed"}, ["bb"]),
        ({"state": "running"}, []),
        ({"kind": "k3"}, ["ccc"]),
        ({"session_id": "s1"}, ["a"]),
        ({"q": "BB the"}, ["bb"]),
        ({"q": "sum of", "limit": 1}, ["ccc", "bb", "a"]),
        ({"q": "the", "state": "completed"}, ["ccc", "a"]),
        ({"q": "nothing of it"}, []),
    ],
)
async def test_what_has_ended_is_found(served: Served, query: Mapping[str, str], found: list[str]) -> None:
    await served.host.register("s1", TaskSpec(id="live"))
    for task_id in ("a", "bb", "ccc"):
        await end(served.host, task_id, TaskState.FAILED if task_id == "bb" else TaskState.COMPLETED)

    assert await ids(served.http, query) == found


async def test_a_search_looks_at_so_many_and_says_where_to_go_on(served: Served) -> None:
    await end(served.host, "first")
    for number in range(PIECE * MOST_PIECES):
        session = f"s{number % 5}"
        await served.host.register_external(session, TaskSpec(id=f"t{number}"))
        await served.host.complete(f"t{number}")

    page = (await served.http.get("/api/history", params={"q": "the first"})).json()
    assert page["items"] == []
    assert page["looked_at"] == PIECE * MOST_PIECES

    query = {"q": "the first", "before": page["next"]}
    rest = (await served.http.get("/api/history", params=query)).json()
    assert [item["id"] for item in rest["items"]] == ["first"]
    assert rest["next"] is None


async def test_an_earlier_run_is_part_of_it(tmp_path: Path) -> None:
    for task_id in ("before", "after"):
        inspector = Inspector()
        async with (
            Runtime([inspector], data_dir=tmp_path, load_installed=False, blocked=["model_pull"]) as runtime,
            client(inspector) as http,
        ):
            await end(runtime.tasks, task_id)
            found = await ids(http, {"limit": 1})

    assert found == ["after", "before"]


@pytest.mark.parametrize(
    "query", ["before=x", "before=00000000-4", "limit=0", "q=" + "x" * 201, "after=1", "state=odd"]
)
async def test_what_makes_no_sense_is_refused(served: Served, query: str) -> None:
    assert (await served.http.get(f"/api/history?{query}")).status_code == 400
