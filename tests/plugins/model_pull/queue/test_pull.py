"""Whole models, from a reference to a cache that huggingface_hub reads offline."""

import hashlib
from pathlib import Path

import anyio
import anyio.to_thread
import attrs
import pytest
from huggingface_hub import HfApi, hf_hub_download, scan_cache_dir, snapshot_download

from hostel.plugins.model_pull import (
    BadResponse,
    Completed,
    DownloadEvent,
    DownloadStatus,
    Failed,
    FileCompleted,
    FileStarted,
    HubSource,
    IntegrityFailed,
    NoSpace,
    NotFound,
    Progress,
    PullError,
    PullOptions,
    Reference,
    RemoteFile,
    Started,
    StatusChanged,
    StorageFailed,
    UnsafePath,
    pull_once,
)
from hostel.plugins.model_pull._cache.disk_space import DiskReservations
from hostel.plugins.model_pull.testing import Blob, Fault, LocalHub, Origin

SHARDS: dict[str, bytes | Blob] = {
    f"m-Q8_0-0000{i}-of-00003.gguf": Blob(size=3 << 20, seed=i) for i in (1, 2, 3)
}
FILES: dict[str, bytes | Blob] = {
    **SHARDS,
    "m-Q4_K_M.gguf": Blob(size=1 << 20, seed=7),
    "config.json": b"{}",
    "README.md": b"# m",
}


def sha256_of(path: str | Path) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_blob(blob: bytes | Blob) -> str:
    return hashlib.sha256(blob if isinstance(blob, bytes) else blob.read()).hexdigest()


def found(folder: Path, pattern: str) -> list[Path]:
    return list(folder.rglob(pattern))


def offline(path: str, cache: Path, repo: str = "org/m") -> Path:
    return Path(hf_hub_download(repo, path, cache_dir=cache, local_files_only=True))


async def test_a_sharded_model_is_verified_and_found_offline(hub: LocalHub, own_home: Path) -> None:
    hub.add_repo("org/m", FILES)

    pulled = await pull_once("org/m:Q8_0")

    cache = own_home / "hub"
    for path, blob in SHARDS.items():
        assert sha256_of_blob(blob) == sha256_of(offline(path, cache))
    assert pulled.path == pulled.snapshot / "m-Q8_0-00001-of-00003.gguf"
    assert pulled.snapshot == Path(snapshot_download("org/m", cache_dir=cache, local_files_only=True))
    assert scan_cache_dir(cache).warnings == []
    assert (pulled.files, pulled.fetched, pulled.cached) == (4, (9 << 20) + 2, 0)


async def test_what_is_here_is_not_fetched_again(hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES)
    await pull_once("org/m:Q8_0")
    hub.clear_log()
    events: list[DownloadEvent] = []

    pulled = await pull_once("org/m:Q8_0", emit=events.append)

    assert hub.bytes_sent(path="gguf") == 0
    assert (pulled.fetched, pulled.cached) == (0, (9 << 20) + 2)
    assert sum(isinstance(event, FileCompleted) and event.cached for event in events) == 4
    assert [event.downloaded for event in events if isinstance(event, Progress)] == [(9 << 20) + 2]


async def test_what_is_here_is_read_once_and_fetched_again_if_it_is_not_true(
    hub: LocalHub, own_home: Path
) -> None:
    hub.add_repo("org/m", FILES)
    pulled = await pull_once("org/m:Q8_0")
    hub.clear_log()
    for path in ("m-Q8_0-00002-of-00003.gguf", "config.json"):
        blob = (pulled.snapshot / path).resolve()
        blob.write_bytes(bytes(blob.stat().st_size))
    events: list[DownloadEvent] = []

    again = await pull_once("org/m:Q8_0", emit=events.append)

    for name, content in FILES.items():
        if (again.snapshot / name).exists():
            assert sha256_of(again.snapshot / name) == sha256_of_blob(content)
    assert again.fetched == (3 << 20) + 2
    assert DownloadStatus.VERIFYING in [one.status for one in events if isinstance(one, StatusChanged)]
    events.clear()
    assert (await pull_once("org/m:Q8_0", emit=events.append)).fetched == 0
    assert [one.status for one in events if isinstance(one, StatusChanged)] == [DownloadStatus.REGISTERING]


