"""What the API answers, over real sockets on both loops."""

from collections.abc import Mapping
from contextlib import suppress

import anyio
import httpx
import pytest

from hostel.runtime import current_task
from hostel.sessions import CancelPolicy, Progress, TaskSpec, TaskState
from hostel.sessions.json import record_from_json

from ..conftest import Served
from ..program import SECONDS

URN = "urn:hostel:problem:"


def problem(response: httpx.Response, status: int, kind: str) -> dict[str, object]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = response.json()
    assert body["type"] == URN + kind
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return body


async def stay(reached: anyio.Event | None = None) -> None:
    if reached is not None:
        reached.set()
    await anyio.sleep_forever()


async def test_health_needs_no_token(served: Served) -> None:
    response = await served.http.get("/health", headers={"authorization": ""})

    assert response.json() == {"status": "ok"}


async def test_sessions_are_listed_with_their_counts(served: Served) -> None:
    await served.host.register("one", TaskSpec(id="a"))
    await served.host.register_external("two", TaskSpec(id="b"))
    flushed = anyio.Event()
    await served.host.spawn_hidden("two", "flush", flushed.wait)

    body = (await served.http.get("/api/sessions")).json()
    flushed.set()

    assert [(item["id"], item["counts"], item["hidden"]) for item in body["items"]] == [
        ("one", {"pending": 1}, 0),
        ("two", {"running": 1}, 1),
    ]
    assert body["next"] is None


async def test_sessions_come_page_by_page(served: Served) -> None:
    for number in range(5):
        await served.host.register(f"s{number}", TaskSpec())

    seen: list[str] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        page = (await served.http.get("/api/sessions", params=query)).json()
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]

    assert seen == [f"s{number}" for number in range(5)]


async def test_a_listed_task_is_the_record_of_the_contract(served: Served) -> None:
    await served.host.register_external("s", TaskSpec(id="a", kind="monitor", label="one"))
    record = await served.host.update("a", progress=Progress("half", 1, 2, "files"))

    items = (await served.http.get("/api/tasks")).json()["items"]

    assert [record_from_json(item) for item in items] == [record]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["a", "b", "c"]),
        ({"session_id": "s2"}, ["c"]),
        ({"kind": "monitor"}, ["b"]),
        ({"state": "running"}, ["b"]),
        ({"state": "completed"}, ["d"]),
        ({"parent_task_id": "a"}, ["b"]),
        ({"include_terminal": "true"}, ["a", "b", "c", "d"]),
        ({"session_id": "nobody"}, []),
    ],
)
async def test_tasks_are_filtered(served: Served, query: Mapping[str, str], found: list[str]) -> None:
    await served.host.register("s1", TaskSpec(id="a"))
    await served.host.register_external("s1", TaskSpec(id="b", kind="monitor", parent_task_id="a"))
    await served.host.register("s2", TaskSpec(id="c"))
    await served.host.register("s2", TaskSpec(id="d"))
    await served.host.complete("d")

    body = (await served.http.get("/api/tasks", params=query)).json()

    assert [item["id"] for item in body["items"]] == found


async def test_tasks_come_page_by_page_each_once(served: Served) -> None:
    for number in range(7):
        await served.host.register("s", TaskSpec(id=f"t{number}"))

    first = (await served.http.get("/api/tasks", params={"limit": 3})).json()
    await served.host.complete("t1")
    rest = (await served.http.get("/api/tasks", params={"limit": 9, "after": first["next"]})).json()

    assert [item["id"] for item in first["items"] + rest["items"]] == [f"t{number}" for number in range(7)]


@pytest.mark.parametrize("cursor", ["", "x", "4", "00000000-4", "x" * 3_000])
@pytest.mark.parametrize("path", ["/api/tasks", "/api/sessions"])
async def test_a_cursor_that_is_not_ours_is_refused(served: Served, path: str, cursor: str) -> None:
    problem(await served.http.get(path, params={"after": cursor}), 400, "unknown-cursor")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=%C2%B2",
        "state=dancing",
        "include_terminal=perhaps",
        "colour=red",
        "kind=a&kind=b",
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(served: Served, query: str) -> None:
    problem(await served.http.get(f"/api/tasks?{query}"), 400, "invalid-request")


