"""What is in the cache, held against its checksums once more."""

import hashlib
from pathlib import Path

from hostel.plugins.model_pull._remote import Digest, DigestAlgorithm, RemoteFile


def sound(file: RemoteFile, blob: Path) -> bool:
    """Tell whether the content of a blob is the promised one; without a checksum it is not."""
    return file.digest is not None and digest_of(blob, file.digest.algorithm) == file.digest


def digest_of(blob: Path, algorithm: DigestAlgorithm) -> Digest | None:
    """Return the checksum of a file, None if it cannot be read."""
    try:
        with blob.open("rb") as content:
            if algorithm is DigestAlgorithm.SHA256:
                return Digest(algorithm, hashlib.file_digest(content, "sha256").hexdigest())
            begun = hashlib.sha1(b"blob %d\0" % blob.stat().st_size, usedforsecurity=False)
            return Digest(algorithm, hashlib.file_digest(content, lambda: begun).hexdigest())
    except OSError:
        return None