async def test_a_local_file_that_a_source_names_is_held_against_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"x" * 100)

    class Shelf:
        schemes = ("shelf",)

        async def resolve(self, reference: Reference) -> list[RemoteFile]:
            right = hashlib.sha256(b"x" * 100).hexdigest()
            return [RemoteFile("m.gguf", 100, right, path.as_uri())]

    assert (await pull_once("shelf://m", sources=[Shelf()])).path.read_bytes() == b"x" * 100
    path.write_bytes(b"y" * 100)
    with pytest.raises(IntegrityFailed):
        await pull_once("shelf://m", PullOptions(cache_dir=tmp_path / "other"), sources=[Shelf()])


async def test_a_cancelled_pull_goes_on_from_where_it_was(hub: LocalHub) -> None:
    hub.add_repo("org/m", {"m-Q8_0.gguf": Blob(size=24 << 20, seed=3)})
    hub.fault(Fault(origin=Origin.CDN, bps=12 << 20))
    with anyio.CancelScope() as scope:

        def stop(event: DownloadEvent) -> None:
            if isinstance(event, Progress) and event.downloaded > 6 << 20:
                scope.cancel()

        await pull_once("org/m", emit=stop)
    assert scope.cancelled_caught
    hub.clear_faults()
    sent = hub.bytes_sent(origin=Origin.CDN)

    pulled = await pull_once("org/m")

    assert pulled.resumed > 4 << 20
    assert hub.bytes_sent(origin=Origin.CDN) - sent <= (24 << 20) - pulled.resumed + (1 << 20)
    assert sha256_of_blob(Blob(size=24 << 20, seed=3)) == sha256_of(pulled.path)


async def test_events_tell_the_story_in_order_with_exact_bytes(hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES)
    events: list[DownloadEvent] = []

    await pull_once("org/m:Q8_0", emit=events.append)

    assert isinstance(events[0], Started)
    assert (events[0].files, events[0].total, events[0].quantization) == (4, (9 << 20) + 2, "Q8_0")
    counts = [event.downloaded for event in events if isinstance(event, Progress)]
    assert counts == sorted(counts)
    assert counts[-1] == (9 << 20) + 2
    assert sum(isinstance(event, FileStarted) for event in events) == 4
    assert sum(isinstance(event, FileCompleted) for event in events) == 4
    assert isinstance(events[-1], Completed)
    assert sum(event.terminal for event in events) == 1


async def test_the_default_quantization_is_chosen_and_explained(hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES)

    pulled = await pull_once("org/m")

    assert pulled.choice is not None
    assert pulled.path.name == "m-Q4_K_M.gguf"
    assert "order of preference" in pulled.choice.why


async def test_a_repository_without_gguf_is_pulled_whole(hub: LocalHub) -> None:
    files: dict[str, bytes | Blob] = {
        "model.safetensors": Blob(size=99),
        "config.json": b"{}",
        "a/b.txt": b"b",
    }
    hub.add_repo("org/s", files)

    pulled = await pull_once("org/s")

    assert pulled.path == pulled.snapshot
    assert {"model.safetensors", "config.json", "a/b.txt"} == {
        str(path.relative_to(pulled.snapshot)) for path in pulled.snapshot.rglob("*") if not path.is_dir()
    }


async def test_include_takes_exactly_what_matches(hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES)

    pulled = await pull_once("org/m", PullOptions(include=("*.md", "*.json")))

    assert sorted(path.name for path in pulled.snapshot.iterdir()) == ["README.md", "config.json"]


async def test_another_cache_may_be_named(hub: LocalHub, tmp_path: Path) -> None:
    hub.add_repo("org/m", FILES)

    await pull_once("org/m", PullOptions(cache_dir=tmp_path / "elsewhere"))

    assert offline("m-Q4_K_M.gguf", tmp_path / "elsewhere").exists()


