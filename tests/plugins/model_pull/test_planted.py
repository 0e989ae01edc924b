"""A cache that others may write to: no link that somebody planted there is followed when we write."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hostel.plugins.model_pull import DownloadManager, PullError, StorageFailed
from hostel.plugins.model_pull._cache.layout import CachedRepo
from hostel.plugins.model_pull.testing import MIB, Blob, LocalHub
from hostel.sessions import LocalBackgroundTaskHost

CONTENT = Blob(4 * MIB, seed=3)
LINKS = {
    "owner": "models--org--m/blobs/{key}.hostel.part.owner",
    "lock": "models--org--m/blobs/{key}.hostel.part.lock",
    "part": "models--org--m/blobs/{key}.hostel.part",
    "sidecar": "models--org--m/blobs/{key}.hostel.part.json",
    "draft of the sidecar": "models--org--m/blobs/{key}.hostel.part.json.tmp",
    "blob": "models--org--m/blobs/{key}",
    "tag of the cache": "CACHEDIR.TAG",
    "file of the snapshot": "models--org--m/snapshots/{commit}/m.gguf",
    "ref": "models--org--m/refs/main",
}
FOLDERS = {
    "snapshot": "models--org--m/snapshots/{commit}",
    "folder in the snapshot": "models--org--m/snapshots/{commit}/sub",
}


@pytest.fixture
def plant(hub: LocalHub, own_home: Path) -> Callable[[str, Path], None]:
    """Publish a model and plant a link in its cache."""
    commit = hub.add_repo("org/m", {"m.gguf": CONTENT, "sub/config.json": b"{}"})

    def plant(link: str, target: Path) -> None:
        place = own_home / "hub" / link.format(key=CONTENT.sha256, commit=commit)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)

    return plant


async def pulled() -> Path | None:
    async with LocalBackgroundTaskHost() as host, DownloadManager(host) as manager:
        try:
            return await manager.pull("org/m")
        except PullError:
            return None


@pytest.mark.parametrize("there", [True, False], ids=["another file", "nothing yet"])
@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS.keys())
async def test_a_planted_link_is_not_written_through(
    link: str, there: bool, plant: Callable[[str, Path], None], tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    if there:
        precious.write_text("mine")
    plant(link, precious)

    path = await pulled()

    assert precious.exists() is there
    assert not there or precious.read_text() == "mine"
    assert path is None or path.read_bytes() == CONTENT.read()


@pytest.mark.parametrize("link", FOLDERS.values(), ids=FOLDERS.keys())
async def test_a_planted_folder_takes_no_files(
    link: str, plant: Callable[[str, Path], None], tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    plant(link, elsewhere)

    assert await pulled() is None
    assert [path for path in elsewhere.rglob("*") if not path.is_dir()] == []


def test_a_ref_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    repo = CachedRepo(tmp_path / "hub", "org/m")
    repo.prepare()
    (repo.folder / "refs" / "pr").symlink_to(elsewhere)

    with pytest.raises(StorageFailed, match="leads out"):
        repo.register("c" * 40, [], revision="pr/1")
    assert list(elsewhere.iterdir()) == []


def test_a_cache_that_is_a_link_itself_is_what_its_user_wants(tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    (tmp_path / "hub").symlink_to(tmp_path / "big")
    repo = CachedRepo(tmp_path / "hub", "org/m")
    repo.prepare()
    repo.blob("a" * 40).write_bytes(b"x")

    assert (repo.register("c" * 40, [("x", "a" * 40)], revision="main") / "x").read_bytes() == b"x"
