from pathlib import Path

import attrs

from hostel.plugins.model_pull._recheck import digest_of, sound
from hostel.plugins.model_pull._remote import DigestAlgorithm, RemoteFile

HELLO = RemoteFile(
    "hello", 6, "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03", "https://h/x"
)


def test_content_is_held_against_its_checksum(tmp_path: Path) -> None:
    blob = tmp_path / "b"
    blob.write_text("hello\n")

    assert sound(HELLO, blob)
    blob.write_text("hullo\n")
    assert not sound(HELLO, blob)
    assert not sound(HELLO, tmp_path / "none")


def test_what_has_no_checksum_cannot_be_sound(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("hello\n")

    assert not sound(attrs.evolve(HELLO, sha256=None), tmp_path / "b")


def test_the_checksum_of_a_small_file_is_that_of_git(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("hello\n")

    found = digest_of(tmp_path / "b", DigestAlgorithm.GIT_SHA1)

    assert found is not None
    assert found.value == "ce013625030ba8dba906f756967f9e9ca394464a"
