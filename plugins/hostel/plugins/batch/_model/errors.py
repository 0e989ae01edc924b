"""What can go wrong, each class a fact with fields.

BatchError
├─ NotFound            there is no such file, batch, request or daemon (also a LookupError)
├─ StateConflict       the request is not where the caller believes, or is held by another (fenced off)
├─ InvalidInput        the caller's input is wrong; `problems` say where (also a ValueError)
├─ BatchExpired        the window of a batch passed before all its lines were done
├─ InvalidStore        no store can be where the caller says it is (also a ValueError)
├─ StorageUnavailable  the database did not answer; nothing is known to have changed, asking again is safe
│  └─ StoreNotOpened   there is something else, or nobody answers there
├─ StorageRefused      the database does not take what it was given; nothing has changed
├─ AlreadyWorking      requests are sent from here already
└─ SchemaTooNew        a newer release wrote this database
"""

from collections.abc import Sequence

from .ids import BatchId, RequestId
from .records import Problem
from .states import RequestState


class BatchError(Exception):
    """Anything that batches raise on purpose."""


class NotFound(BatchError, LookupError):
    """There is no such thing, or it `was_deleted`."""

    def __init__(self, kind: str, name: str, *, was_deleted: bool = False) -> None:
        self.kind, self.name, self.was_deleted = kind, name, was_deleted
        super().__init__(f"There is no {kind} {name}.")


class StateConflict(BatchError):
    """A request is not in a state that allows what was asked, or another worker holds it."""

    def __init__(
        self, request_id: RequestId, current: RequestState, wanted: RequestState, why: str = ""
    ) -> None:
        self.request_id, self.current, self.wanted = request_id, current, wanted
        super().__init__(f"Request {request_id} cannot become {wanted}: {why or f'it is {current}'}.")


class InvalidInput(BatchError, ValueError):
    """The caller's input is wrong; nothing was created."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


class BatchExpired(BatchError):
    """The window of a batch passed before all its lines were done; what was answered can be read."""

    def __init__(self, batch_id: BatchId, failed: int) -> None:
        self.batch_id, self.failed = batch_id, failed
        super().__init__(f"The window of batch {batch_id} passed; {failed} of its lines have failed.")


class StorageUnavailable(BatchError):
    """The database did not answer in time, or at all."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The batch database is not available: {reason}")


class StoreNotOpened(StorageUnavailable):
    """The store at `place` (a file, or a URL without its password) could not be opened."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(reason)
        self.place = place

    def __str__(self) -> str:
        return f"The batch store {self.place} cannot be opened: {self.reason}"


class InvalidStore(BatchError, ValueError):
    """That is no place of a store; the message does not repeat all of it, for it may hold a password."""

    def __init__(self, location: str) -> None:
        scheme = location.partition(":")[0]
        super().__init__(
            f"'{scheme}:…' names no batch store:"
            " give a file, or a URL that begins with sqlite: or postgresql:"
        )


class StorageRefused(BatchError):
    """The database does not take what it was given, a number too large say; nothing has changed."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The batch database does not take this: {reason}")


class AlreadyWorking(BatchError):
    """Requests are sent from here already; one runtime has one daemon."""

    def __init__(self) -> None:
        super().__init__("Requests are sent from here already.")


class SchemaTooNew(BatchError):
    """A newer release wrote this database; this one would misread it."""

    def __init__(self, revision: str) -> None:
        self.revision = revision
        super().__init__(
            f"The batch database is at revision {revision}, which this hostel does not know; upgrade hostel."
        )
