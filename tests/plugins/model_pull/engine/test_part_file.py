"""What is believed about a partial file."""

import os
import stat
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.plugins.model_pull import RemoteFile, StorageFailed
from hostel.plugins.model_pull._cache.layout import part_path
from hostel.plugins.model_pull._engine.net.response import Version
from hostel.plugins.model_pull._engine.part_file import (
    Part,
    Sidecar,
    discard_files,
    read_sidecar,
    sidecar_path,
)
from hostel.plugins.model_pull._engine.ranges import RangePlan, Span

PINNED = RemoteFile("m.gguf", 100, "AB" * 32, "https://hub/m.gguf")
UNPINNED = attrs.evolve(PINNED, sha256=None)
VERSION = Version('"v1"')

spans = st.lists(st.tuples(st.integers(0, 90), st.integers(1, 10)), max_size=5).map(
    lambda pairs: RangePlan(100, [Span(start, start + length) for start, length in pairs]).done
)
sidecars = st.builds(
    Sidecar,
    content=st.none() | st.text(max_size=10),
    size=st.just(100) | st.none(),
    version=st.builds(Version, st.none() | st.text(max_size=5), st.none() | st.text(max_size=5)),
    done=spans,
)


@given(sidecars)
def test_a_sidecar_survives_its_json(sidecar: Sidecar) -> None:
    assert Sidecar.from_json(sidecar.to_json()) == sidecar


@given(sidecars, st.data())
def test_a_torn_sidecar_is_no_sidecar(sidecar: Sidecar, data: st.DataObject) -> None:
    text = sidecar.to_json()

    assert Sidecar.from_json(text[: data.draw(st.integers(0, len(text) - 1))]) is None


@pytest.mark.parametrize(
    "done",
    [
        "[[5, 5]]",
        "[[5, 4]]",
        "[[-1, 4]]",
        "[[0, 101]]",
        "[[0, 9], [5, 10]]",
        "[[5, 6], [0, 1]]",
        "[5]",
        "{}",
        '"x"',
    ],
)
def test_spans_that_make_no_sense_are_not_believed(done: str) -> None:
    text = f'{{"v": 1, "content": null, "size": 100, "etag": null, "modified": null, "done": {done}}}'
    found = Sidecar.from_json(text)

    assert found is None or found.done == ()


@pytest.mark.parametrize("text", ["", "[]", "null", "5", '{"v": 2}', "{}", '{"v": 1}'])
def test_other_json_is_no_sidecar(text: str) -> None:
    assert Sidecar.from_json(text) is None


def test_only_the_wanted_content_is_continued() -> None:
    mine = attrs.evolve(Sidecar.begun(PINNED), done=(Span(0, 5),))

    assert mine.continues(PINNED)
    assert mine.continues(attrs.evolve(PINNED, url="https://mirror/other", size=None))
    assert not mine.continues(attrs.evolve(PINNED, sha256="cd" * 32))
    assert not mine.continues(attrs.evolve(PINNED, size=101))
    assert not mine.continues(UNPINNED)


def test_content_without_checksum_is_continued_only_if_a_version_tells_it_apart() -> None:
    begun = Sidecar.begun(UNPINNED)

    assert not begun.continues(UNPINNED)
    assert attrs.evolve(begun, version=VERSION).continues(UNPINNED)
    assert not attrs.evolve(begun, version=VERSION).continues(PINNED)


def test_what_is_recorded_is_read_again(tmp_path: Path) -> None:
    path = part_path(tmp_path / "blob")
    told = attrs.evolve(Sidecar.begun(PINNED), version=VERSION, done=(Span(0, 5), Span(20, 30)))
    with Part(path, PINNED) as part:
        part.reserve(100)
        part.write(memoryview(b"x" * 10), 20)
        part.record(told)
    with Part(path, PINNED) as part:
        assert part.resumed == told
    assert path.read_bytes()[20:30] == b"x" * 10


def test_a_part_of_something_else_is_emptied(tmp_path: Path) -> None:
    path = part_path(tmp_path / "blob")
    path.write_bytes(b"something else")
    with Part(path, PINNED) as part:
        assert part.resumed.done == ()
        assert path.stat().st_size == 0


