"""What is here is read once: held against its checksum, then remembered as long as it is not touched."""

import os
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread
import attrs
import pytest

from hostel.plugins.model_pull import ContentChanged, IntegrityFailed, NotFound, RemoteFile
from hostel.plugins.model_pull._cache.verify import Verified
from hostel.plugins.model_pull._engine import FetchProgress, Limiter, fetch
from hostel.plugins.model_pull._sources.remote_file import Digest, DigestAlgorithm
from hostel.plugins.model_pull.testing import MIB, Blob, Fault, LocalHub, Origin

HELLO = Digest(DigestAlgorithm.SHA256, "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03")
HELLO_GIT = Digest(DigestAlgorithm.GIT_SHA1, "ce013625030ba8dba906f756967f9e9ca394464a")
Publish = Callable[[Blob | bytes], RemoteFile]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "blobs" / "file"
    file.parent.mkdir()
    file.write_text("hello\n")
    return file


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "record"


def reads(
    record: Path | None, file: Path, digest: Digest | None = HELLO, *, anew: bool = False
) -> tuple[bool, bool]:
    """Return whether the file is true, and whether it was read to know."""
    read: list[bool] = []
    true = Verified(record).holds(file, 6, digest, anew=anew, on_read=lambda: read.append(True))
    return true, bool(read)


@pytest.mark.parametrize("digest", [HELLO, HELLO_GIT])
def test_a_file_is_read_once_and_remembered(file: Path, record: Path, digest: Digest) -> None:
    assert reads(record, file, digest) == (True, True)
    assert reads(record, file, digest) == (True, False)
    assert reads(record, file, digest, anew=True) == (True, True)


def test_a_file_that_is_touched_is_read_again(file: Path, record: Path) -> None:
    reads(record, file)
    os.utime(file, ns=(1, 1))
    assert reads(record, file) == (True, True)

    file.write_text("hullo\n")
    os.utime(file, ns=(1, 1))
    copy = file.with_name("copy")
    copy.write_text("hullo\n")
    os.utime(copy, ns=(1, 1))
    copy.replace(file)
    assert reads(record, file) == (False, True)


def test_what_is_not_true_is_not_remembered(file: Path, record: Path) -> None:
    file.write_text("hullo\n")

    assert reads(record, file) == (False, True)
    assert reads(record, file) == (False, True)
    assert reads(record, file.with_name("none")) == (False, False)
    assert reads(record, file.parent) == (False, False)


def test_what_has_no_checksum_is_taken_on_trust_unless_it_is_to_be_read_anew(
    file: Path, record: Path
) -> None:
    assert reads(record, file, None) == (True, False)
    assert reads(record, file, None, anew=True) == (False, False)


def test_another_checksum_is_another_question(file: Path, record: Path) -> None:
    reads(record, file)

    assert reads(record, file, attrs.evolve(HELLO, value="0" * 64)) == (False, True)


def test_a_record_of_somebody_else_is_not_believed(file: Path, record: Path, tmp_path: Path) -> None:
    reads(record, file)
    link = tmp_path / "link"
    link.symlink_to(record)
    assert reads(link, file) == (True, True)

    os.link(record, tmp_path / "second name")
    assert reads(record, file) == (True, True)
    (tmp_path / "second name").unlink()
    assert reads(record, file) == (True, False)
    if os.geteuid() == 0:
        os.chown(record, 12345, -1)
        assert reads(record, file) == (True, True)


@pytest.mark.parametrize("text", ["", "x", "a b c d\n", "\xff\x00\n" * 9, "1 2 3 4 5\n"])
def test_a_record_that_makes_no_sense_is_none(text: str, file: Path, record: Path) -> None:
    record.write_text(text)

    assert reads(record, file) == (True, True)


def test_without_a_place_to_remember_it_is_read_each_time(file: Path, tmp_path: Path) -> None:
    for place in (None, tmp_path / "no" / "folder"):
        assert reads(place, file) == (True, True)
        assert reads(place, file) == (True, True)


def test_reading_ends_when_it_is_stopped(file: Path, record: Path) -> None:
    assert not Verified(record).holds(file, 6, HELLO, stopped=lambda: True)
    assert not record.exists()


async def test_what_was_fetched_is_remembered(
    hub: LocalHub, blob: Path, record: Path, publish: Publish
) -> None:
    file = publish(Blob(MIB))
    await fetch(file, blob, record=record)
    seen: list[FetchProgress] = []
    fetched = await fetch(file, blob, record=record, on_progress=seen.append)

    assert fetched.adopted
    assert file.digest is not None
    assert Verified(record).holds(blob, MIB, file.digest, stopped=lambda: True)