async def test_a_url_is_pulled_and_found_like_any_model(hub: LocalHub, own_home: Path) -> None:
    sha = hub.add_repo("org/m", FILES)

    pulled = await pull_once(f"{hub.endpoint}/org/m/resolve/{sha}/m-Q4_K_M.gguf")

    assert sha256_of_blob(FILES["m-Q4_K_M.gguf"]) == sha256_of(pulled.path)
    assert scan_cache_dir(own_home / "hub").warnings == []


async def test_a_url_with_another_checksum_is_refused_and_gets_no_name(hub: LocalHub, own_home: Path) -> None:
    sha = hub.add_repo("org/m", FILES)

    with pytest.raises(IntegrityFailed):
        await pull_once(f"{hub.endpoint}/org/m/resolve/{sha}/README.md#sha256={'ab' * 32}")

    assert found(own_home, "ab" * 32) == []
    assert found(own_home, "snapshots/*/*") == []


async def test_a_folder_is_copied_into_the_cache(tmp_path: Path, own_home: Path) -> None:
    folder = tmp_path / "models" / "m"
    folder.mkdir(parents=True)
    (folder / "m-Q8_0.gguf").write_bytes(b"x" * 1000)
    events: list[DownloadEvent] = []

    pulled = await pull_once(str(folder), emit=events.append)

    assert pulled.path.read_bytes() == b"x" * 1000
    assert scan_cache_dir(own_home / "hub").warnings == []
    assert isinstance(events[-1], Completed)


async def test_a_failed_shard_leaves_no_snapshot_and_stops_the_others(hub: LocalHub, own_home: Path) -> None:
    hub.add_repo("org/m", FILES)
    hub.fault(Fault(path="00002-of-00003", origin=Origin.CDN, corrupt_at=1000))
    events: list[DownloadEvent] = []

    with pytest.raises(IntegrityFailed, match="00002-of-00003"):
        await pull_once("org/m:Q8_0", emit=events.append)

    assert found(own_home, "snapshots/*/*") == []
    assert found(own_home, "refs/*") == []
    assert isinstance(events[-1], Failed)
    assert events[-1].kind == "IntegrityFailed"


async def test_a_full_disk_is_refused_before_the_first_byte(hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES)

    with pytest.raises(NoSpace, match="are needed at"):
        await pull_once("org/m", reservations=DiskReservations(cushion=2**60))

    assert hub.exchanges(origin=Origin.CDN) == []


@pytest.mark.parametrize(
    "paths", [["../evil", "m-Q8_0.gguf"], ["/etc/evil"], ["a\\b"], ["nul"], ["README.md", "readme.md"]]
)
async def test_a_hostile_listing_writes_nothing(hub: LocalHub, own_home: Path, paths: list[str]) -> None:
    hub.add_repo("org/m", dict.fromkeys(paths, b"x"))

    with pytest.raises(UnsafePath):
        await pull_once("org/m")

    assert found(own_home, "*") == []


async def test_a_cache_that_cannot_be_written_is_named(hub: LocalHub, tmp_path: Path) -> None:
    hub.add_repo("org/m", FILES)
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageFailed, match="cannot be written"):
        await pull_once("org/m", PullOptions(cache_dir=tmp_path / "file"))


@pytest.mark.parametrize("reference", ["org/nope", "org/m@nope", "org/m:Q2_K", "org/m:Q9"])
async def test_what_is_not_there_is_one_sentence(hub: LocalHub, own_home: Path, reference: str) -> None:
    hub.add_repo("org/m", FILES)

    with pytest.raises(PullError) as caught:
        await pull_once(reference)

    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    assert found(own_home, "*") == []