async def test_one_task_comes_with_its_history_and_children(served: Served) -> None:
    reached = anyio.Event()
    await served.host.spawn_managed("s", TaskSpec(id="parent"), stay, reached)
    await served.host.register("s", TaskSpec(id="child", parent_task_id="parent"))
    await reached.wait()
    await served.host.transfer("parent", "s2")
    await served.host.cancel_managed("s2", "parent", "enough", actor="ana")

    response = await served.http.get("/api/tasks/parent")
    body = response.json()

    assert body["state"] == "cancelled"
    assert [event["type"] for event in body["history"]] == [
        "registered",
        "transferred",
        "cancel_requested",
        "cancelled",
    ]
    assert [child["id"] for child in body["children"]] == ["child"]


@pytest.mark.parametrize(
    "task_id", ["a/b", "monitor:build", "../up", "ü 100% #?&", "a/cancel", "\x00", "%2F", "%2e", "%2E%2E"]
)
async def test_any_id_can_be_asked_for_and_steered(served: Served, task_id: str) -> None:
    from urllib.parse import quote

    await served.host.register("s", TaskSpec(id=task_id))
    path = f"/api/tasks/{quote(task_id, safe='')}"

    assert (await served.http.get(path)).json()["id"] == task_id
    assert (await served.http.post(f"{path}/cancel")).json()["state"] == "cancel_requested"


@pytest.mark.parametrize("task_id", [".", ".."])
@pytest.mark.parametrize("dot", ["%2E", "%252E"])
async def test_ids_that_clients_take_for_places_in_a_path_have_a_form_they_leave_alone(
    served: Served, task_id: str, dot: str
) -> None:
    await served.host.register("s", TaskSpec(id=task_id))
    path = f"/api/tasks/{task_id.replace('.', dot)}"

    assert (await served.http.get(path)).json()["id"] == task_id
    assert (await served.http.post(f"{path}/cancel")).json()["state"] == "cancel_requested"


@pytest.mark.parametrize(("method", "verb"), [("GET", ""), ("POST", "/cancel"), ("POST", "/transfer")])
async def test_unknown_and_foreign_tasks_look_the_same(served: Served, method: str, verb: str) -> None:
    await served.host.register("theirs", TaskSpec(id="task-a"))

    async def ask(task_id: str) -> dict[str, object]:
        path = f"/api/tasks/{task_id}{verb}?session_id=mine"
        body = {"session_id": "x"} if verb == "/transfer" else None
        return problem(await served.http.request(method, path, json=body), 404, "unknown-task")

    foreign, unknown = await ask("task-a"), await ask("task-b")

    assert foreign.pop("detail") == str(unknown.pop("detail")).replace("task-b", "task-a")
    assert foreign == unknown


async def test_an_ambiguous_id_is_a_conflict_that_names_the_sessions(served: Served) -> None:
    for session in ("one", "two"):
        await served.host.register(session, TaskSpec(id="monitor:build"))

    body = problem(await served.http.get("/api/tasks/monitor:build"), 409, "ambiguous-task-id")
    chosen = await served.http.get("/api/tasks/monitor:build", params={"session_id": "two"})

    assert body["session_ids"] == ["one", "two"]
    assert chosen.json()["session_id"] == "two"


async def test_cancelling_keeps_who_and_why_and_reaches_children(served: Served) -> None:
    await served.host.register("s", TaskSpec(id="parent"))
    await served.host.register("s", TaskSpec(id="child", parent_task_id="parent"))

    answer = await served.http.post("/api/tasks/parent/cancel", json={"reason": "too slow", "actor": "ana"})
    child = await served.host.get("child")

    record = record_from_json(answer.json())
    assert (record.state, record.cancel_reason, record.cancel_actor) == (
        TaskState.CANCEL_REQUESTED,
        "too slow",
        "ana",
    )
    assert child is not None
    assert child.state is TaskState.CANCEL_REQUESTED


async def test_cancelling_without_cascade_spares_children(served: Served) -> None:
    await served.host.register("s", TaskSpec(id="parent"))
    await served.host.register("s", TaskSpec(id="child", parent_task_id="parent"))

    answer = await served.http.post("/api/tasks/parent/cancel", json={"cascade": False})
    child = await served.host.get("child")

    assert answer.json()["cancel_actor"] == "inspector"
    assert child is not None
    assert child.state is TaskState.PENDING


