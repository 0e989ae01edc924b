import os
from pathlib import Path

import pytest

from hostel.plugins.model_pull import NoSpace
from hostel.plugins.model_pull._cache.disk_space import DiskReservations, existing_ancestor, still_needed

EXABYTE = 2**60


def test_an_absurd_size_is_refused_with_its_numbers(tmp_path: Path) -> None:
    with (
        pytest.raises(NoSpace, match=r"1048576\.0 TiB are needed.*GiB to stay free") as caught,
        DiskReservations().reserve([(tmp_path / "new" / "blob", EXABYTE)]),
    ):
        pass

    assert caught.value.needed == EXABYTE
    assert caught.value.cushion >= 2**30
    assert caught.value.recoverable


def test_an_unknown_size_skips_the_check_even_where_nothing_exists() -> None:
    with DiskReservations().reserve([(Path("/nonexistent/x"), None)]):
        pass


def test_what_is_here_needs_no_room_even_on_a_full_disk(tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(b"x")

    with DiskReservations(cushion=EXABYTE).reserve([(blob, 1)]):
        pass


def test_a_partial_counts_by_what_it_takes_up(tmp_path: Path) -> None:
    part = tmp_path / "blob.hostel.part"
    with part.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 2**20)

    assert still_needed(tmp_path / "blob", 2**21) == 2**20
    assert still_needed(tmp_path / "blob", 2**20) == 0


def test_two_pulls_do_not_count_on_the_same_free_bytes(tmp_path: Path) -> None:
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    room = DiskReservations(cushion=0)
    half = [(tmp_path / "one", int(free * 0.6))]
    other = [(tmp_path / "two", int(free * 0.6))]

    with room.reserve(half):
        with pytest.raises(NoSpace, match="reserved by other pulls") as caught, room.reserve(other):
            pass
        assert caught.value.reserved == int(free * 0.6)
        with room.reserve(half):
            pass
    with room.reserve(other):
        pass


def test_room_is_probed_at_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    assert tmp_path == existing_ancestor(tmp_path / "a" / "b" / "c")
