"""Tasks are started by name over HTTP: only kinds that are exposed, only with what they take."""

from collections.abc import AsyncIterator

import pytest

from hostel.plugins.inspector import Inspector
from hostel.sessions import TaskState

from ..agents import Agents
from ..conftest import Served, client, runtime_with
from .test_api import problem


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    inspector = Inspector()
    async with runtime_with(inspector, Agents()) as runtime, client(inspector) as http:
        yield Served(runtime, inspector, http)


async def test_exposed_kinds_are_listed_with_what_they_take(served: Served) -> None:
    items = (await served.http.get("/api/kinds")).json()["items"]
    [echo] = [item for item in items if item["name"] == "echo"]

    assert [item["name"] for item in items] == sorted(item["name"] for item in items)
    assert "secret" not in {item["name"] for item in items}
    assert (echo["summary"], echo["resumable"]) == ("Write a text, so many times.", False)
    assert echo["params"]["required"] == ["text"]
    assert echo["params"]["properties"]["times"] == {"type": "integer", "default": 1}


@pytest.mark.parametrize("task_id", ["x/y", ".", ".."])
async def test_a_task_is_started_and_is_where_its_location_says(served: Served, task_id: str) -> None:
    made = await served.http.post(
        "/api/tasks",
        json={"kind": "echo", "session_id": "a/b", "params": {"text": "hi"}, "id": task_id, "label": "Hi"},
    )
    await served.host.wait(task_id)
    shown = await served.http.get(made.request.url.join(made.headers["location"]))

    assert made.status_code == 201
    assert (made.json()["id"], made.json()["label"], made.json()["producer"]) == (task_id, "Hi", "agents")
    assert (shown.json()["session_id"], shown.json()["state"]) == ("a/b", "completed")


async def test_what_a_spec_says_is_passed_on(served: Served) -> None:
    more = {"priority": "batch", "not_before": 4e9, "idempotency_key": "k", "parent_task_id": "p"}
    asked = {"kind": "stay", "session_id": "s", **more}
    first = (await served.http.post("/api/tasks", json=asked)).json()
    again = (await served.http.post("/api/tasks", json=asked)).json()

    assert (first["priority"], first["not_before"]) == ("batch", 4e9)
    assert (first["parent_task_id"], first["attempt"]["idempotency_key"]) == ("p", "k")
    assert first["state"] == "pending"
    assert again["id"] == first["id"]


@pytest.mark.parametrize("kind", ["secret", "nothing"])
async def test_other_kinds_are_refused_naming_those_there_are(served: Served, kind: str) -> None:
    refused = await served.http.post("/api/tasks", json={"kind": kind, "session_id": "s"})

    body = problem(refused, 404, "unknown-kind")
    assert "echo" in str(body["detail"])
    assert "secret" not in body["kinds"]  # type: ignore[operator]
    assert await served.host.sessions() == []


@pytest.mark.parametrize(
    ("params", "at_fault"),
    [({}, "text"), ({"text": 1}, "text"), ({"text": "a", "times": "b"}, "times"), ({"colour": 1}, "text")],
)
async def test_wrong_params_are_refused_naming_the_parameter(
    served: Served, params: dict[str, object], at_fault: str
) -> None:
    asked = {"kind": "echo", "session_id": "s", "params": params}

    body = problem(await served.http.post("/api/tasks", json=asked), 422, "invalid-params")

    assert body["parameter"] == at_fault
    assert at_fault in str(body["detail"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"session_id": None},
        {"params": []},
        {"priority": "soon"},
        {"not_before": "now"},
        {"not_before": True},
        {"timeout": 0},
        {"timeout": 1e15},
        {"not_before": 1e15},
        {"timeout": 1e300},
        {"colour": "red"},
        {"label": 1},
    ],
)
async def test_fields_that_make_no_sense_are_refused(served: Served, wrong: dict[str, object]) -> None:
    asked = {"kind": "stay", "session_id": "s", **wrong}

    problem(await served.http.post("/api/tasks", json=asked), 400, "invalid-request")


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e999"])
async def test_a_body_that_is_no_json_is_refused(served: Served, number: bytes) -> None:
    body = b'{"kind": "stay", "session_id": "s", "timeout": ' + number + b"}"
    headers = {"content-type": "application/json"}

    problem(await served.http.post("/api/tasks", content=body, headers=headers), 400, "invalid-request")


async def test_a_second_live_task_of_an_id_is_refused(served: Served) -> None:
    asked = {"kind": "stay", "session_id": "s", "id": "one"}
    await served.http.post("/api/tasks", json=asked)

    problem(await served.http.post("/api/tasks", json=asked), 409, "task-already-exists")


async def test_a_task_over_a_limit_shows_its_place(served: Served) -> None:
    for name in ("first", "second", "third"):
        await served.http.post("/api/tasks", json={"kind": "alone", "session_id": "s", "id": name})

    shown = {name: (await served.http.get(f"/api/tasks/{name}")).json() for name in ("first", "third")}

    assert (shown["first"]["state"], shown["first"]["place"]) == (TaskState.RUNNING, None)
    assert shown["third"]["place"]["number"] == 2
    assert "alone" in shown["third"]["place"]["reason"]


async def test_a_task_whose_id_looks_like_a_path_is_found_all_the_same(served: Served) -> None:
    for name in ("wait", "a/output", "a"):
        await served.http.post("/api/tasks", json={"kind": "stay", "session_id": "s", "id": name})

    assert (await served.http.get("/api/tasks/wait")).json()["id"] == "wait"
    assert (await served.http.get("/api/tasks/a%2Foutput")).json()["id"] == "a/output"
    assert (await served.http.get("/api/tasks/a%2Foutput/output")).json()["text"] == ""
    assert (await served.http.get("/api/tasks/a/output")).json()["text"] == ""
