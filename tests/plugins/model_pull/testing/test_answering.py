"""Each fault is on the wire what it claims to be."""

import gzip
import http.client
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import attrs
import httpx
import pytest

from hostel.plugins.model_pull.testing import Blob, Ending, Fault, LocalHub, Origin

WEIGHTS = Blob(size=3_000_000, seed=7)
OTHER = Blob(size=2_000_000, seed=8)
CDN = Origin.CDN


@pytest.fixture
def url(hub: LocalHub, client: httpx.Client) -> str:
    hub.add_repo("org/m", {"m.gguf": WEIGHTS, "config.json": b"{}"})
    return str(client.get("/org/m/resolve/main/m.gguf").headers["Location"])


@pytest.fixture
def workers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


@attrs.frozen
class Cut:
    """What arrived before a connection ended early: nothing less, nothing more."""

    body: bytes
    ending: Ending


def read_until_cut(url: str) -> Cut:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    body = b""
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        while data := answer.read1(1 << 16):
            body += data
    except ConnectionResetError:
        return Cut(body, Ending.RESET)
    except http.client.IncompleteRead as short:
        return Cut(body + short.partial, Ending.CLOSE)
    finally:
        connection.close()
    return Cut(body, Ending.CLOSE)


@pytest.mark.parametrize("size", [0, 1, 1_000_000, WEIGHTS.size - 1])
def test_a_reset_comes_after_exactly_so_many_bytes(hub: LocalHub, url: str, size: int) -> None:
    hub.fault(Fault(origin=CDN, reset_after=size))

    assert read_until_cut(url) == Cut(WEIGHTS.read(0, size), Ending.RESET)
    assert hub.bytes_sent(origin=CDN) == size


@pytest.mark.parametrize("size", [0, 1, 1_000_000])
def test_a_close_comes_after_exactly_so_many_bytes(hub: LocalHub, url: str, size: int) -> None:
    hub.fault(Fault(origin=CDN, close_after=size))

    assert read_until_cut(url) == Cut(WEIGHTS.read(0, size), Ending.CLOSE)


@pytest.mark.parametrize("ending", Ending)
def test_a_connection_can_end_before_the_headers(hub: LocalHub, url: str, ending: Ending) -> None:
    hub.fault(Fault(origin=CDN, before_headers=ending))
    errors = {Ending.RESET: ConnectionResetError, Ending.CLOSE: http.client.RemoteDisconnected}
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    connection.request("GET", f"{parts.path}?{parts.query}")

    with pytest.raises(errors[ending]) as caught:
        connection.getresponse()
    connection.close()
    assert caught.type is errors[ending]
    assert [one.status for one in hub.exchanges(origin=CDN)] == [None]


def test_a_stalled_answer_goes_on_when_released(hub: LocalHub, url: str, workers: ThreadPoolExecutor) -> None:
    hub.fault(Fault(origin=CDN, stall_after=1_000_000))
    answer = workers.submit(httpx.get, url, trust_env=False)

    assert hub.wait_until_stalled()
    assert hub.bytes_sent(origin=CDN) == 1_000_000
    assert not answer.done()
    assert hub.release() == 1
    assert answer.result(10).content == WEIGHTS.read()


def test_a_client_that_leaves_ends_its_stalled_answer(hub: LocalHub, client: httpx.Client, url: str) -> None:
    hub.fault(Fault(origin=CDN, stall_after=1))
    with client.stream("GET", url):
        assert hub.wait_until_stalled()
        assert not hub.exchanges(origin=CDN)[0].finished
    client.close()

    assert hub.wait_for(lambda: hub.exchanges(origin=CDN)[0].finished)


def test_the_first_byte_can_be_late(hub: LocalHub, client: httpx.Client, url: str) -> None:
    hub.fault(Fault(origin=CDN, first_byte_after=0.2))
    started = time.monotonic()

    assert client.head(url).status_code == 200
    assert time.monotonic() - started >= 0.2


def test_a_connection_is_held_to_its_rate(hub: LocalHub, client: httpx.Client, url: str) -> None:
    hub.fault(Fault(origin=CDN, bps=10_000_000))
    started = time.monotonic()

    assert client.get(url).content == WEIGHTS.read()
    assert time.monotonic() - started > 0.25


def test_connections_are_answered_at_the_same_time(
    hub: LocalHub, url: str, workers: ThreadPoolExecutor
) -> None:
    hub.fault(Fault(origin=CDN, bps=1_000_000))
    answers = list(workers.map(lambda _: httpx.get(url, trust_env=False), range(8)))

    assert {len(answer.content) for answer in answers} == {WEIGHTS.size}
    assert hub.peak_responses == 8


def test_one_byte_is_corrupt_whatever_range_holds_it(hub: LocalHub, client: httpx.Client, url: str) -> None:
    hub.fault(Fault(origin=CDN, corrupt_at=2_000_000))
    whole = bytearray(client.get(url).content)
    part = client.get(url, headers={"Range": "bytes=1999999-2000001"}).content

    assert part == bytes(whole[1_999_999:2_000_002])
    whole[2_000_000] ^= 0xFF
    assert whole == WEIGHTS.read()


