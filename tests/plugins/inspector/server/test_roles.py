"""Users of the application in place of the token: who they are, what they may do, in whose name."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import anyio
import httpx
import httpx_sse
import pytest

from hostel.plugins.inspector import Auth, Inspector, Role, TwoWaysIn, User, asgi
from hostel.plugins.inspector._server.auth import Users
from hostel.plugins.inspector._server.problems import Problem
from hostel.runtime import AsgiMessage, Endpoint, Mount, Runtime, cards, hookimpl
from hostel.sessions import JsonValue, TaskSpec

from ..agents import Agents
from ..conftest import Served, runtime_with
from ..program import SECONDS

# httpx leaves its generators to the collector where a stream is left early, and trio says so
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")

USERS = {b"ada": User("Ada", Role.STEER), b"bob": User("Bob", Role.VIEW)}
NONCE = "n" * 16


def said(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["type"]).rpartition(":")[2]


async def by_header(scope: AsgiMessage) -> User | None:
    return USERS.get(dict(scope["headers"]).get(b"x-user", b""))


class Rooms:
    """Takes an actor at one path, and is told of one at another."""

    name = "rooms"

    @hookimpl
    def register_routes(self) -> list[Endpoint | Mount]:
        async def echo(query: Mapping[str, str], body: JsonValue) -> JsonValue:
            return {"body": body}

        async def app(scope: AsgiMessage, receive, send) -> None:  # type: ignore[no-untyped-def]
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": str(scope.get("hostel.user")).encode()})

        return [
            Endpoint("rooms", echo, "POST", takes_actor=True),
            Endpoint("beds", echo, "POST"),
            Mount("/app", app),
        ]


def client(inspector: Inspector, user: str = "") -> httpx.AsyncClient:
    headers = {
        "origin": inspector.url,
        "content-type": "application/json",
        **({"x-user": user} if user else {}),
    }
    return httpx.AsyncClient(base_url=inspector.url, headers=headers, trust_env=False, timeout=SECONDS)


@asynccontextmanager
async def served_to(auth: Auth, user: str = "") -> AsyncIterator[Served]:
    inspector = Inspector(auth=auth)
    async with runtime_with(inspector, Agents(), Rooms()) as runtime, client(inspector, user) as http:
        yield Served(runtime, inspector, http)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with served_to(by_header) as served, client(served.inspector):
        yield served


async def test_whoever_the_application_does_not_know_is_told_nothing(served: Served) -> None:
    for path in ("/api/tasks", "/api/me", "/api/events", "/openapi.json", "/app/x", "/nowhere"):
        for answer in (await served.http.get(path), await served.http.post(path, json={})):
            assert said(answer) == (401, "unauthorized")
            assert answer.headers["www-authenticate"].startswith("Application")


@pytest.mark.parametrize(
    ("user", "told"),
    [
        ("ada", {"name": "Ada", "role": "steer", "auth": "users", "sees_runtimes": False}),
        ("bob", {"name": "Bob", "role": "view", "auth": "users", "sees_runtimes": False}),
    ],
)
async def test_everybody_is_told_who_they_are(served: Served, user: str, told: object) -> None:
    assert (await served.http.get("/api/me", headers={"x-user": user})).json() == told


async def test_who_has_the_token_steers_under_the_name_of_the_inspector() -> None:
    inspector = Inspector()
    async with runtime_with(inspector), httpx.AsyncClient(base_url=inspector.url, trust_env=False) as http:
        http.headers["authorization"] = f"Bearer {inspector.token}"
        me = (await http.get("/api/me")).json()

    assert me == {"name": "inspector", "role": "steer", "auth": "token", "sees_runtimes": True}


async def test_no_token_opens_what_the_application_opens() -> None:
    inspector = Inspector(auth=by_header)
    async with runtime_with(inspector), client(inspector) as http:
        told = (await http.get("/proof", params={"nonce": NONCE})).json()
        for token in ("None", cards.run_key("", told["run"])):
            headers = {"authorization": f"Bearer {token}"}
            assert said(await http.get("/api/tasks", headers=headers)) == (401, "unauthorized")
        assert cards.running() == []
        assert inspector.page_url == f"{inspector.url}/"

    assert told["proof"] is None
    assert inspector.token == ""


def test_a_token_beside_users_is_refused() -> None:
    with pytest.raises(TwoWaysIn):
        Inspector(token="t" * 20, auth=by_header)
    with pytest.raises(TwoWaysIn):
        asgi(Runtime(), token="t" * 20, auth=by_header)


VERBS: list[tuple[str, JsonValue]] = [
    ("/api/tasks", {"kind": "stay", "session_id": "s"}),
    ("/api/tasks/t/cancel", {}),
    ("/api/tasks/t/transfer", {"session_id": "other"}),
    ("/api/transfer", {"from_session_id": "s", "session_id": "other", "task_ids": ["t"]}),
    ("/api/tasks/t/answer", {"value": 1}),
    ("/api/tasks/t/messages", {"message": 1}),
    ("/api/sessions/s/inbox/ack", {"ids": ["1"]}),
    ("/api/tasks/wait", {"task_ids": ["t"], "timeout": 0, "consumer": "agent"}),
    ("/api/rooms", {}),
    ("/app/x", {}),
    ("/nowhere", {}),
]


@pytest.mark.parametrize(("path", "body"), VERBS, ids=[path for path, _ in VERBS])
async def test_who_may_look_changes_nothing(served: Served, path: str, body: JsonValue) -> None:
    before = await served.host.register_external("s", TaskSpec(id="t"))
    answer = await served.http.post(path, json=body, headers={"x-user": "bob"})

    assert said(answer) == (403, "forbidden")
    assert "Bob" in answer.json()["detail"]
    assert await served.host.get("t") == before
    assert len(await served.host.list()) == 1


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "STEER"])
async def test_no_other_method_gets_by(served: Served, method: str) -> None:
    answer = await served.http.request(method, "/api/tasks", headers={"x-user": "bob"})

    assert said(answer) == (403, "forbidden")


async def test_who_may_look_sees_everything_and_waits(served: Served) -> None:
    served.http.headers["x-user"] = "bob"
    await served.host.register_external("s", TaskSpec(id="t"))
    listed = (await served.http.get("/api/tasks")).json()["items"]
    shown = await served.http.get("/api/tasks/t")
    head = await served.http.head("/api/tasks")
    waited = await served.http.post("/api/tasks/wait", json={"task_ids": ["t"], "timeout": 0})

    assert [item["id"] for item in listed] == ["t"]
    assert (shown.status_code, head.status_code) == (200, 200)
    assert [item["id"] for item in waited.json()["live"]] == ["t"]


async def test_a_ticket_opens_a_stream_for_whom_it_was_made(served: Served) -> None:
    made = await served.http.post("/api/events/ticket", json={}, headers={"x-user": "bob"})
    query = {"after": "start", "ticket": made.json()["ticket"]}
    await served.host.register_external("s", TaskSpec(id="t"))
    async with httpx_sse.aconnect_sse(served.http, "GET", "/api/events", params=query) as source:
        frames = source.aiter_sse()
        seen = ""
        while seen != "registered":
            seen = (await anext(frames)).event
    again = await served.http.get("/api/events", params=query)

    assert said(again) == (401, "unauthorized")


async def test_what_users_do_is_done_in_their_name_whatever_they_say(served: Served) -> None:
    served.http.headers["x-user"] = "ada"
    await served.host.register_external("s", TaskSpec(id="t"))
    cancelled = await served.http.post("/api/tasks/t/cancel", json={"actor": "mallory", "reason": "enough"})
    asking = await served.http.post("/api/tasks", json={"kind": "choose", "session_id": "s", "id": "q"})
    with anyio.fail_after(SECONDS):
        await served.host.wait_all(["q"], or_asking=True)
    answered = await served.http.post("/api/tasks/q/answer", json={"value": "left", "actor": "mallory"})
    history = (await served.http.get("/api/tasks/q")).json()["history"]

    assert cancelled.json()["cancel_actor"] == "Ada"
    assert (asking.status_code, answered.status_code) == (201, 200)
    assert [event["actor"] for event in history if event["type"] == "answered"] == ["Ada"]


async def test_plugins_are_told_who_it_is(served: Served) -> None:
    served.http.headers["x-user"] = "ada"
    taken = await served.http.post("/api/rooms", json={"actor": "mallory", "room": 1})
    unasked = await served.http.post("/api/rooms")
    other = await served.http.post("/api/beds", json={"actor": "mallory"})
    plain = await served.http.post("/api/beds", json={"bed": 1})
    mounted = await served.http.post("/app/x", json={})

    assert taken.json()["body"] == {"actor": "Ada", "room": 1}
    assert unasked.json()["body"] == {"actor": "Ada"}
    assert other.json()["body"] == {"actor": "Ada"}
    assert plain.json()["body"] == {"bed": 1}
    assert mounted.text == "Ada"


async def test_with_the_token_plugins_are_told_whom_the_body_names() -> None:
    inspector = Inspector()
    async with runtime_with(inspector, Rooms()), client(inspector) as http:
        http.headers["authorization"] = f"Bearer {inspector.token}"
        named = await http.post("/api/rooms", json={"actor": "cli"})
        nobody = await http.post("/api/rooms", json={"actor": 7})
        other = await http.post("/api/beds", json={"actor": "cli"})
        mounted = await http.get("/app/x")

    assert named.json()["body"] == {"actor": "cli"}
    assert nobody.json()["body"] == {"actor": "inspector"}
    assert other.json()["body"] == {"actor": "cli"}
    assert mounted.text == "None"


SAME = {"sec-fetch-site": "same-origin"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (SAME, 200),
        ({}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": None}, 403),
        ({"origin": None, **SAME}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": None}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": None}, 415),
        ({"content-type": "application/json; charset=utf-8"}, 200),
    ],
)
async def test_what_another_page_may_have_sent_is_refused(
    served: Served, headers: Mapping[str, str | None], status: int
) -> None:
    await served.host.register_external("s", TaskSpec(id="t"))
    sent = {**served.http.headers, "x-user": "ada", **headers}
    async with httpx.AsyncClient(base_url=served.inspector.url, trust_env=False, timeout=SECONDS) as http:
        request = http.build_request("POST", "/api/tasks/t/cancel")
        for name in list(request.headers):
            if name in headers and headers[name] is None:
                del request.headers[name]
        request.headers.update({name: value for name, value in sent.items() if value is not None})
        answer = await http.send(request)
    record = await served.host.get("t")

    assert answer.status_code == status
    assert record is not None
    assert (record.cancel_actor == "Ada") == (status == 200)


@pytest.mark.parametrize("path", ["/api/tasks", "/api/events", "/app/x"])
async def test_another_page_cannot_even_look(served: Served, path: str) -> None:
    headers = {"x-user": "ada", "sec-fetch-site": "cross-site"}

    assert said(await served.http.get(path, headers=headers)) == (403, "foreign-origin")


async def raises(scope: AsgiMessage) -> User | None:
    raise RuntimeError("no connection to the database of users")


async def exits(scope: AsgiMessage) -> User | None:
    raise SystemExit(3)


async def groups(scope: AsgiMessage) -> User | None:
    raise BaseExceptionGroup("several", [SystemExit(1), RuntimeError("x")])


async def dict_of_a_user(scope: AsgiMessage) -> object:
    return {"name": "Ada", "role": "steer"}


async def true(scope: AsgiMessage) -> object:
    return True


async def nameless(scope: AsgiMessage) -> User | None:
    return User("", Role.STEER)


async def roleless(scope: AsgiMessage) -> User | None:
    return User("Ada", "steer")  # type: ignore[arg-type]


def not_async(scope: AsgiMessage) -> User | None:
    return USERS[b"ada"]


WRONG = [raises, exits, groups, dict_of_a_user, true, nameless, roleless, not_async]


@pytest.mark.parametrize("auth", WRONG, ids=lambda auth: auth.__name__)
async def test_an_auth_that_does_wrong_lets_nobody_in(auth: Auth, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "hostel.runtime")
    async with served_to(auth, "ada") as served:
        answers = [await served.http.get("/api/tasks") for _ in range(3)]
        public = await served.http.get("/health")
        failures = [info.failure for info in served.runtime.plugins if info.failure]

    assert [said(answer) for answer in answers] == [(503, "auth-failed")] * 3
    assert public.status_code == 200
    assert failures == []
    assert ["auth of the application failed" in record.getMessage() for record in caplog.records] == [True]


async def test_an_auth_that_hangs_is_given_up() -> None:
    ended = anyio.Event()

    async def hangs(scope: AsgiMessage) -> User | None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()
        return None

    async with runtime_with() as runtime:
        with pytest.raises(Problem) as refused:
            await Users(hangs, runtime.plugins, seconds=0.01).caller({})

    assert (refused.value.status, refused.value.kind) == (503, "auth-failed")
    assert ended.is_set()


async def test_what_an_auth_does_to_the_scope_changes_nothing() -> None:
    async def meddles(scope: AsgiMessage) -> User | None:
        scope["method"], scope["path"] = "GET", "/health"
        scope["hostel.caller"] = User("root", Role.STEER)
        return USERS[b"bob"]

    async with served_to(meddles) as served:
        answer = await served.http.post("/api/rooms", json={})

    assert said(answer) == (403, "forbidden")


@pytest.mark.parametrize(
    ("name", "role"), [("", Role.VIEW), ("x" * 513, Role.VIEW), (b"x", Role.VIEW), ("x", 1)]
)
def test_a_user_has_a_name_and_a_role(name: str, role: Role) -> None:
    with pytest.raises((TypeError, ValueError)):
        User(name, role)