async def test_cancelling_really_stops_the_code(served: Served) -> None:
    stopped = anyio.Event()

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            stopped.set()

    await served.host.spawn_managed("s", TaskSpec(id="a"), work)
    with anyio.fail_after(SECONDS):
        await served.http.post("/api/tasks/a/cancel")
        await stopped.wait()
        assert (await served.host.wait("a")).state is TaskState.CANCELLED


async def test_asking_twice_to_cancel_is_no_mistake_and_the_first_asker_stays(served: Served) -> None:
    await served.host.register_external("s", TaskSpec(id="a", cancel_policy=CancelPolicy.COOPERATIVE))
    await served.http.post("/api/tasks/a/cancel", json={"actor": "first"})

    again = await served.http.post("/api/tasks/a/cancel", json={"actor": "second"})

    assert again.status_code == 200
    assert again.json()["cancel_actor"] == "first"


@pytest.mark.parametrize("verb", ["cancel", "transfer"])
async def test_a_finished_task_cannot_be_steered(served: Served, verb: str) -> None:
    await served.host.register("s", TaskSpec(id="a"))
    await served.host.complete("a")

    body = {"session_id": "x"} if verb == "transfer" else {}
    found = problem(await served.http.post(f"/api/tasks/a/{verb}", json=body), 409, "task-finished")

    assert found["state"] == "completed"


async def test_a_transferred_task_goes_on_in_its_new_session(served: Served) -> None:
    go_on = anyio.Event()

    async def work() -> str:
        await go_on.wait()
        return current_task().session_id

    handle = await served.host.spawn_managed("old", TaskSpec(id="a"), work)

    moved = await served.http.post("/api/tasks/a/transfer", json={"session_id": "new"})
    go_on.set()

    assert moved.json()["session_id"] == "new"
    assert await handle.wait() == "new"


async def test_a_transfer_into_a_live_namesake_is_a_conflict(served: Served) -> None:
    for session in ("one", "two"):
        await served.host.register(session, TaskSpec(id="a"))

    answer = await served.http.post(
        "/api/tasks/a/transfer", params={"session_id": "one"}, json={"session_id": "two"}
    )

    problem(answer, 409, "task-already-exists")


async def test_many_tasks_move_together_or_not_at_all(served: Served) -> None:
    for task_id in ("a", "b", "c"):
        await served.host.register("one", TaskSpec(id=task_id))
    await served.host.register("full", TaskSpec(id="b"))
    body = {"from_session_id": "one", "session_id": "full", "task_ids": ["a", "b"]}

    unknown = {**body, "task_ids": ["a", "nope"]}
    problem(await served.http.post("/api/transfer", json=unknown), 404, "unknown-task")
    problem(await served.http.post("/api/transfer", json=body), 409, "task-already-exists")
    moved = await served.http.post("/api/transfer", json={**body, "session_id": "two"})

    assert [item["id"] for item in moved.json()["items"]] == ["a", "b"]
    assert [record.id for record in await served.host.list_managed("one")] == ["c"]


async def test_a_write_may_insist_on_what_it_saw(served: Served) -> None:
    await served.host.register_external("s", TaskSpec(id="a"))
    etag = (await served.http.get("/api/tasks/a")).headers["etag"]
    await served.host.update("a", state=TaskState.WAITING)

    stale = await served.http.post("/api/tasks/a/cancel", headers={"if-match": etag})
    fresh = (await served.http.get("/api/tasks/a")).headers["etag"]
    several = await served.http.post("/api/tasks/a/cancel", headers={"if-match": f'"7", {fresh}'})

    problem(stale, 412, "task-changed")
    assert stale.headers["etag"] == fresh
    assert several.status_code == 200
    assert (await served.http.post("/api/tasks/a/cancel", headers={"if-match": "*"})).status_code == 200


