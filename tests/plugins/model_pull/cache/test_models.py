"""What is told of a cache: snapshots with their files, whatever else lies there."""

import os
from pathlib import Path

import pytest
from huggingface_hub import scan_cache_dir

from hostel.plugins.model_pull import DownloadManager
from hostel.plugins.model_pull._cache.layout import CachedRepo
from hostel.plugins.model_pull._cache.models import cached_models
from hostel.plugins.model_pull.testing import MIB, Blob, LocalHub
from hostel.sessions import LocalBackgroundTaskHost

COMMITS = "a" * 40, "b" * 40


def put(cache: Path, repo_id: str, commit: str, files: dict[str, bytes], revision: str | None = None) -> None:
    repo = CachedRepo(cache, repo_id)
    repo.prepare()
    keys = {path: content.hex().ljust(40, "0")[:40] for path, content in files.items()}
    for path, content in files.items():
        repo.blob(keys[path]).write_bytes(content)
    repo.register(commit, keys.items(), revision=revision)


def test_each_snapshot_is_a_row_with_its_refs_and_its_bytes(tmp_path: Path) -> None:
    put(tmp_path, "org/m", COMMITS[0], {"a/x.gguf": b"one", "y.json": b"two2"}, "main")
    put(tmp_path, "org/m", COMMITS[1], {"a/x.gguf": b"one"}, "refs/pr/1")
    put(tmp_path, "org/m-b", COMMITS[0], {"z": b"3"})

    models = cached_models(tmp_path)

    assert [(one.id, one.refs, one.files, one.size) for one in models] == [
        (f"org/m-b@{COMMITS[0]}", (), 1, 1),
        (f"org/m@{COMMITS[0]}", ("main",), 2, 7),
        (f"org/m@{COMMITS[1]}", ("refs/pr/1",), 1, 3),
    ]
    assert models[1].folder == tmp_path / "models--org--m/snapshots" / COMMITS[0]


def test_two_names_of_one_blob_count_once(tmp_path: Path) -> None:
    put(tmp_path, "org/m", COMMITS[0], {"x": b"same", "y": b"same"})

    assert [(one.files, one.size) for one in cached_models(tmp_path)] == [(1, 4)]


def test_what_is_broken_or_no_model_is_left_out(tmp_path: Path) -> None:
    put(tmp_path, "org/m", COMMITS[0], {"x": b"here", "y": b"gone"}, "main")
    CachedRepo(tmp_path, "org/m").blob(b"gone".hex().ljust(40, "0")).unlink()
    put(tmp_path, "org/nothing", COMMITS[0], {})
    snapshots = tmp_path / "models--org--m/snapshots"
    (snapshots / "a-file").write_text("x")
    (snapshots / COMMITS[0] / "loop").symlink_to(snapshots)
    (tmp_path / "models--org--m/refs/odd").write_bytes(b"\xff\xfe")
    (tmp_path / "models--a-file").write_text("x")
    (tmp_path / "datasets--org--d/snapshots/x").mkdir(parents=True)
    (tmp_path / "version.txt").write_text("1")

    assert [(one.id, one.refs, one.size) for one in cached_models(tmp_path)] == [
        (f"org/m@{COMMITS[0]}", ("main",), 4)
    ]


@pytest.mark.parametrize("missing", ["nowhere", "a-file/below"])
def test_a_cache_that_is_not_there_is_empty(tmp_path: Path, missing: str) -> None:
    (tmp_path / "a-file").touch()

    assert cached_models(tmp_path / missing) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_cache_that_may_not_be_read_is_no_empty_one(tmp_path: Path) -> None:
    tmp_path.chmod(0)
    try:
        with pytest.raises(PermissionError):
            cached_models(tmp_path)
    finally:
        tmp_path.chmod(0o700)


async def test_what_was_pulled_is_told_as_huggingface_hub_tells_it(hub: LocalHub, own_home: Path) -> None:
    hub.add_repo("org/m", {"m-Q8_0.gguf": Blob(MIB), "config.json": b"{}"})
    async with LocalBackgroundTaskHost() as host, DownloadManager(host) as manager:
        await manager.pull("org/m")

    (ours,) = cached_models(own_home / "hub")
    (theirs,) = scan_cache_dir(own_home / "hub").repos
    (revision,) = theirs.revisions
    assert (ours.repo_id, ours.commit) == (theirs.repo_id, revision.commit_hash)
    assert (ours.size, ours.files) == (revision.size_on_disk, revision.nb_files)
    assert (ours.refs, ours.folder) == (tuple(revision.refs), revision.snapshot_path)
    assert ours.modified_at == revision.last_modified
