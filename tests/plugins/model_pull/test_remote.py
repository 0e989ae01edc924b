from hostel.plugins.model_pull._remote import Digest, DigestAlgorithm, RemoteFile


def remote(**fields: object) -> RemoteFile:
    return RemoteFile(**{"path": "m.gguf", "size": 5, "sha256": None, "url": "https://hub/m.gguf", **fields})  # type: ignore[arg-type]


def test_sha256_is_preferred_to_the_name_git_gives() -> None:
    assert remote(sha256="AB", git_oid="cd").digest == Digest(DigestAlgorithm.SHA256, "ab")
    assert remote(git_oid="CD").digest == Digest(DigestAlgorithm.GIT_SHA1, "cd")
    assert remote().digest is None


def test_gits_name_cannot_be_checked_without_the_size() -> None:
    assert remote(git_oid="cd", size=None).digest is None


def test_headers_are_never_shown() -> None:
    assert "secret" not in repr(remote(headers={"Authorization": "Bearer secret"}))
