"""What a hub remembers of its requests."""

import time

import httpx

from hostel.plugins.model_pull.testing import Blob, LocalHub, Origin

WEIGHTS = Blob(size=300_000, seed=7)


def test_the_log_tells_method_range_headers_status_and_bytes(hub: LocalHub, client: httpx.Client) -> None:
    hub.add_repo("org/m", {"m.gguf": WEIGHTS})
    before = time.monotonic()
    client.get(
        "/org/m/resolve/main/m.gguf", headers={"Range": "bytes=5-9", "X-Mine": "1"}, follow_redirects=True
    )
    first, second = hub.exchanges()

    assert (first.request.origin, first.request.method, first.status) == (Origin.HUB, "GET", 302)
    assert first.request.path == "/org/m/resolve/main/m.gguf"
    assert (second.request.origin, second.request.range) == (Origin.CDN, "bytes=5-9")
    assert (second.status, second.sent, second.finished) == (206, 5, True)
    assert second.request.headers["x-mine"] == "1"
    assert second.sent_at is not None
    assert before < second.sent_at <= time.monotonic()


def test_bytes_sent_are_summed_by_path_and_origin_and_can_be_forgotten(
    hub: LocalHub, client: httpx.Client
) -> None:
    hub.add_repo("org/m", {"m.gguf": WEIGHTS, "n.gguf": WEIGHTS})
    for name in ("m", "n"):
        client.get(f"/org/m/resolve/main/{name}.gguf", follow_redirects=True)

    assert hub.bytes_sent(origin=Origin.CDN) == 600_000
    assert hub.bytes_sent(path=r"/n\.gguf$", origin=Origin.CDN) == 300_000
    assert len(hub.exchanges(has_range=False, method="GET", origin=Origin.HUB)) == 2
    hub.clear_log()
    assert (hub.exchanges(), hub.bytes_sent()) == ([], 0)


def test_waiting_for_bytes_gives_up_after_its_timeout(hub: LocalHub, client: httpx.Client) -> None:
    hub.add_repo("org/m", {"m.gguf": WEIGHTS})
    client.get("/org/m/resolve/main/m.gguf", follow_redirects=True)

    assert hub.wait_until_sent(300_000, path="gguf")
    assert not hub.wait_until_sent(900_000, path="gguf", timeout=0.01)


def test_what_a_client_has_received_is_counted_and_finished(hub: LocalHub, client: httpx.Client) -> None:
    hub.add_repo("org/m", {"m.gguf": WEIGHTS})
    url = client.get("/org/m/resolve/main/m.gguf").headers["Location"]
    for count in range(1, 51):
        httpx.get(url, trust_env=False)
        assert hub.bytes_sent(origin=Origin.CDN) == count * WEIGHTS.size
        assert all(one.finished for one in hub.exchanges())

    assert hub.peak_responses == 1


def test_the_log_tells_which_connection_a_request_came_on(hub: LocalHub, client: httpx.Client) -> None:
    hub.add_repo("org/m", {"m.gguf": WEIGHTS})
    for _ in range(2):
        client.get("/api/models/org/m")
    httpx.get(f"{hub.endpoint}/api/models/org/m", trust_env=False)

    assert [one.connection for one in hub.exchanges()] == [1, 1, 2]
