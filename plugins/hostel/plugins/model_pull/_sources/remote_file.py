"""What a source says about one remote file, and what the transfer engine needs to know."""

from collections.abc import Mapping
from enum import StrEnum

import attrs
from attrs.validators import ge, matches_re, optional


class DigestAlgorithm(StrEnum):
    SHA256 = "sha256"
    GIT_SHA1 = "git-sha1"
    """SHA-1 over `blob <size>\\0` and the content, as git names a file."""


@attrs.frozen
class Digest:
    """A checksum in lower-case hexadecimal."""

    algorithm: DigestAlgorithm
    value: str


@attrs.frozen
class RemoteFile:
    """One remote file, pinned as far as its source can pin it.

    :ivar path: its name inside the model, with forward slashes; for people, never used as a local path here
    :ivar size: bytes, None if unknown
    :ivar sha256: of the content, hexadecimal; None if unknown. Never taken from a CDN's ETag
    :ivar url: http or https, at the origin: redirects are followed at transfer time
    :ivar headers: sent to the origin of `url` only (scheme, host and port), never to where it redirects
    :ivar git_oid: git's SHA-1 of a small file, None if unknown; used when `sha256` is None
    :ivar commit: the commit of the repository it was listed at, None where its source has none
    :ivar version: tells contents without a checksum apart, an ETag or a time; None if unknown
    :raises ValueError: if the size is negative or a checksum is none; a blank one must not pass for None
    """

    path: str
    size: int | None = attrs.field(validator=optional(ge(0)))
    sha256: str | None = attrs.field(validator=optional(matches_re("[0-9a-fA-F]{64}")))
    url: str
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False, hash=False)
    git_oid: str | None = attrs.field(default=None, validator=optional(matches_re("[0-9a-fA-F]{40}")))
    commit: str | None = None
    version: str | None = None

    @property
    def digest(self) -> Digest | None:
        """Return the checksum to hold the content against, None if the source names none."""
        if self.sha256:
            return Digest(DigestAlgorithm.SHA256, self.sha256.lower())
        if self.git_oid and self.size is not None:
            return Digest(DigestAlgorithm.GIT_SHA1, self.git_oid.lower())
        return None
