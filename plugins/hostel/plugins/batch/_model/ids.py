"""Names of things: opaque random ids for what is created, and derived ids for what belongs to a line.

A request is named by its batch, the line of the input file it came from and whether it is that line's
escalation. The name needs no column of its own and two requests can never claim the same line.
"""

import re
from typing import NewType, Self
from uuid import uuid4

import attrs

FileId = NewType("FileId", str)
BatchId = NewType("BatchId", str)
DaemonId = NewType("DaemonId", str)

_REQUEST = re.compile(r"batch_req_([0-9a-f]{32})_(0|[1-9][0-9]{0,9})(e?)")


def new_file_id() -> FileId:
    """Name a new file."""
    return FileId(f"file-{uuid4().hex}")


def new_batch_id() -> BatchId:
    """Name a new batch."""
    return BatchId(f"batch_{uuid4().hex}")


def new_daemon_id() -> DaemonId:
    """Name a new daemon."""
    return DaemonId(f"daemon_{uuid4().hex}")


@attrs.frozen(order=True)
class TemplateId:
    """One line of a file; `line` counts from 0 in the order of upload."""

    file_id: FileId
    line: int


@attrs.frozen(order=True)
class RequestId:
    """One request of a batch; `escalated` names the clone that races the request of the same line."""

    batch_id: BatchId
    line: int
    escalated: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an id as `str` wrote it.

        :raises ValueError: if the text is no request id
        """
        match = _REQUEST.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not the id of a request")
        batch, line, escalated = match.groups()
        return cls(BatchId(f"batch_{batch}"), int(line), escalated == "e")

    def twin(self) -> "RequestId":
        """Name the other runner in this line's race."""
        return attrs.evolve(self, escalated=not self.escalated)

    def __str__(self) -> str:
        return f"batch_req_{self.batch_id.removeprefix('batch_')}_{self.line}{'e' if self.escalated else ''}"
