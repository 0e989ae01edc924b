"""What a transfer tells while it runs and when it is done."""

from enum import StrEnum
from pathlib import Path

import attrs

from .._sources.remote_file import Digest


class FetchPhase(StrEnum):
    LOCKED_OUT = "locked out"
    """Another process is writing the same file."""
    DOWNLOADING = "downloading"
    VERIFYING = "verifying"
    """All bytes are here; the checksum is catching up."""
    PUBLISHING = "publishing"


@attrs.frozen
class FetchProgress:
    """Where a transfer stands.

    :ivar done: bytes that are in place and stay, those of earlier calls included; never goes down
    :ivar total: bytes, None until known
    :ivar fetched: bytes of content read from the network in this call
    :ivar connections: open right now
    :ivar attempt: 1, and one more each time the file had to be begun anew
    :ivar trouble: why the last request failed, None while bytes arrive
    """

    phase: FetchPhase
    done: int
    total: int | None
    fetched: int = 0
    connections: int = 0
    attempt: int = 1
    trouble: str | None = None


@attrs.frozen
class Fetched:
    """A file that is complete and under its final name.

    :ivar size: bytes
    :ivar digest: the checksum that was verified, None if there was none to hold it against
    :ivar etag: the ETag of the server that sent the bytes, None if it sent none
    :ivar fetched: bytes of content read from the network in this call
    :ivar resumed: bytes that an earlier call had left
    :ivar seconds: from the call to the final name
    :ivar adopted: somebody else finished the file meanwhile, and it was taken as it is
    :ivar attempts: how often the file was begun
    :ivar callback_error: what `on_progress` raised; it was not called again after that
    """

    path: Path
    size: int
    digest: Digest | None = None
    etag: str | None = None
    fetched: int = 0
    resumed: int = 0
    seconds: float = 0.0
    adopted: bool = False
    attempts: int = 1
    callback_error: Exception | None = None


@attrs.frozen
class Partial:
    """What an interrupted transfer left beside a blob.

    :ivar done: bytes that the next call will not fetch again
    :ivar allocated: bytes that it takes on the disk already
    """

    path: Path
    done: int
    allocated: int
