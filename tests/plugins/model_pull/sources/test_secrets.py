"""Secrets of URLs are recognised, and leave nothing behind."""

import json
from pathlib import Path

import anyio
import pytest

from hostel.plugins.model_pull import DownloadManager, DownloadRequest, PullError, SecretWithheld
from hostel.plugins.model_pull._sources.secrets import without_secret
from hostel.plugins.model_pull.testing import MIB, Blob, Fault, LocalHub, Origin
from hostel.sessions import LocalBackgroundTaskHost
from hostel.sessions.journal import SqliteJournal

SIGNED = [
    "https://b.s3.amazonaws.com/m.gguf?X-Amz-Credential=a&X-Amz-Signature=s3cret&X-Amz-Expires=5",
    "https://storage.googleapis.com/m.gguf?GoogleAccessId=a&Signature=s3cret",
    "https://a.blob.core.windows.net/m.gguf?sv=1&sig=s3cret",
    "https://d1.cloudfront.net/m.gguf?Policy=s3cret&Key-Pair-Id=K",
    "https://e.com/m.gguf?access_token=s3cret",
    "https://e.com/m.gguf?api_key=s3cret",
    "https://me:s3cret@e.com/m.gguf",
    "https://s3cret@e.com:8443/m.gguf?id=5",
]
OPEN = ["https://e.com/m.gguf", "https://e.com/get?id=5&download=true", "org/m:Q8_0@main", "./a?token=b"]


@pytest.mark.parametrize("url", SIGNED)
def test_a_secret_is_taken_out_of_a_url(url: str) -> None:
    assert without_secret(url) != url
    assert "s3cret" not in without_secret(url)
    assert without_secret(url).startswith("https://")
    assert without_secret(without_secret(url)) == without_secret(url)


@pytest.mark.parametrize("url", OPEN)
def test_other_urls_stay_as_they_are(url: str) -> None:
    assert without_secret(url) == url


def test_a_checksum_stays_when_a_secret_goes() -> None:
    assert without_secret("https://a:b@e.com/m#sha256=12") == "https://e.com/m#sha256=12"


@pytest.mark.parametrize("url", SIGNED)
def test_a_request_for_it_is_kept_without_it_and_says_so(url: str) -> None:
    request = DownloadRequest(url)

    kept = DownloadRequest.from_params(json.loads(json.dumps(request.to_params())))

    assert "s3cret" not in repr(kept) + str(kept.reference) + request.reference.model_id + request.label
    assert kept.withheld
    assert request.to_params(secrets=True) == {"repo_id": url}


async def test_no_secret_reaches_the_disk_and_a_fresh_url_goes_on(hub: LocalHub, tmp_path: Path) -> None:
    hub.add_repo("org/m", {"m.bin": Blob(8 * MIB, seed=1)})
    slow = hub.fault(Fault(origin=Origin.CDN, bps=4 * MIB))
    address = f"{hub.endpoint}/org/m/resolve/main/m.bin".replace("http://", "http://me:s3cret@")
    data, journal = tmp_path / "data", tmp_path / "journal.sqlite3"
    with anyio.fail_after(60):
        async with (
            LocalBackgroundTaskHost(journal=SqliteJournal(journal)) as host,
            DownloadManager(host, data_dir=data) as manager,
            manager.subscribe() as events,
        ):
            manager.pull(f"{address}?token=s3cret-one")
            async for event in events:
                if event.type == "progress" and getattr(event, "downloaded", 0) > 2 * MIB:
                    break

        written = [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size < MIB]
        assert data / "downloads.json" in written
        assert [path for path in written if b"s3cret" in path.read_bytes()] == []

        slow.disarm()
        hub.clear_log()
        async with LocalBackgroundTaskHost() as host, DownloadManager(host, data_dir=data) as manager:
            async with manager.subscribe() as events:
                while not (failures := (await manager.get_queue_snapshot()).recent_failures):
                    await anext(events)
            assert failures[0].kind == "SecretWithheld"
            with pytest.raises(SecretWithheld, match="with a fresh URL"):
                await manager.queue_download(DownloadRequest.from_params({"repo_id": "u", "withheld": True}))

            path = await manager.pull(f"{address}?token=s3cret-two")

    assert path.read_bytes() == Blob(8 * MIB, seed=1).read()
    assert hub.bytes_sent(origin=Origin.CDN) < 7 * MIB
    assert isinstance(SecretWithheld("u"), PullError)
