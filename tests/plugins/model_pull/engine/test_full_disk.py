"""A disk that is full, or fills up, or refuses."""

from collections.abc import Callable
from pathlib import Path

import anyio
import attrs
import pytest

from hostel.plugins.model_pull import NoSpace, RemoteFile, StorageFailed
from hostel.plugins.model_pull._engine import fetch, partial_of
from hostel.plugins.model_pull.testing import MIB, Blob, Fault, LocalHub, Origin

from .cutting import fetch_some

Publish = Callable[[Blob | bytes], RemoteFile]


async def test_a_full_disk_is_told_before_a_byte_is_asked_for(
    hub: LocalHub, small_disk: Path, publish: Publish
) -> None:
    with pytest.raises(NoSpace) as caught:
        await fetch(publish(Blob(40 * MIB)), small_disk / "blob")

    assert caught.value.needed == 40 * MIB
    assert caught.value.free < 31 * MIB
    assert caught.value.recoverable
    assert hub.exchanges() == []
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_fills_up_meanwhile_keeps_what_is_there(
    hub: LocalHub, small_disk: Path, publish: Publish
) -> None:
    content = Blob(40 * MIB, seed=1)
    file = attrs.evolve(publish(content), size=None, sha256=None)
    hub.fault(Fault(origin=Origin.CDN, bps=10 * MIB))
    hub.fault(Fault(origin=Origin.CDN, drop_headers=("content-length",), no_range=True))
    blob = small_disk / "blob"
    with pytest.raises(NoSpace):
        anyio.run(fetch, file, blob)

    assert not blob.exists()
    partial = partial_of(file, blob)
    assert partial is not None
    assert partial.done > 5 * MIB


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, publish: Publish) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageFailed, match="cannot be written"):
        await fetch(publish(Blob(MIB)), tmp_path / "file" / "blob")


async def test_the_whole_size_is_claimed_at_the_start(hub: LocalHub, blob: Path, publish: Publish) -> None:
    file = publish(Blob(40 * MIB))
    hub.fault(Fault(origin=Origin.CDN, bps=5 * MIB))
    await fetch_some(file, blob)
    partial = partial_of(file, blob)

    assert partial is not None
    assert partial.allocated >= 40 * MIB > partial.done
