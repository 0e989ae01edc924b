"""The content origin: signed urls, ranges, an ETag of its own."""

import subprocess
from pathlib import Path

import httpx
import pytest

from hostel.plugins.model_pull.testing import Blob, LocalHub, Origin

WEIGHTS = Blob(size=2_500_000, seed=7)
SIZE = WEIGHTS.size


@pytest.fixture
def url(hub: LocalHub, client: httpx.Client) -> str:
    hub.add_repo("org/m", {"m.gguf": WEIGHTS})
    return str(client.get("/org/m/resolve/main/m.gguf").headers["Location"])


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-", 5, SIZE),
        ("bytes=1048575-1048576", 1048575, 1048577),
        ("bytes=-7", SIZE - 7, SIZE),
        (f"bytes=-{SIZE + 9}", 0, SIZE),
        (f"bytes=9-{SIZE + 9}", 9, SIZE),
    ],
)
def test_a_range_is_answered_with_206(
    client: httpx.Client, url: str, asked: str, start: int, stop: int
) -> None:
    answer = client.get(url, headers={"Range": asked})

    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert answer.content == WEIGHTS.read(start, stop)


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE + 1}-{SIZE + 5}", "bytes=-0"])
def test_a_range_beyond_the_end_is_answered_with_416(client: httpx.Client, url: str, asked: str) -> None:
    answer = client.get(url, headers={"Range": asked})

    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize("asked", ["bytes=7-3", "bytes=-", "lines=0-3", "bytes=0-1,5-6"])
def test_a_range_that_is_none_is_ignored(client: httpx.Client, url: str, asked: str) -> None:
    answer = client.get(url, headers={"Range": asked})

    assert (answer.status_code, len(answer.content)) == (200, SIZE)


def test_if_range_holds_only_for_the_etag_of_the_cdn(client: httpx.Client, url: str) -> None:
    etag = client.head(url).headers["ETag"]
    statuses = {
        tag: client.get(url, headers={"Range": "bytes=0-3", "If-Range": tag}).status_code
        for tag in (etag, f'"{WEIGHTS.sha256}"')
    }

    assert statuses == {etag: 206, f'"{WEIGHTS.sha256}"': 200}


def test_head_tells_the_size_and_sends_nothing(hub: LocalHub, client: httpx.Client, url: str) -> None:
    answer = client.head(url)

    assert answer.headers["Content-Length"] == str(SIZE)
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert hub.bytes_sent(origin=Origin.CDN) == 0


def test_a_url_expires_when_the_hub_says_so(hub: LocalHub, client: httpx.Client, url: str) -> None:
    hub.expire_urls()
    answer = client.get(url)
    fresh = client.get("/org/m/resolve/main/m.gguf").headers["Location"]

    assert (answer.status_code, answer.headers["Content-Type"]) == (403, "application/xml")
    assert b"<Code>AccessDenied</Code>" in answer.content
    assert client.head(fresh).status_code == 200


def test_a_url_expires_by_time_and_cannot_be_altered() -> None:
    with LocalHub(url_ttl=0) as hub, httpx.Client(base_url=hub.endpoint, trust_env=False) as client:
        hub.add_repo("org/m", {"m.gguf": WEIGHTS})
        url = httpx.URL(client.get("/org/m/resolve/main/m.gguf").headers["Location"])

        assert client.get(url).status_code == 403
        assert client.get(url.copy_set_param("Expires", "99999999999")).status_code == 403
        assert client.get(url.copy_with(query=b"")).status_code == 403


@pytest.mark.needs("curl")
def test_curl_joins_ranges_to_the_whole_file(hub: LocalHub, url: str, tmp_path: Path) -> None:
    target = tmp_path / "m.gguf"
    target.write_bytes(WEIGHTS.read(0, 999_999))
    resolve = f"{hub.endpoint}/org/m/resolve/main/m.gguf"
    done = subprocess.run(
        ["curl", "-sSL", "--noproxy", "*", "-C", "-", "-o", target, resolve], check=False, timeout=300
    )

    assert done.returncode == 0
    assert target.read_bytes() == WEIGHTS.read()
    assert hub.bytes_sent(path=r"\.gguf$", origin=Origin.CDN) == SIZE - 999_999