@pytest.mark.parametrize("content", [Blob(5 * MIB), b"{}" * 50], ids=["sha256", "name of git"])
async def test_a_file_of_the_right_size_with_other_content_is_replaced(
    content: Blob | bytes, hub: LocalHub, blob: Path, publish: Publish
) -> None:
    file = publish(content)
    blob.write_bytes(bytes(file.size or 0))
    fetched = await fetch(file, blob)

    assert not fetched.adopted
    assert blob.read_bytes() == (content if isinstance(content, bytes) else content.read())


async def test_a_false_file_that_appears_meanwhile_does_not_end_the_transfer(
    hub: LocalHub, blob: Path, publish: Publish
) -> None:
    content = Blob(40 * MIB)
    file = publish(content)
    stalled = hub.fault(Fault(origin=Origin.CDN, stall_after=MIB))

    async def plant_it() -> None:
        await anyio.to_thread.run_sync(hub.wait_until_stalled)
        other = blob.with_name("other")
        other.write_bytes(bytes(content.size))
        other.rename(blob)
        stalled.disarm()
        assert await anyio.to_thread.run_sync(lambda: hub.wait_for(lambda: cut_off(hub), timeout=300))

    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(plant_it)
            fetched = await fetch(file, blob)

    assert (fetched.adopted, fetched.attempts) == (False, 2)
    assert blob.read_bytes() == content.read()
    assert fetched.fetched <= content.size + 8 * MIB


def cut_off(hub: LocalHub) -> bool:
    return any(not one.finished for one in hub.exchanges(origin=Origin.CDN)) or len(hub.exchanges()) > 2


@pytest.fixture
def local(tmp_path: Path) -> RemoteFile:
    """A file of this machine, as a source would name it."""
    content = Blob(40 * MIB, seed=4)
    path = tmp_path / "a model.gguf"
    path.write_bytes(content.read())
    return RemoteFile("m.gguf", content.size, content.sha256, path.as_uri())


async def test_a_local_file_is_copied_and_held_against_its_checksum(
    local: RemoteFile, blob: Path, record: Path
) -> None:
    fetched = await fetch(local, blob, record=record)

    assert fetched.digest == local.digest
    assert blob.read_bytes() == Blob(40 * MIB, seed=4).read()
    assert [path.name for path in blob.parent.iterdir()] == ["blob"]
    with pytest.raises(IntegrityFailed):
        await fetch(attrs.evolve(local, sha256="0" * 64), blob)


async def test_a_local_file_that_has_changed_or_gone_is_told(
    local: RemoteFile, blob: Path, tmp_path: Path
) -> None:
    with pytest.raises(ContentChanged):
        await fetch(attrs.evolve(local, size=5), blob)
    (tmp_path / "a model.gguf").unlink()
    with pytest.raises(NotFound):
        await fetch(local, blob)

    assert list(blob.parent.iterdir()) == []


async def test_a_cancelled_copy_goes_on_where_it_was_and_heeds_its_limit(
    local: RemoteFile, blob: Path
) -> None:
    limiter, told = Limiter(16 * MIB), []

    with anyio.CancelScope() as scope:

        def tell(progress: FetchProgress) -> None:
            told.append(progress.done)
            if progress.done >= 8 * MIB:
                scope.cancel()

        await fetch(local, blob, limiter=limiter, on_progress=tell)
    assert scope.cancelled_caught

    fetched = await fetch(local, blob)
    assert max(told) < 40 * MIB
    assert fetched.resumed >= 8 * MIB
    assert blob.read_bytes() == Blob(40 * MIB, seed=4).read()


async def test_two_copies_of_one_file_are_one(local: RemoteFile, blob: Path) -> None:
    adopted: list[bool] = []

    async def one() -> None:
        adopted.append((await fetch(local, blob)).adopted)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        tasks.start_soon(one)

    assert sorted(adopted) == [False, True]


async def test_a_redirect_never_leads_to_a_local_file(hub: LocalHub, local: RemoteFile, blob: Path) -> None:
    hub.add_repo("org/m", {"m.gguf": Blob(local.size or 0)})
    hub.fault(Fault(origin=Origin.HUB, status=302, set_headers={"Location": local.url}))
    with pytest.raises(Exception, match="only http and https"):
        await fetch(attrs.evolve(local, url=f"{hub.endpoint}/org/m/resolve/main/m.gguf"), blob)