async def test_what_huggingface_hub_has_fetched_is_not_fetched_again(hub: LocalHub, own_home: Path) -> None:
    hub.add_repo("org/m", FILES)
    theirs = await anyio.to_thread.run_sync(
        lambda: snapshot_download("org/m", cache_dir=own_home / "hub", endpoint=hub.endpoint)
    )
    hub.clear_log()

    pulled = await pull_once("org/m:Q8_0")

    assert Path(theirs) == pulled.snapshot
    assert pulled.fetched == 0
    assert hub.bytes_sent(path="gguf") == 0


async def test_huggingface_hub_online_fetches_only_what_was_left_out(hub: LocalHub, own_home: Path) -> None:
    hub.add_repo("org/m", FILES)
    pulled = await pull_once("org/m:Q8_0")
    hub.clear_log()

    theirs = await anyio.to_thread.run_sync(
        lambda: snapshot_download("org/m", cache_dir=own_home / "hub", endpoint=hub.endpoint)
    )

    assert Path(theirs) == pulled.snapshot
    assert hub.bytes_sent(path="Q8_0") == 0
    assert hub.bytes_sent(path="Q4_K_M") > 0


async def test_huggingface_hub_finds_the_checksums_in_order(hub: LocalHub, own_home: Path) -> None:
    hub.add_repo("org/m", FILES)
    await pull_once("org/m:Q8_0")

    report = await anyio.to_thread.run_sync(
        lambda: HfApi(endpoint=hub.endpoint).verify_repo_checksums("org/m", cache_dir=own_home / "hub")
    )

    assert report.mismatches == []
    assert report.checked_count == 4


async def test_an_interrupted_pull_does_not_disturb_huggingface_hub(hub: LocalHub, own_home: Path) -> None:
    hub.add_repo("org/m", {"m-Q8_0.gguf": Blob(size=8 << 20, seed=3), "config.json": b"{}"})
    hub.fault(Fault(origin=Origin.CDN, bps=8 << 20))
    with anyio.CancelScope() as scope:

        def stop(event: DownloadEvent) -> None:
            if isinstance(event, Progress) and event.downloaded > 1 << 20:
                scope.cancel()

        await pull_once("org/m", emit=stop)
    hub.clear_faults()
    theirs = await anyio.to_thread.run_sync(
        lambda: hf_hub_download("org/m", "m-Q8_0.gguf", cache_dir=own_home / "hub", endpoint=hub.endpoint)
    )

    assert scan_cache_dir(own_home / "hub").warnings == []
    assert sha256_of_blob(Blob(size=8 << 20, seed=3)) == sha256_of(theirs)
    assert (await pull_once("org/m")).cached == (8 << 20) + 2
    assert found(own_home, "*.hostel.part*") == []


async def test_a_file_of_unknown_size_is_kept_and_not_fetched_again(hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES)

    class Unsized(HubSource):
        async def resolve(self, reference: Reference) -> list[RemoteFile]:
            return [attrs.evolve(file, size=None) for file in await super().resolve(reference)]

    first = await pull_once("org/m:Q8_0", sources=[Unsized()])
    hub.clear_log()
    second = await pull_once("org/m:Q8_0", sources=[Unsized()])

    assert first.path == second.path
    assert (first.size, second.fetched) == ((9 << 20) + 2, 0)
    assert hub.bytes_sent(path="gguf") == 0


async def test_a_listing_of_two_commits_is_refused(hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES)

    class Torn(HubSource):
        async def resolve(self, reference: Reference) -> list[RemoteFile]:
            first, *rest = await super().resolve(reference)
            return [attrs.evolve(first, commit="e" * 40), *rest]

    with pytest.raises(BadResponse, match="several commits"):
        await pull_once("org/m", sources=[Torn()])


async def test_a_link_to_a_file_pulls_that_file(hub: LocalHub) -> None:
    hub.add_repo("org/m", FILES)

    pulled = await pull_once("https://huggingface.co/org/m/blob/main/README.md")

    assert pulled.path.read_bytes() == FILES["README.md"]
    with pytest.raises(NotFound, match=r"org/m \(nope.gguf\)"):
        await pull_once("https://huggingface.co/org/m/resolve/main/nope.gguf")
