"""Who is let in, and what every answer carries."""

import httpx
import pytest

from hostel.plugins.inspector import Inspector, InvalidHost
from hostel.plugins.inspector._server.tokens import Tokens
from hostel.runtime import AsgiMessage, Mount, cards, hookimpl

from ..conftest import Served, client, runtime_with

EVERYTHING = ["/api/tasks", "/api/sessions", "/api/events", "/api/plugins", "/api/panels", "/openapi.json"]


def is_refused(answer: httpx.Response, token: str) -> bool:
    return (
        answer.status_code == 401
        and answer.headers["www-authenticate"].startswith("Bearer")
        and answer.json()["type"] == "urn:hostel:problem:unauthorized"
        and token not in answer.text
    )


@pytest.mark.parametrize("path", [*EVERYTHING, "/api/nothing", "/elsewhere"])
async def test_nothing_is_told_without_a_token(served: Served, path: str) -> None:
    async with httpx.AsyncClient(base_url=served.inspector.url, trust_env=False) as stranger:
        assert is_refused(await stranger.get(path), served.inspector.token)
        assert is_refused(await stranger.post(path, json={}), served.inspector.token)


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x"]
)
async def test_nothing_is_told_for_a_wrong_token(served: Served, header: str) -> None:
    headers = {"authorization": header.replace("{token}", served.inspector.token)}

    assert is_refused(await served.http.get("/api/tasks", headers=headers), served.inspector.token)


async def test_the_token_is_not_taken_from_the_address(served: Served) -> None:
    async with httpx.AsyncClient(base_url=served.inspector.url, trust_env=False) as stranger:
        for name in ("token", "access_token", "authorization"):
            answer = await stranger.get("/api/tasks", params={name: served.inspector.token})
            assert answer.status_code == 401


async def test_the_page_and_health_are_for_everybody_and_hold_nothing_of_the_runtime(served: Served) -> None:
    async with httpx.AsyncClient(base_url=served.inspector.url, trust_env=False) as stranger:
        for path in (
            "/",
            "/page/app.js",
            "/page/style/base.css",
            "/page/icon.svg",
            "/health",
            f"/proof?nonce={'n' * 16}",
        ):
            answer = await stranger.get(path)
            assert answer.status_code == 200
            assert served.inspector.token not in answer.text


@pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
async def test_the_scheme_is_read_as_http_says(served: Served, scheme: str) -> None:
    headers = {"authorization": f"{scheme} {served.inspector.token}"}

    assert (await served.http.get("/api/tasks", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "192.0.2.7",
        "0.0.0.0",
        "[::ffff:192.0.2.7]",
        "2130706433",
        "127.1",
        "localhost:8000:80",
        "",
        "a" * 300,
    ],
)
async def test_a_host_that_is_not_this_server_is_refused(served: Served, host: str) -> None:
    for path in ("/health", "/", "/api/tasks"):
        answer = await served.http.get(path, headers={"host": host})

        assert answer.status_code == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9000", "127.0.0.1", "127.0.0.1:1", "[::1]:80"])
async def test_names_of_this_machine_are_taken_whatever_the_port(served: Served, host: str) -> None:
    assert (await served.http.get("/api/tasks", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:1", "file://", "http://127.0.0.1:1", ""]
)
async def test_pages_of_another_origin_are_refused(served: Served, origin: str) -> None:
    answer = await served.http.post("/api/transfer", headers={"origin": origin}, json={})

    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "inspector.example"}, 200),
        ({"host": "Inspector.Example:8443"}, 200),
        ({"host": "[2001:db8::7]:80"}, 200),
        ({"host": "inspector.example", "origin": "https://inspector.example"}, 200),
        ({"host": "inspector.example", "origin": "https://inspector.example:8443"}, 200),
        ({"origin": "https://inspector.example"}, 200),
        ({"host": "inspector.example", "origin": "https://evil.example"}, 403),
        ({"host": "inspector.example", "origin": "ftp://inspector.example"}, 403),
        ({"origin": "https://inspector.example.evil.example"}, 403),
        ({"host": "evil.example"}, 421),
        ({"host": "x.inspector.example"}, 421),
    ],
)
async def test_it_goes_by_the_names_it_was_given(headers: dict[str, str], status: int) -> None:
    inspector = Inspector(allowed_hosts=["inspector.EXAMPLE", "2001:db8::7"])
    async with runtime_with(inspector), client(inspector) as http:
        assert (await http.get("/api/tasks", headers=headers)).status_code == status