def test_ranges_can_be_ignored(hub: LocalHub, client: httpx.Client, url: str) -> None:
    hub.fault(Fault(origin=CDN, no_range=True))
    answer = client.get(url, headers={"Range": "bytes=5-6"})

    assert (answer.status_code, answer.content) == (200, WEIGHTS.read())


def test_another_range_than_asked_can_come_and_says_so(hub: LocalHub, client: httpx.Client, url: str) -> None:
    hub.fault(Fault(origin=CDN, shift_range=10))
    answer = client.get(url, headers={"Range": "bytes=5-9"})

    assert answer.headers["Content-Range"] == f"bytes 15-19/{WEIGHTS.size}"
    assert answer.content == WEIGHTS.read(15, 20)


def test_content_range_can_lie(hub: LocalHub, client: httpx.Client, url: str) -> None:
    hub.fault(Fault(origin=CDN, set_headers={"content-range": "bytes 0-4/9"}))
    answer = client.get(url, headers={"Range": "bytes=5-9"})

    assert answer.headers.get_list("Content-Range") == ["bytes 0-4/9"]
    assert answer.content == WEIGHTS.read(5, 10)


@pytest.mark.parametrize(("off_by", "seen"), [(-10, WEIGHTS.size - 10), (10, WEIGHTS.size)])
def test_content_length_can_lie(hub: LocalHub, url: str, off_by: int, seen: int) -> None:
    hub.fault(Fault(origin=CDN, length_off_by=off_by))

    assert read_until_cut(url) == Cut(WEIGHTS.read(0, seen), Ending.CLOSE)


def test_without_a_content_length_the_body_ends_with_the_connection(
    hub: LocalHub, client: httpx.Client, url: str
) -> None:
    hub.fault(Fault(origin=CDN, drop_headers=["Content-Length", "etag"]))
    answer = client.get(url)

    assert not {"content-length", "etag"} & set(answer.headers)
    assert answer.content == WEIGHTS.read()


def test_changed_content_has_another_etag_and_breaks_if_range(
    hub: LocalHub, client: httpx.Client, url: str
) -> None:
    etag = client.head(url).headers["ETag"]
    hub.fault(Fault(origin=CDN, changed=OTHER))
    resumed = client.get(url, headers={"Range": "bytes=10-19"})
    guarded = client.get(url, headers={"Range": "bytes=10-19", "If-Range": etag})

    assert resumed.headers["ETag"] != etag
    assert resumed.headers["Content-Range"] == f"bytes 10-19/{OTHER.size}"
    assert resumed.content == OTHER.read(10, 20)
    assert (guarded.status_code, guarded.content) == (200, OTHER.read())


def test_changed_content_under_the_old_etag_passes_if_range(
    hub: LocalHub, client: httpx.Client, url: str
) -> None:
    etag = client.head(url).headers["ETag"]
    hub.fault(Fault(origin=CDN, changed=OTHER, keep_etag=True))
    answer = client.get(url, headers={"Range": "bytes=10-19", "If-Range": etag})

    assert (answer.status_code, answer.headers["ETag"], answer.content) == (206, etag, OTHER.read(10, 20))


def test_a_body_can_come_in_chunks_and_compressed(hub: LocalHub, client: httpx.Client, url: str) -> None:
    hub.fault(Fault(origin=CDN, chunked=True))
    hub.fault(Fault(origin=CDN, gzip=True, nth=2))
    with client.stream("GET", url) as plain:
        assert "content-length" not in plain.headers
        assert plain.read() == WEIGHTS.read()
    with client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as packed:
        assert packed.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(b"".join(packed.iter_raw())) == WEIGHTS.read()


def test_a_web_page_can_come_with_200(hub: LocalHub, client: httpx.Client, url: str) -> None:
    hub.fault(Fault(path=r"\.gguf$", html=True))
    answers = [client.get(url), client.get("/org/m/resolve/main/m.gguf")]

    assert [(one.status_code, one.headers["Content-Type"]) for one in answers] == [(200, "text/html")] * 2


def test_redirects_can_loop(hub: LocalHub, client: httpx.Client, url: str) -> None:
    hub.fault(Fault(redirect_loop=True))

    with pytest.raises(httpx.TooManyRedirects):
        client.get("/org/m/resolve/main/m.gguf", follow_redirects=True)


def test_a_refusal_can_say_when_to_come_back(hub: LocalHub, client: httpx.Client, url: str) -> None:
    hub.fault(Fault(origin=Origin.HUB, status=429, retry_after=7, ratelimit_reset=55))
    hub.fault(Fault(origin=CDN, status=403))
    busy, expired = client.get("/api/models/org/m"), client.get(url)

    assert (busy.status_code, busy.headers["Retry-After"]) == (429, "7")
    assert busy.headers["ratelimit"] == '"resolvers";r=0;t=55'
    assert (expired.status_code, expired.headers["Content-Type"]) == (403, "application/xml")


def test_a_connection_serves_many_requests(hub: LocalHub, client: httpx.Client, url: str) -> None:
    with client.stream("GET", url, headers={"Range": "bytes=0-9"}) as first:
        port = first.extensions["network_stream"].get_extra_info("client_addr")
        first.read()
    with client.stream("GET", url, headers={"Range": "bytes=10-19"}) as second:
        assert second.extensions["network_stream"].get_extra_info("client_addr") == port
        assert second.read() == WEIGHTS.read(10, 20)
