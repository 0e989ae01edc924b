import hashlib

import pytest

from hostel.plugins.model_pull.testing import MIB, Blob


def test_a_blob_begins_with_its_head_and_has_its_size() -> None:
    blob = Blob(size=3 * MIB + 5, seed=4, head=b"GGUF")

    assert len(blob.read()) == 3 * MIB + 5
    assert blob.read(0, 4) == b"GGUF"
    assert Blob.of(b"as given").read() == b"as given"


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 3), (2, 9), (MIB - 1, MIB + 1), (2 * MIB, None), (0, 99 * MIB)]
)
def test_every_range_of_a_blob_is_a_slice_of_the_whole(start: int, stop: int | None) -> None:
    blob = Blob(size=2 * MIB + 77, seed=4, head=b"GGUF head")

    assert blob.read(start, stop) == blob.read()[start:stop]


def test_blocks_and_seeds_differ_so_that_a_misplaced_write_shows() -> None:
    blob, other = Blob(size=64 * MIB, seed=1), Blob(size=64 * MIB, seed=2)
    blocks = {bytes(piece) for content in (blob, other) for piece in content.pieces()}

    assert len(blocks) == 128


def test_the_same_seed_gives_the_same_bytes_on_every_machine() -> None:
    assert Blob(size=MIB, seed=1).sha256 == "6c8c031ee56c30b891d6b61a8dd724045fdfd38fada67c09b44bfd0662f3fb64"


def test_digests_are_those_of_the_content() -> None:
    for blob in (Blob(size=MIB + 1, seed=3, head=b"x"), Blob.of(b"hello\n")):
        assert blob.sha256 == hashlib.sha256(blob.read()).hexdigest()
    assert Blob.of(b"hello\n").git_sha1 == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_a_head_longer_than_the_blob_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot begin with 4 bytes"):
        Blob(size=3, head=b"GGUF")