def test_a_published_file_has_its_exact_size_and_no_sidecar(tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    with Part(part_path(blob), PINNED) as part:
        part.reserve(1000)
        part.write(memoryview(b"y" * 100), 0)
        part.record(attrs.evolve(Sidecar.begun(PINNED), done=(Span(0, 100),)))
        part.publish(blob, 100)

    assert [path.name for path in tmp_path.iterdir()] == ["blob"]
    assert blob.read_bytes() == b"y" * 100


def test_a_part_that_was_replaced_is_not_published(tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    with Part(part_path(blob), PINNED) as part:
        part_path(blob).unlink()
        part_path(blob).write_bytes(b"another writer's")
        with pytest.raises(StorageFailed, match="replaced"):
            part.publish(blob, 100)

    assert not blob.exists()


def test_an_unreadable_sidecar_is_no_sidecar(tmp_path: Path) -> None:
    path = part_path(tmp_path / "blob")
    path.write_bytes(bytes(100))
    sidecar_path(path).write_bytes(b"\xff\xfe")

    assert read_sidecar(path, PINNED).done == ()


def test_a_part_that_is_shorter_than_its_sidecar_says_is_begun_anew(tmp_path: Path) -> None:
    path = part_path(tmp_path / "blob")
    told = attrs.evolve(Sidecar.begun(PINNED), done=(Span(0, 5), Span(20, 30)))
    with Part(path, PINNED) as part:
        part.reserve(100)
        part.record(told)
    os.truncate(path, 30)
    assert read_sidecar(path, PINNED) == told
    os.truncate(path, 29)

    assert read_sidecar(path, PINNED).done == ()
    with Part(path, PINNED) as part:
        assert part.resumed.done == ()
        assert path.stat().st_size == 0


@pytest.mark.parametrize("resumed", [False, True])
def test_a_link_in_the_place_of_a_part_is_refused(tmp_path: Path, resumed: bool) -> None:
    path, other = part_path(tmp_path / "blob"), tmp_path / "other"
    other.write_bytes(bytes(100))
    path.symlink_to(other)
    if resumed:
        sidecar_path(path).write_text(attrs.evolve(Sidecar.begun(PINNED), done=(Span(0, 5),)).to_json())

    with pytest.raises(StorageFailed):
        Part(path, PINNED)
    assert other.read_bytes() == bytes(100)


def test_bytes_are_durable_before_the_sidecar_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = part_path(tmp_path / "blob")
    named_when_synced: list[tuple[int, bool]] = []
    name = "fdatasync" if hasattr(os, "fdatasync") else "fsync"
    monkeypatch.setattr(os, name, lambda fd: named_when_synced.append((fd, sidecar_path(path).exists())))
    told = attrs.evolve(Sidecar.begun(PINNED), done=(Span(0, 5),))
    with Part(path, PINNED) as part:
        part.record(told)
        part.record(told)

        assert named_when_synced == [(part.fd, False)]
    assert read_sidecar(path, PINNED).done == ()  # nothing was written, so the part is too short
    assert Sidecar.from_json(sidecar_path(path).read_text()) == told


def test_a_file_is_durable_before_it_has_its_name_and_then_its_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = tmp_path / "blob"
    synced: list[tuple[bool, bool]] = []

    def sync(fd: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(fd).st_mode), blob.exists()))

    monkeypatch.setattr(os, "fsync", sync)
    with Part(part_path(blob), PINNED) as part:
        part.write(memoryview(b"y" * 100), 0)
        part.publish(blob, 100)

    assert synced == [(False, False), (True, True)]


def test_a_sidecar_that_cannot_be_written_leaves_no_draft(tmp_path: Path) -> None:
    path = part_path(tmp_path / "blob")
    sidecar_path(path).mkdir()
    (sidecar_path(path) / "in the way").touch()
    with Part(path, PINNED) as part, pytest.raises(StorageFailed):
        part.record(attrs.evolve(Sidecar.begun(PINNED), done=(Span(0, 5),)))

    assert not list(tmp_path.glob("*.tmp"))


def test_a_draft_that_a_crash_has_left_goes_with_its_part(tmp_path: Path) -> None:
    path = part_path(tmp_path / "blob")
    path.with_name(f"{path.name}.json.tmp").write_text("half a sidec")
    path.touch()

    assert discard_files(path)
    assert list(tmp_path.iterdir()) == []
    assert not discard_files(path)
