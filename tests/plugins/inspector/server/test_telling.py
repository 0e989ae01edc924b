"""Inboxes and bounded waits over HTTP, on both loops."""

from collections.abc import AsyncIterator

import anyio
import pytest

from hostel.plugins.inspector import Inspector
from hostel.sessions import TaskSpec, TaskState

from ..agents import Agents
from ..conftest import Served, client, runtime_with
from .test_api import problem


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    inspector = Inspector()
    async with runtime_with(inspector, Agents()) as runtime, client(inspector) as http:
        yield Served(runtime, inspector, http)


async def told(served: Served, consumer: str = "agent") -> list[str]:
    answer = await served.http.get("/api/sessions/a%2Fb/inbox", params={"consumer": consumer})
    assert answer.status_code == 200, answer.text
    return [notice["task_id"] for notice in answer.json()["items"]]


async def ended(served: Served, *ids: str) -> None:
    for id in ids:
        await served.host.register_external("a/b", TaskSpec(id=id))
        await served.host.write_output(id, "last words")
        await served.host.complete(id, summary=f"{id} is done")


async def test_a_notice_is_told_until_it_is_acknowledged_to_each_consumer(served: Served) -> None:
    await ended(served, "one", "two")
    notices = (await served.http.get("/api/sessions/a%2Fb/inbox?limit=1")).json()["items"]
    for _ in range(2):
        done = await served.http.post(
            "/api/sessions/a%2Fb/inbox/ack", json={"ids": [notices[0]["id"], "nothing"]}
        )
        assert done.json() == {}

    assert [(one["summary"], one["output"], one["state"]) for one in notices] == [
        ("one is done", "last words", "completed")
    ]
    assert await told(served) == ["two"]
    assert await told(served, "page") == ["one", "two"]


@pytest.mark.parametrize("body", [{}, {"ids": []}, {"ids": [1]}, {"ids": ["1"], "consumer": ""}])
async def test_acknowledging_what_makes_no_sense_is_refused(served: Served, body: dict[str, object]) -> None:
    problem(await served.http.post("/api/sessions/s/inbox/ack", json=body), 400, "invalid-request")


async def test_a_wait_returns_those_that_ended_and_those_that_did_not(served: Served) -> None:
    await ended(served, "one")
    await served.runtime.start("a/b", "stay", id="two")
    body = {"task_ids": ["one", "two"], "session_id": "a/b"}
    some = (await served.http.post("/api/tasks/wait", json={**body, "mode": "any"})).json()
    none = (await served.http.post("/api/tasks/wait", json={**body, "timeout": 0})).json()

    for waited in (some, none):
        assert [record["id"] for record in waited["ended"]] == ["one"]
        assert [record["id"] for record in waited["live"]] == ["two"]


async def test_a_wait_ends_with_what_it_waits_for(served: Served) -> None:
    await served.host.register_external("a/b", TaskSpec(id="one"))
    async with anyio.create_task_group() as group:

        async def wait() -> None:
            answer = await served.http.post("/api/tasks/wait", json={"task_ids": ["one"], "timeout": 50})
            assert answer.json()["ended"][0]["state"] == "failed"

        group.start_soon(wait)
        await waiting(served)
        await served.host.complete("one", TaskState.FAILED)


async def waiting(served: Served) -> None:
    assert served.inspector._api is not None
    while len(served.inspector._api.event_streams) == 0:
        await anyio.lowlevel.checkpoint()


async def test_what_a_wait_has_told_is_not_in_the_inbox(served: Served) -> None:
    await ended(served, "one")
    await served.http.post("/api/tasks/wait", json={"task_ids": ["one"], "consumer": "agent"})

    assert await told(served) == []
    assert await told(served, "page") == ["one"]


async def test_what_nobody_was_there_to_hear_is_in_the_inbox(served: Served) -> None:
    await served.host.register_external("a/b", TaskSpec(id="one"))
    async with anyio.create_task_group() as group, client(served.inspector) as leaving:

        async def wait() -> None:
            await leaving.post("/api/tasks/wait", json={"task_ids": ["one"], "consumer": "agent"})

        group.start_soon(wait)
        await waiting(served)
        group.cancel_scope.cancel()
    assert served.inspector._api is not None
    while len(served.inspector._api.event_streams):
        await anyio.lowlevel.checkpoint()
    await served.host.complete("one")

    assert await told(served) == ["one"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": 51},
        {"timeout": -1},
        {"timeout": "x"},
        {"mode": "some"},
        {"task_ids": []},
        {"consumer": ""},
    ],
)
async def test_a_wait_that_makes_no_sense_is_refused(served: Served, wrong: dict[str, object]) -> None:
    await ended(served, "one")

    asked = {"task_ids": ["one"], **wrong}
    problem(await served.http.post("/api/tasks/wait", json=asked), 400, "invalid-request")


async def test_waiting_for_no_task_is_not_found(served: Served) -> None:
    problem(await served.http.post("/api/tasks/wait", json={"task_ids": ["one"]}), 404, "unknown-task")