async def test_a_task_that_only_reports_is_as_it_was_seen(served: Served) -> None:
    await served.host.register_external("s", TaskSpec(id="a"))
    etag = (await served.http.get("/api/tasks/a")).headers["etag"]
    await served.host.update("a", progress=Progress("on", 1, 2))

    again = (await served.http.get("/api/tasks/a")).headers["etag"]
    answer = await served.http.post("/api/tasks/a/cancel", headers={"if-match": etag})

    assert again == etag
    assert answer.status_code == 200
    assert answer.headers["etag"] != etag


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"{", 400, "invalid-request"),
        (b"\xff\xfe", 400, "invalid-request"),
        (b"[1]", 400, "invalid-request"),
        (b'{"reason": 1}', 400, "invalid-request"),
        (b'{"cascade": "yes"}', 400, "invalid-request"),
        (b'{"colour": "red"}', 400, "invalid-request"),
        (b"[" * 40_000, 400, "invalid-request"),
        (b'{"reason": "' + b"x" * 2_001 + b'"}', 400, "invalid-request"),
        (b'{"reason": "' + b"x" * 70_000 + b'"}', 413, "body-too-large"),
    ],
)
async def test_a_bad_body_is_refused_and_changes_nothing(
    served: Served, body: bytes, status: int, kind: str
) -> None:
    await served.host.register("s", TaskSpec(id="a"))
    headers = {"content-type": "application/json"}

    problem(await served.http.post("/api/tasks/a/cancel", content=body, headers=headers), status, kind)

    record = await served.host.get("a")
    assert record is not None
    assert record.state is TaskState.PENDING


async def test_a_body_that_is_not_json_is_refused_by_its_type(served: Served) -> None:
    await served.host.register("s", TaskSpec(id="a"))

    answer = await served.http.post("/api/tasks/a/cancel", data={"reason": "x"})

    problem(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize("body", [{}, {"session_id": ""}, {"session_id": None}, {"session_id": "x" * 513}])
async def test_a_transfer_needs_a_session(served: Served, body: dict[str, object]) -> None:
    await served.host.register("s", TaskSpec(id="a"))

    problem(await served.http.post("/api/tasks/a/transfer", json=body), 400, "invalid-request")


@pytest.mark.parametrize("ids", [[], ["a"] * 1_001, "a", [1], None])
async def test_a_transfer_of_many_needs_a_list_of_ids(served: Served, ids: object) -> None:
    body = {"from_session_id": "a", "session_id": "b", "task_ids": ids}

    problem(await served.http.post("/api/transfer", json=body), 400, "invalid-request")


async def test_other_paths_and_methods_are_problems_too(served: Served) -> None:
    problem(await served.http.get("/api/nothing"), 404, "not-found")
    wrong = await served.http.delete("/api/tasks/a")

    problem(wrong, 405, "method-not-allowed")
    assert "GET" in wrong.headers["allow"]


async def test_plugins_are_listed_with_what_is_wrong_with_them(served: Served) -> None:
    served.runtime.plugins.note("inspector", "on_task_event", "it is tired")

    items = (await served.http.get("/api/plugins")).json()["items"]

    failures = {item["name"]: item["failure"] for item in items}
    assert failures["inspector"] == "on_task_event: it is tired"
    assert failures["inspector.server"] is None


async def test_without_a_plugin_that_downloads_nobody_answers_for_one(served: Served) -> None:
    assert (await served.http.get("/api/downloads")).status_code == 404


async def test_texts_that_are_not_unicode_do_not_break_an_answer(served: Served) -> None:
    await served.host.register("s", TaskSpec(id="a", label="broken \udce4 name"))

    assert (await served.http.get("/api/tasks")).json()["items"][0]["label"] == "broken \udce4 name"


async def test_half_a_body_is_the_mistake_of_its_peer(served: Served) -> None:
    url = httpx.URL(served.inspector.url)
    head = f"Host: localhost\r\nAuthorization: Bearer {served.inspector.token}\r\nContent-Length: 50\r\n"
    answer = b""
    async with await anyio.connect_tcp("127.0.0.1", url.port or 80) as peer:
        await peer.send(f"POST /api/tasks HTTP/1.1\r\n{head}\r\nhalf".encode())
        await peer.send_eof()
        with anyio.fail_after(SECONDS), suppress(anyio.EndOfStream):
            while True:
                answer += await peer.receive()

    assert answer.startswith(b"HTTP/1.1 400")
    assert [info.name for info in served.runtime.plugins if info.failure] == []
