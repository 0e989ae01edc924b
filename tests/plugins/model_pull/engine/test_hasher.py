import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostel.plugins.model_pull._engine.hasher import FollowingHasher
from hostel.plugins.model_pull._sources.remote_file import Digest, DigestAlgorithm

DATA = bytes(range(256)) * 20_000


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "data").write_bytes(DATA)
    fd = os.open(tmp_path / "data", os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    ("algorithm", "value"),
    [
        (DigestAlgorithm.SHA256, hashlib.sha256(DATA).hexdigest()),
        (DigestAlgorithm.GIT_SHA1, hashlib.sha1(b"blob %d\0" % len(DATA) + DATA).hexdigest()),
    ],
)
def test_the_checksum_follows_the_frontier_to_the_end(
    algorithm: DigestAlgorithm, value: str, fd: int
) -> None:
    with FollowingHasher(fd, algorithm, len(DATA)) as hasher:
        for frontier in (0, 1, 500_000, 400_000, 3_000_000, len(DATA)):
            hasher.reach(frontier)
        assert hasher.result(len(DATA)) == Digest(algorithm, value)


def test_a_hasher_that_is_stopped_has_no_result(fd: int) -> None:
    with FollowingHasher(fd, DigestAlgorithm.SHA256, len(DATA)) as hasher:
        hasher.reach(5)
        hasher.stop()

        assert hasher.result(len(DATA)) is None


def test_a_file_that_is_too_short_is_a_failure(fd: int) -> None:
    with FollowingHasher(fd, DigestAlgorithm.SHA256, None) as hasher:
        hasher.reach(len(DATA) + 1)
        with pytest.raises(OSError, match="shorter"):
            hasher.result(len(DATA) + 1)


def test_nothing_has_a_checksum_too(fd: int) -> None:
    with FollowingHasher(fd, DigestAlgorithm.SHA256, 0) as hasher:
        assert hasher.result(0) == Digest(DigestAlgorithm.SHA256, hashlib.sha256().hexdigest())
