"""What can go wrong with a pull, and who can do something about it.

PullError
├── NotFound              the origin says 404
│   ├── RepoNotFound      unknown, or private to somebody else
│   └── RevisionNotFound  the repository is there, the branch, tag or commit is not
├── AccessDenied          the origin says 401 or 403
│   └── Gated             the model's conditions are not accepted yet
├── InvalidQuantization   the wanted one is not offered
├── InvalidFormat         likewise, or what is offered is not whole
├── UnsafePath            a name that would leave its folder
├── StorageFailed         the local disk refuses
│   └── NoSpace           it is full, or will be
├── IntegrityFailed       the bytes are not the promised ones, twice
├── ContentChanged        the remote file is not the one that was listed
├── BadResponse           the server breaks HTTP or a promise; asking again does not help
├── TransferFailed        the network was in trouble for longer than allowed
├── SecretWithheld        what was kept on disk lacks the secret of its URL
└── Unreachable           the origin did not answer when it was asked what there is

`str(error)` is one sentence for the user. `recoverable` means that the same call may succeed later; where
bytes were on disk it continues from them.
"""

import re
from pathlib import Path
from typing import ClassVar

import attrs

from hostel.runtime.text import size_text


def redacted(url: str) -> str:
    """Return `url` without user, query and fragment: what may be shown and logged."""
    bare = re.split(r"[?#]", url, maxsplit=1)[0]
    return re.sub(r"//[^/]*@", "//", bare, count=1)


class PullError(Exception):
    """A pull cannot go on."""

    recoverable: ClassVar[bool] = False

    @property
    def message(self) -> str:
        return "The pull failed."

    def __str__(self) -> str:
        return self.message


@attrs.define
class NotFound(PullError):
    what: str

    @property
    def message(self) -> str:
        return f"{self.what} does not exist: check its name."


@attrs.define
class RepoNotFound(NotFound):
    @property
    def message(self) -> str:
        return f"{self.what} does not exist or is private: check its name, or set a token that may read it."


@attrs.define
class RevisionNotFound(NotFound):
    revision: str

    @property
    def message(self) -> str:
        return f"{self.what} has no revision {self.revision!r}: name one of its branches, tags or commits."


@attrs.define
class AccessDenied(PullError):
    what: str

    @property
    def message(self) -> str:
        return f"{self.what} may not be read: set a token that may."


@attrs.define
class Gated(AccessDenied):
    page: str | None = None

    @property
    def message(self) -> str:
        where = f" at {self.page}" if self.page else ""
        return f"{self.what} is gated: accept its conditions{where} with the account of your token."


@attrs.define
class InvalidQuantization(PullError, ValueError):
    """`wanted` is None if nobody asked; `available` is what there is, each with its size or its problem."""

    what: str
    wanted: str | None
    reason: str
    available: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        end = "" if self.reason.endswith("?") else "."
        return f"{self.what}: {self.reason}{end} It has {', '.join(self.available) or 'no GGUF model'}."


@attrs.define
class InvalidFormat(PullError, ValueError):
    """`wanted` is None if nobody asked; `available` is what there is."""

    what: str
    wanted: str | None
    reason: str
    available: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        return f"{self.what}: {self.reason}. It has {', '.join(self.available) or 'no weights'}."


@attrs.define
class UnsafePath(PullError):
    path: str
    reason: str

    @property
    def message(self) -> str:
        return f"The name {self.path!r} is refused: {self.reason}."


@attrs.define
class StorageFailed(PullError):
    recoverable: ClassVar[bool] = True

    path: Path
    reason: str

    @property
    def message(self) -> str:
        return f"{self.path} cannot be written: {self.reason}."


@attrs.define
class NoSpace(StorageFailed):
    """Bytes on the file system of `path`; other pulls count on `reserved`, and `cushion` shall stay free."""

    path: Path
    needed: int
    free: int
    reason: str = attrs.field(init=False, default="no space left")
    reserved: int = 0
    cushion: int = 0

    @property
    def message(self) -> str:
        kept = [
            f"{size_text(size)} {what}"
            for size, what in ((self.reserved, "reserved by other pulls"), (self.cushion, "to stay free"))
            if size
        ]
        less = f", less {' and '.join(kept)}" if kept else ""
        return (
            f"{size_text(self.needed)} are needed at {self.path} and {size_text(self.free)} are free{less}."
        )


@attrs.define
class IntegrityFailed(PullError):
    """`expected` and `actual` are checksums in hexadecimal."""

    path: str
    expected: str
    actual: str

    @property
    def message(self) -> str:
        return (
            f"{self.path} arrived damaged twice: its checksum is {self.actual} and should be {self.expected}."
        )


@attrs.define
class ContentChanged(PullError):
    """`expected` and `actual` are checksums, sizes or ETags, whichever differed."""

    recoverable: ClassVar[bool] = True

    path: str
    expected: str
    actual: str

    @property
    def message(self) -> str:
        return f"{self.path} changed at its source ({self.expected} became {self.actual}): pull it again."


@attrs.define
class BadResponse(PullError):
    url: str = attrs.field(converter=redacted)
    problem: str

    @property
    def message(self) -> str:
        return f"The answer of {self.url} cannot be used: {self.problem}."


@attrs.define
class TransferFailed(PullError):
    """`seconds` is how long no byte arrived before giving up."""

    recoverable: ClassVar[bool] = True

    path: str
    reason: str
    seconds: float

    @property
    def message(self) -> str:
        why = f"no progress for {self.seconds:.0f} s, {self.reason}"
        return f"{self.path} is not complete ({why}): check the network and pull again."


@attrs.define
class SecretWithheld(PullError):
    """A request was restored whose URL held a signature or a password; neither is kept on disk."""

    url: str

    @property
    def message(self) -> str:
        return f"The secret part of {self.url} is not kept on disk: pull it again with a fresh URL."


@attrs.define
class Unreachable(PullError):
    """No answer from `host`, a name with its port; `transient` if asking again at once may help."""

    recoverable: ClassVar[bool] = True

    host: str
    reason: str
    transient: bool = True

    @property
    def message(self) -> str:
        return f"{self.host} cannot be reached ({self.reason}): check the network and pull again."
