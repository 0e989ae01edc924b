"""Each fault is what it claims to be, seen by a client that hides nothing."""

import http.client
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from hostel.plugins.model_pull.testing import Blob, Fault, LocalHub, Origin

WEIGHTS = Blob(size=3 << 20, seed=7)
PATH = "/org/m/resolve/main/m.gguf"


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    with LocalHub() as hub:
        hub.add_repo("org/m", {"m.gguf": WEIGHTS, "config.json": b"{}"})
        yield hub


class Got:
    """What a plain client saw of one answer."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
        try:
            connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
            answer = connection.getresponse()
            self.status, self.headers = answer.status, answer.headers
            self.body, self.ended_by = b"", ""
            self._read(answer)
        finally:
            connection.close()

    def _read(self, answer: http.client.HTTPResponse) -> None:
        try:
            while data := answer.read1(1 << 16):
                self.body += data
        except ConnectionResetError:
            self.ended_by = "reset"
        except http.client.IncompleteRead as short:
            self.body += short.partial


def get(url: str, **headers: str) -> Got:
    return Got(url, headers)


def cdn_url(hub: LocalHub) -> str:
    url = get(hub.endpoint + PATH).headers["Location"]
    assert url is not None
    return url


def test_reset_after_delivers_that_many_bytes_and_then_resets(hub: LocalHub) -> None:
    hub.fault(Fault(origin=Origin.CDN, reset_after=1_000_000))
    got = get(cdn_url(hub))

    assert (got.status, got.ended_by) == (200, "reset")
    assert got.body == WEIGHTS.read(0, 1_000_000)


def test_close_after_ends_the_body_short(hub: LocalHub) -> None:
    hub.fault(Fault(origin=Origin.CDN, close_after=5))
    got = get(cdn_url(hub))

    assert (got.body, got.ended_by) == (WEIGHTS.read(0, 5), "")
    assert got.headers["Content-Length"] == str(WEIGHTS.size)


def test_status_replaces_the_answer_and_counts_its_hits(hub: LocalHub) -> None:
    armed = hub.fault(Fault(path=r"\.gguf$", origin=Origin.HUB, status=503, retry_after=7, nth=2, times=1))
    answers = [get(hub.endpoint + PATH) for _ in range(3)]

    assert [got.status for got in answers] == [302, 503, 302]
    assert answers[1].headers["Retry-After"] == "7"
    assert armed.hits == 1


def test_one_byte_is_corrupt_wherever_a_range_begins(hub: LocalHub) -> None:
    hub.fault(Fault(origin=Origin.CDN, corrupt_at=2_000_000))
    url = cdn_url(hub)
    whole, part = get(url).body, get(url, Range="bytes=1999999-2000001").body

    assert [at for at in range(WEIGHTS.size) if whole[at] != WEIGHTS.read(at, at + 1)[0]] == [2_000_000]
    assert part == whole[1_999_999:2_000_002]


def test_a_server_without_ranges_sends_the_whole_file(hub: LocalHub) -> None:
    hub.fault(Fault(origin=Origin.CDN, no_range=True))
    got = get(cdn_url(hub), Range="bytes=5-6")

    assert (got.status, got.body) == (200, WEIGHTS.read())


def test_bytes_per_second_are_kept_to(hub: LocalHub) -> None:
    hub.fault(Fault(origin=Origin.CDN, bps=10 << 20))
    url, started = cdn_url(hub), time.monotonic()
    assert get(url).body == WEIGHTS.read()

    assert 0.2 < time.monotonic() - started < 2
