"""A model that is all here is had without asking anybody, and the pull says that it did not ask."""

from pathlib import Path

import anyio
import pytest
from huggingface_hub import close_session, constants, snapshot_download

from hostel.plugins.model_pull import (
    DownloadEvent,
    Notice,
    PullError,
    PullOptions,
    Unreachable,
    pull_once,
)
from hostel.plugins.model_pull._cache.disk_space import DiskReservations
from hostel.plugins.model_pull.testing import Blob, LocalHub

FILES: dict[str, bytes | Blob] = {
    "m-Q4_K_M.gguf": Blob(size=1 << 16, seed=1),
    "m-Q8_0.gguf": Blob(size=1 << 17, seed=2),
    "config.json": b"{}",
}


@pytest.fixture
def repo(hub: LocalHub) -> LocalHub:
    hub.add_repo("org/m", FILES)
    return hub


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nothing listens there


def notices(events: list[DownloadEvent]) -> list[str]:
    return [event.message for event in events if isinstance(event, Notice)]


async def test_a_pulled_model_is_had_again_without_the_hub(
    repo: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await pull_once("org/m")
    without_network(monkeypatch)
    events: list[DownloadEvent] = []

    again = await pull_once("org/m", emit=events.append)

    assert (again.path, again.commit, again.fetched) == (first.path, first.commit, 0)
    assert again.choice == first.choice
    assert [told.partition(" (")[0] for told in notices(events)] == [
        "from the cache alone: 127.0.0.1:9 is not asked"
    ]


@pytest.mark.parametrize("name", ["org/m", "org/m:Q4_K_M", "org/m@main", "org/m@{commit}"])
async def test_whatever_was_pulled_can_be_named_as_before(
    repo: LocalHub, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    first = await pull_once("org/m")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    events: list[DownloadEvent] = []

    again = await pull_once(name.format(commit=first.commit), emit=events.append)

    assert again.path == first.path
    assert "HF_HUB_OFFLINE is set" in notices(events)[0]


async def test_what_is_not_here_is_told_with_how_much_of_it(
    repo: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pull_once("org/m:Q4_K_M")
    without_network(monkeypatch)

    with pytest.raises(Unreachable, match="1 of the 2 files are not in the cache"):
        await pull_once("org/m:Q8_0")


async def test_a_choice_that_the_cache_does_not_have_is_told_as_that(
    repo: LocalHub, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot_download("org/m", endpoint=repo.endpoint, cache_dir=own_home / "hub", allow_patterns=["*Q8_0*"])
    close_session()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    with pytest.raises(Unreachable, match=r"HF_HUB_OFFLINE is set, and in the cache: .*Q4_K_M"):
        await pull_once("org/m:Q4_K_M")


async def test_what_was_never_here_is_not_found_in_the_cache(repo: LocalHub, offline: None) -> None:
    with pytest.raises(Unreachable, match="HF_HUB_OFFLINE"):
        await pull_once("org/m")


async def test_a_cache_that_huggingface_hub_has_written_will_do(
    repo: LocalHub, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = snapshot_download(
        "org/m", endpoint=repo.endpoint, cache_dir=own_home / "hub", allow_patterns=["*Q8_0*", "*.json"]
    )
    close_session()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    pulled = await pull_once("org/m")

    assert pulled.snapshot == Path(folder)
    assert pulled.path.name == "m-Q8_0.gguf"


async def test_a_file_that_has_changed_is_not_passed_off_as_the_model(
    repo: LocalHub, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = (
        Path(snapshot_download("org/m", endpoint=repo.endpoint, cache_dir=own_home / "hub")) / "m-Q4_K_M.gguf"
    )
    close_session()
    path.resolve().write_bytes(bytes(1 << 16))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    with pytest.raises(Unreachable):
        await pull_once("org/m:Q4_K_M")


async def test_a_listing_that_somebody_planted_is_not_believed(
    repo: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await pull_once("org/m:Q4_K_M")
    listing = next(first.snapshot.parent.parent.glob(".hostel-listing-*"))
    planted = tmp_path / "planted"
    planted.write_text("[]")
    listing.unlink()
    listing.symlink_to(planted)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    assert (await pull_once("org/m")).path == first.path


@pytest.mark.parametrize("text", ["", "[", "[[1]]", '[["a", -1, "b", 2]]', "{}", "null"])
async def test_a_damaged_listing_is_none(repo: LocalHub, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    first = await pull_once("org/m:Q4_K_M")
    next(first.snapshot.parent.parent.glob(".hostel-listing-*")).write_text(text)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    assert (await pull_once("org/m")).path == first.path


async def test_a_disk_that_is_only_read_will_do(
    repo: LocalHub, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = PullOptions(cache_dir=small_disk / "hub")
    first = await pull_once("org/m", options, reservations=DiskReservations(cushion=0))
    await anyio.run_process(["mount", "-o", "remount,ro", str(small_disk)])

    assert (await pull_once("org/m", options)).fetched == 0
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert (await pull_once("org/m", options)).path == first.path
    with pytest.raises(PullError):
        await pull_once("org/m:Q8_0", options)


def test_huggingface_hub_still_calls_its_switch_so() -> None:
    assert hasattr(constants, "HF_HUB_OFFLINE")
