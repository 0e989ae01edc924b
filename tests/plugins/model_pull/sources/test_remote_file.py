import attrs
import pytest

from hostel.plugins.model_pull import RemoteFile
from hostel.plugins.model_pull._sources.remote_file import Digest, DigestAlgorithm

FILE = RemoteFile("m.gguf", 5, None, "https://hub/m.gguf")
SHA256, OID = "AB" * 32, "CD" * 20


def test_sha256_is_preferred_to_the_name_git_gives() -> None:
    both = attrs.evolve(FILE, sha256=SHA256, git_oid=OID)

    assert both.digest == Digest(DigestAlgorithm.SHA256, SHA256.lower())
    assert attrs.evolve(both, sha256=None).digest == Digest(DigestAlgorithm.GIT_SHA1, OID.lower())
    assert FILE.digest is None


def test_gits_name_cannot_be_checked_without_the_size() -> None:
    assert attrs.evolve(FILE, git_oid=OID, size=None).digest is None


def test_headers_are_never_shown() -> None:
    assert "secret" not in repr(attrs.evolve(FILE, headers={"Authorization": "Bearer secret"}))


@pytest.mark.parametrize("sha256", ["", "ab", SHA256 + "0", "zz" * 32])
def test_what_is_no_checksum_is_refused_rather_than_ignored(sha256: str) -> None:
    with pytest.raises(ValueError, match="sha256"):
        attrs.evolve(FILE, sha256=sha256)


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(ValueError, match="size"):
        attrs.evolve(FILE, size=-1)
