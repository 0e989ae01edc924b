"""What a store of batches does. One suite of tests holds for every store.

A call is whole or has not happened. Lists keep the order of what was asked; where a call concerns several
ids, each id has its own answer: a record, nothing, or the error that this id met. Times are seconds since the
epoch, UTC.
"""

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from typing import Protocol

from .._model.errors import BatchError
from .._model.ids import BatchId, DaemonId, FileId, RequestId
from .._model.records import (
    AnyRequest,
    Batch,
    BatchInput,
    BatchResultItem,
    BatchStatus,
    Capacity,
    DaemonRecord,
    DaemonState,
    DaemonStats,
    File,
    FileContentItem,
    FileFilter,
    FileStreamItem,
    ModelTemplateStats,
    OutputFileType,
    Request,
    RequestStateFilter,
    RequestTemplateInput,
    Swept,
)
from .._model.states import Claimed, RequestState


class Storage(Protocol):
    """Files, batches and requests, and the daemons that work on them."""

    def now(self) -> float:
        """Tell the time by which windows pass and daemons live, whatever the clock of this machine says."""
        ...

    async def create_file(
        self, name: str, description: str | None, templates: Sequence[RequestTemplateInput]
    ) -> FileId:
        """Store a file of requests."""
        ...

    async def create_file_stream(self, stream: AsyncIterable[FileStreamItem]) -> FileId:
        """Store a file that arrives piece by piece; its facts may come before, between or after its lines.

        :raises InvalidInput: if the stream reports an error; nothing is kept
        """
        ...

    async def get_file(self, file_id: FileId) -> File:
        """:raises NotFound: if there is none, or it was deleted"""
        ...

    async def list_files(self, filter: FileFilter = ...) -> list[File]:
        """List files by age, newest first unless asked otherwise.

        :raises NotFound: if the cursor names no file
        """
        ...

    async def get_file_content(self, file_id: FileId) -> list[FileContentItem]:
        """Read a whole file: requests, or results in the order in which they were stored."""
        ...

    def get_file_content_stream(
        self, file_id: FileId, offset: int = 0, search: str | None = None
    ) -> AsyncIterator[FileContentItem]:
        """Read a file in pieces.

        :param offset: items to pass over
        :param search: part of the custom_id, whatever the case
        """
        ...

    async def get_file_template_stats(self, file_id: FileId) -> list[ModelTemplateStats]:
        """Count a file's requests and their bytes by model."""
        ...

    async def delete_file(self, file_id: FileId) -> None:
        """Hide a file and cancel its unfinished batches; what they need of it stays."""
        ...

    async def create_batch(self, input: BatchInput) -> Batch:
        """Make a batch of a file; one whose input is not valid is made as failed and says why.

        :raises InvalidInput: if the window is none
        """
        ...

    async def get_batch(self, batch_id: BatchId) -> Batch:
        """:raises NotFound: if there is none, or it was deleted"""
        ...

    async def get_batch_status(self, batch_id: BatchId) -> BatchStatus:
        """Read the counters alone."""
        ...

    async def list_file_batches(self, file_id: FileId) -> list[BatchStatus]:
        """List what was made of a file, newest first."""
        ...

    async def list_batches(
        self,
        created_by: str | None = None,
        search: str | None = None,
        after: BatchId | None = None,
        limit: int = 100,
    ) -> list[Batch]:
        """List batches, newest first.

        :param search: part of a value of the metadata or of the file's name, whatever the case, or a whole id
        :raises NotFound: if the cursor names no batch
        """
        ...

    async def get_batch_by_output_file_id(self, file_id: FileId, file_type: OutputFileType) -> Batch | None:
        """Find the batch that a file of results belongs to."""
        ...

    async def get_batch_requests(self, batch_id: BatchId) -> list[AnyRequest]:
        """List every request of a batch, escalations too, by line."""
        ...

    def get_batch_results_stream(
        self, batch_id: BatchId, offset: int = 0, search: str | None = None, status: str | None = None
    ) -> AsyncIterator[BatchResultItem]:
        """Read one item per input line, in order.

        :param status: a state's name, or `in_progress`
        """
        ...

    async def find_pending_escalation(self, original_request_id: RequestId) -> RequestId | None:
        """Find the escalation that is still racing a request."""
        ...

    async def get_at_risk_batches(
        self, threshold_seconds: float, allowed_states: Sequence[RequestStateFilter]
    ) -> dict[BatchId, int]:
        """Count, by batch, the lines in these states whose deadline is nearer than the threshold, or past."""
        ...

    async def get_missed_sla_batches(
        self, allowed_states: Sequence[RequestStateFilter]
    ) -> dict[BatchId, int]:
        """Count, by batch, the lines in these states whose deadline is past."""
        ...

    async def create_escalated_requests(
        self,
        model: str,
        threshold_seconds: float,
        allowed_states: Sequence[RequestStateFilter],
        model_override: str | None = None,
        api_key_override: str | None = None,
    ) -> int:
        """Let a second runner race each late request of a model that never had one; tell how many.

        :param threshold_seconds: seconds that may be left to the deadline
        """
        ...

    async def cancel_batch(self, batch_id: BatchId) -> None:
        """Withdraw a batch; a finished one stays as it is."""
        ...

    async def delete_batch(self, batch_id: BatchId) -> None:
        """Withdraw a batch and forget it."""
        ...

    async def retry_failed_requests(self, ids: Sequence[RequestId]) -> list[BatchError | None]:
        """Send failed requests again, from the first attempt."""
        ...

    async def get_requests(self, ids: Sequence[RequestId]) -> list[AnyRequest | BatchError]:
        """Read requests."""
        ...

    async def claim_requests(
        self, limit: int, daemon_id: DaemonId, capacity: Capacity = ...
    ) -> list[Request[Claimed]]:
        """Take pending requests to work on, those with the nearest deadline first.

        :raises NotFound: if the daemon is not registered, or was given up for dead
        """
        ...

    async def persist(self, request: AnyRequest) -> RequestId | None:
        """Write what the holder of a request reports; tell which runner it superseded.

        :raises StateConflict: if the request is no longer held under this lease, or may not go there
        :raises StorageRefused: if the report holds what the database cannot; other reports are not touched
        """
        ...

    async def cancel_requests(self, ids: Sequence[RequestId]) -> list[BatchError | None]:
        """Withdraw requests, also those under way."""
        ...

    async def persist_daemon(self, daemon: DaemonRecord) -> None:
        """Write a daemon's row; unless it is dead, it is alive as of now."""
        ...

    async def get_daemon(self, daemon_id: DaemonId) -> DaemonRecord:
        """:raises NotFound: if there is none"""
        ...

    async def list_daemons(self, state: DaemonState | None = None) -> list[DaemonRecord]:
        """List daemons, the oldest first."""
        ...

    async def retry_failed_requests_for_batch(self, batch_id: BatchId) -> int:
        """Send every failed request of a batch again; tell how many."""
        ...

    async def heartbeat(self, daemon_id: DaemonId, stats: DaemonStats) -> None:
        """Keep a daemon, and so what it holds, alive."""
        ...

    async def find_stopped(self, held: Mapping[RequestId, int]) -> list[RequestId]:
        """Tell which of these requests, held under these leases, are no longer wanted from their holder."""
        ...

    async def sweep(self, stale_after: float) -> Swept:
        """Expire batches, end what they leave open, take requests from daemons silent so many seconds."""
        ...

    async def list_unfinished(self) -> list[Batch]:
        """List the batches that are not finished, oldest first."""
        ...

    async def assign_session(self, batch_id: BatchId, session_id: str) -> None:
        """Give a batch to another session."""
        ...


IN_PROGRESS = (RequestState.CLAIMED, RequestState.PROCESSING)