@pytest.mark.parametrize("name", ["", "https://a.example", "a.example:80", "a.example/", "a b", "*", "ü.de"])
def test_what_cannot_be_a_host_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidHost, match="without scheme and port"):
        Inspector(allowed_hosts=[name])


async def test_the_server_proves_that_it_knows_the_token(served: Served) -> None:
    nonce = "n" * 16
    async with httpx.AsyncClient(base_url=served.inspector.url, trust_env=False) as stranger:
        told = (await stranger.get("/proof", params={"nonce": nonce})).json()
        key = cards.run_key(served.inspector.token, told["run"])
        opened = await stranger.get("/api/tasks", headers={"authorization": f"Bearer {key}"})

    assert told["proof"] == cards.proof(key, nonce)
    assert opened.status_code == 200
    assert key not in str(told)


async def test_the_key_of_a_run_opens_no_other_run() -> None:
    inspector = Inspector()
    headers: dict[str, str] = {}
    for status in (200, 401):
        async with runtime_with(inspector), httpx.AsyncClient(trust_env=False) as http:
            if not headers:
                run = (await http.get(f"{inspector.url}/proof?nonce={'n' * 16}")).json()["run"]
                headers["authorization"] = f"Bearer {cards.run_key(inspector.token, run)}"
            assert (await http.get(f"{inspector.url}/api/tasks", headers=headers)).status_code == status


@pytest.mark.parametrize("query", ["", "nonce=", "nonce=short", "nonce=" + "n" * 129, "nonce=" + "%00" * 20])
async def test_a_proof_needs_a_nonce_of_some_length(served: Served, query: str) -> None:
    assert (await served.http.get(f"/proof?{query}")).status_code == 400


async def test_our_own_page_may_ask(served: Served) -> None:
    answer = await served.http.get("/api/tasks", headers={"origin": served.inspector.url})

    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


async def test_a_preflight_is_not_answered_with_leave(served: Served) -> None:
    headers = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    answer = await served.http.options("/api/tasks", headers=headers)

    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/", "/api/tasks", "/api/nothing", "/health", "/page/app.js"])
async def test_every_answer_tells_browsers_to_be_strict(served: Served, path: str) -> None:
    headers = (await served.http.get(path)).headers

    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] in ("no-store", "no-cache")
    assert "server" not in headers


@pytest.mark.parametrize("path", ["/", "/api/tasks", "/api/nothing"])
async def test_no_header_is_sent_twice(served: Served, path: str) -> None:
    names = [name.lower() for name, _ in (await served.http.get(path)).headers.multi_items()]

    assert sorted(names) == sorted(set(names))


async def test_what_an_application_says_about_framing_and_caches_is_kept() -> None:
    inspector = Inspector()
    async with runtime_with(Framed(), inspector), client(inspector) as http:
        headers = (await http.get("/framed/x")).headers

    assert headers.get_list("x-frame-options") == ["SAMEORIGIN"]
    assert headers.get_list("cache-control") == ["max-age=60"]
    assert headers["x-content-type-options"] == "nosniff"


class Framed:
    name = "framed"

    @hookimpl
    def register_routes(self) -> list[Mount]:
        async def app(scope: AsgiMessage, receive, send) -> None:  # type: ignore[no-untyped-def]
            headers = [(b"x-frame-options", b"SAMEORIGIN"), (b"cache-control", b"max-age=60")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b""})

        return [Mount("/framed", app)]


async def test_a_server_for_other_machines_takes_addresses_but_no_foreign_names() -> None:
    inspector = Inspector(host="0.0.0.0")
    async with runtime_with(inspector), client(inspector) as http:
        by_address = await http.get("/api/tasks", headers={"host": "192.0.2.7:80"})
        by_name = await http.get("/api/tasks", headers={"host": "evil.example"})

    assert (by_address.status_code, by_name.status_code) == (200, 421)


def test_tokens_are_compared_in_constant_time() -> None:
    assert "compare_digest" in Tokens.accepts.__code__.co_names
