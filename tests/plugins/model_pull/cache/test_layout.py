from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download

from hostel.plugins.model_pull import StorageFailed, UnsafePath
from hostel.plugins.model_pull._cache.layout import CachedRepo

COMMIT = "c" * 40
KEYS = {"config.json": "a" * 40, "Q8_0/m.gguf": "b" * 64}


@pytest.fixture
def repo(tmp_path: Path) -> CachedRepo:
    repo = CachedRepo(tmp_path / "hub", "org/m")
    repo.prepare()
    for path, key in KEYS.items():
        repo.blob(key).write_bytes(path.encode())
    return repo


def test_huggingface_hub_finds_what_was_registered(repo: CachedRepo) -> None:
    folder = repo.register(COMMIT, KEYS.items(), revision="main")

    for path in KEYS:
        found = hf_hub_download("org/m", path, cache_dir=repo.cache_dir, local_files_only=True)
        assert Path(found) == folder / path
        assert Path(found).read_bytes() == path.encode()
    assert folder == Path(snapshot_download("org/m", cache_dir=repo.cache_dir, local_files_only=True))
    report = scan_cache_dir(repo.cache_dir)
    assert report.warnings == []
    [scanned] = report.repos
    assert {"Q8_0/m.gguf", "config.json"} == {
        str(file.file_path.relative_to(folder)) for rev in scanned.revisions for file in rev.files
    }


def test_a_branch_moves_to_its_new_commit_and_the_old_snapshot_stays(repo: CachedRepo) -> None:
    old = repo.register(COMMIT, KEYS.items(), revision="refs/pr/1")
    new = repo.register("d" * 40, [("config.json", "a" * 40)], revision="refs/pr/1")

    assert (repo.folder / "refs/refs/pr/1").read_text() == "d" * 40
    assert (old / "config.json").exists()
    assert (new / "config.json").exists()


def test_a_commit_leaves_no_ref(repo: CachedRepo) -> None:
    repo.register(COMMIT, KEYS.items(), revision=COMMIT)

    assert list((repo.folder / "refs").iterdir()) == []


def test_registering_twice_changes_nothing(repo: CachedRepo) -> None:
    folder = repo.register(COMMIT, KEYS.items(), revision="main")
    before = (folder / "config.json").lstat().st_mtime_ns

    repo.register(COMMIT, KEYS.items(), revision="main")

    assert before == (folder / "config.json").lstat().st_mtime_ns


def test_a_link_to_another_blob_is_replaced(repo: CachedRepo) -> None:
    folder = repo.register(COMMIT, [("config.json", "b" * 64)])

    repo.register(COMMIT, [("config.json", "a" * 40)])

    assert (folder / "config.json").read_bytes() == b"config.json"
    assert not list(folder.glob("*.tmp"))


def test_files_are_copied_where_links_are_impossible(
    repo: CachedRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: str) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    folder = repo.register(COMMIT, KEYS.items(), revision="main")

    assert not (folder / "config.json").is_symlink()
    found = hf_hub_download("org/m", "config.json", cache_dir=repo.cache_dir, local_files_only=True)
    assert Path(found).read_bytes() == b"config.json"


def test_nothing_outside_the_snapshot_is_written(repo: CachedRepo) -> None:
    with pytest.raises(UnsafePath):
        repo.register(COMMIT, [("../../../x", "a" * 40)])
    with pytest.raises(UnsafePath):
        repo.register(COMMIT, [], revision="../../x")
    with pytest.raises(ValueError, match="not a checksum"):
        repo.blob("../x")
    with pytest.raises(ValueError, match="not a commit"):
        repo.snapshot("../x")


def test_a_blob_that_has_gone_is_not_linked(repo: CachedRepo) -> None:
    repo.blob("a" * 40).unlink()

    with pytest.raises(StorageFailed, match="somebody has removed it"):
        repo.register(COMMIT, KEYS.items(), revision="main")

    assert list((repo.folder / "refs").iterdir()) == []


def test_blobs_that_no_snapshot_links_to_are_dropped_and_others_stay(repo: CachedRepo) -> None:
    repo.register(COMMIT, [("config.json", "a" * 40)])

    repo.drop_unlinked([repo.blob("a" * 40), repo.blob("b" * 64)])

    assert [path.name for path in (repo.folder / "blobs").iterdir()] == ["a" * 40]


def test_a_present_blob_counts_only_at_its_size(repo: CachedRepo) -> None:
    assert repo.holds("a" * 40, len("config.json"))
    assert repo.holds("a" * 40, None)
    assert not repo.holds("a" * 40, 5)
    assert not repo.holds("f" * 40, None)


def test_a_dangling_link_in_blobs_is_not_present(repo: CachedRepo) -> None:
    repo.blob("e" * 64).symlink_to("nowhere")

    assert not repo.holds("e" * 64, None)


def test_a_cache_that_is_a_file_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "hub").write_text("")

    with pytest.raises(StorageFailed, match="cannot be written"):
        CachedRepo(tmp_path / "hub", "org/m").prepare()


def test_the_cache_is_tagged_as_one(repo: CachedRepo) -> None:
    assert (
        (repo.cache_dir / "CACHEDIR.TAG")
        .read_text()
        .startswith("Signature: 8a477f597d28d172789f06886806bc55")
    )
