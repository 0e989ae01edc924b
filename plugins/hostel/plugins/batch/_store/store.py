"""The store on SQLite and PostgreSQL."""

import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
import sqlalchemy as sa

from .._model.errors import BatchError, InvalidInput, StorageRefused, StorageUnavailable, StoreNotOpened
from .._model.ids import BatchId, DaemonId, FileId, RequestId, new_file_id
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
    FaultyLine,
    File,
    FileContentItem,
    FileFilter,
    FileMetadata,
    FileStreamItem,
    ModelTemplateStats,
    OutputFileType,
    Problem,
    Request,
    RequestStateFilter,
    RequestTemplateInput,
    StreamError,
    Swept,
)
from .._model.secrets import check_reference
from .._model.states import Claimed
from .._model.streams import closing
from . import batches, claims, daemons, escalations, files, results, updates
from .database.clock import DatabaseClock
from .database.dialect import SERVER_TIME, Time, is_sqlite, place_of, read_clock
from .database.migrate import migrate
from .database.transactions import Database
from .group_commit import GroupCommit
from .pages import LineBuffer, in_pages

T = TypeVar("T")
CLOCK_READS = 8


class SqlStorage:
    """A store in a database; open it with `async with`.

    :param location: file of a SQLite database, or a URL that begins with `sqlite:` or `postgresql:`
    :param statement_timeout: seconds that one statement may take
    :param clock: tells the time to the database too; None for the clock of the server, or of this machine
        where there is no server
    :raises InvalidStore: on entering, if `location` is something else
    :raises StoreNotOpened: on entering, if there is no database that answers
    :raises SchemaTooNew: on entering, if a newer release wrote it
    """

    def __init__(
        self,
        location: str | Path,
        *,
        statement_timeout: float = 30.0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._location, self._timeout = location, statement_timeout
        self._clock, self._server = clock, DatabaseClock()

    async def __aenter__(self) -> Self:
        self._db = Database(self._location, statement_timeout=self._timeout)
        self._reports: GroupCommit[AnyRequest, RequestId | BatchError | None] = GroupCommit(self._persist_all)
        try:
            await self._prepare()
        except BaseException:
            await self._db.close()
            raise
        return self

    async def _prepare(self) -> None:
        try:
            await self._db.write(migrate)
            for _ in range(CLOCK_READS):
                await self._read_clock()
        except (StorageUnavailable, StorageRefused) as error:
            raise StoreNotOpened(place_of(self._db.engine), error.reason) from error

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._db.close()

    def now(self) -> float:
        if self._clock is not None:
            return self._clock()
        return self._server.now() if self._has_clock else time.time()

    @property
    def _has_clock(self) -> bool:
        return self._clock is None and not is_sqlite(self._db.engine)

    def _time(self) -> Time:
        return SERVER_TIME if self._has_clock else sa.literal(self.now(), sa.Double)  # pyright: ignore[reportReturnType]

    async def _read_clock(self) -> None:
        if self._has_clock:
            self._server.learn(*await self._db.read(read_clock))

    async def create_file(
        self, name: str, description: str | None, templates: Sequence[RequestTemplateInput]
    ) -> FileId:
        async def items() -> AsyncIterator[FileStreamItem]:
            yield FileMetadata(filename=name, description=description)
            for template in templates:
                yield template

        return await self.create_file_stream(items())

    async def create_file_stream(self, stream: AsyncIterable[FileStreamItem]) -> FileId:
        file_id = new_file_id()
        file_no = await self._db.write(files.begin, file_id, self.now())
        buffer = LineBuffer()
        try:
            async with closing(stream) as items:
                meta = await self._store_lines(file_no, items, buffer)
            await self._db.write(files.finish, file_no, meta, buffer.counted(), self.now())
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._db.write(files.discard, file_no)
            raise
        return file_id

    async def _store_lines(
        self, file_no: int, items: AsyncIterable[FileStreamItem], buffer: LineBuffer
    ) -> FileMetadata:
        meta = FileMetadata()
        async for item in items:
            if isinstance(item, FileMetadata):
                meta = buffer.merge(meta, item)
            elif isinstance(item, StreamError):
                raise InvalidInput([Problem("stream_error", item.message)])
            elif buffer.add(_checked(item)):
                await self._flush(file_no, buffer)
        await self._flush(file_no, buffer)
        return meta

    async def _flush(self, file_no: int, buffer: LineBuffer) -> None:
        if lines := buffer.take():
            buffer.count(*await self._db.write(files.add_lines, file_no, buffer.first, lines), len(lines))

    async def get_file(self, file_id: FileId) -> File:
        return await self._db.read(files.get, file_id, self.now())

    async def list_files(self, filter: FileFilter = FileFilter()) -> list[File]:  # noqa: B008  # frozen
        return await self._db.read(files.find, filter, self.now())

    async def get_file_content(self, file_id: FileId) -> list[FileContentItem]:
        return [item async for item in self.get_file_content_stream(file_id)]

    async def get_file_content_stream(
        self, file_id: FileId, offset: int = 0, search: str | None = None
    ) -> AsyncIterator[FileContentItem]:
        row = await self._db.read(files.row_of, file_id)

        async def page(
            after: tuple[Any, ...] | None, limit: int
        ) -> list[tuple[tuple[Any, ...], FileContentItem]]:
            skip = offset if after is None else 0
            return await self._db.read(files.content_page, row, after, skip, search, limit)

        async with aclosing(in_pages(page)) as items:
            async for item in items:
                yield item

    async def get_file_template_stats(self, file_id: FileId) -> list[ModelTemplateStats]:
        return await self._db.read(files.template_stats, file_id)

    async def delete_file(self, file_id: FileId) -> None:
        await self._db.write(batches.hide_file, file_id, self.now())

    async def create_batch(self, input: BatchInput) -> Batch:
        return await self._db.write(batches.create, input, self.now())

    async def get_batch(self, batch_id: BatchId) -> Batch:
        return await self._db.read(batches.get, batch_id)

    async def get_batch_status(self, batch_id: BatchId) -> BatchStatus:
        return await self._db.read(batches.status, batch_id)

    async def list_file_batches(self, file_id: FileId) -> list[BatchStatus]:
        return await self._db.read(batches.of_file, file_id)

    async def list_batches(
        self,
        created_by: str | None = None,
        search: str | None = None,
        after: BatchId | None = None,
        limit: int = 100,
    ) -> list[Batch]:
        return await self._db.read(batches.find, created_by, search, after, limit)

    async def get_batch_by_output_file_id(self, file_id: FileId, file_type: OutputFileType) -> Batch | None:
        return await self._db.read(batches.by_output_file, file_id, file_type)

    async def get_batch_requests(self, batch_id: BatchId) -> list[AnyRequest]:
        return await self._db.read(batches.requests_of, batch_id)

    async def get_batch_results_stream(
        self, batch_id: BatchId, offset: int = 0, search: str | None = None, status: str | None = None
    ) -> AsyncIterator[BatchResultItem]:
        row = await self._db.read(batches.row_of, batch_id)

        async def page(after: int | None, limit: int) -> list[tuple[int, BatchResultItem]]:
            skip = offset if after is None else 0
            found = await self._db.read(results.result_page, row.no, after, skip, search, status, limit)
            return [(item.id.line, item) for item in found]

        async with aclosing(in_pages(page)) as items:
            async for item in items:
                yield item

    async def find_pending_escalation(self, original_request_id: RequestId) -> RequestId | None:
        return await self._db.read(escalations.find_pending, original_request_id)

    async def get_at_risk_batches(
        self, threshold_seconds: float, allowed_states: Sequence[RequestStateFilter]
    ) -> dict[BatchId, int]:
        return await self._db.read(escalations.at_risk, threshold_seconds, allowed_states, self.now())

    async def get_missed_sla_batches(
        self, allowed_states: Sequence[RequestStateFilter]
    ) -> dict[BatchId, int]:
        return await self.get_at_risk_batches(0, allowed_states)

    async def create_escalated_requests(
        self,
        model: str,
        threshold_seconds: float,
        allowed_states: Sequence[RequestStateFilter],
        model_override: str | None = None,
        api_key_override: str | None = None,
    ) -> int:
        if api_key_override is not None:
            check_reference(api_key_override)
        now = self.now()
        arguments = (model, threshold_seconds, allowed_states, model_override, api_key_override, now)
        return await self._db.write(escalations.create, *arguments)

    async def cancel_batch(self, batch_id: BatchId) -> None:
        await self._db.write(batches.cancel_one, batch_id, self.now())

    async def delete_batch(self, batch_id: BatchId) -> None:
        await self._db.write(batches.hide, batch_id, self.now())

    async def retry_failed_requests(self, ids: Sequence[RequestId]) -> list[BatchError | None]:
        return await self._db.write(updates.retry, ids, self.now())

    async def get_requests(self, ids: Sequence[RequestId]) -> list[AnyRequest | BatchError]:
        return await self._db.read(updates.get, ids)

    async def claim_requests(
        self,
        limit: int,
        daemon_id: DaemonId,
        capacity: Capacity = Capacity(),  # noqa: B008  # frozen
    ) -> list[Request[Claimed]]:
        return await self._db.write(claims.claim, limit, daemon_id, capacity, self._time(), self.now())

    async def persist(self, request: AnyRequest) -> RequestId | None:
        outcome = await self._reports(request)
        if isinstance(outcome, BatchError):
            raise outcome
        return outcome

    async def _persist_all(self, reports: Sequence[AnyRequest]) -> Sequence[RequestId | BatchError | None]:
        """Write a group; where one of them is refused, each by itself, so that it alone is."""
        try:
            return await self._db.write(updates.persist, reports, self.now())
        except StorageRefused as refused:
            if len(reports) == 1:
                return [refused]
        return [(await self._persist_all([report]))[0] for report in reports]

    async def cancel_requests(self, ids: Sequence[RequestId]) -> list[BatchError | None]:
        return await self._db.write(updates.cancel, ids, self.now())

    async def persist_daemon(self, daemon: DaemonRecord) -> None:
        await self._db.write(daemons.persist, daemon, self._time())

    async def get_daemon(self, daemon_id: DaemonId) -> DaemonRecord:
        return await self._db.read(daemons.get, daemon_id)

    async def list_daemons(self, state: DaemonState | None = None) -> list[DaemonRecord]:
        return await self._db.read(daemons.find, state)

    async def retry_failed_requests_for_batch(self, batch_id: BatchId) -> int:
        retried = 0
        while names := await self._db.read(updates.failed_of, batch_id):
            answers = await self.retry_failed_requests(names)
            done = sum(answer is None for answer in answers)
            retried += done
            if not done:
                break
        return retried

    async def heartbeat(self, daemon_id: DaemonId, stats: DaemonStats) -> None:
        await self._db.write(daemons.heartbeat, daemon_id, stats, self._time())

    async def find_stopped(self, held: Mapping[RequestId, int]) -> list[RequestId]:
        return await self._db.read(updates.stopped, held)

    async def sweep(self, stale_after: float) -> Swept:
        await self._read_clock()
        expired = await self._repeat(lambda: self._db.write(updates.expire, self._time()))
        reclaimed = await self._repeat(partial(self._reclaim, stale_after))
        settled = 0
        for batch_no in await self._db.read(updates.still_stopping_batches):
            settled += await self._repeat(partial(self._end_waiting, batch_no))
        await self._db.write(files.discard_abandoned, self.now())
        return Swept(expired, settled, reclaimed)

    async def _reclaim(self, stale_after: float) -> int:
        return await self._db.write(updates.reclaim, stale_after, self._time(), self.now())

    async def _end_waiting(self, batch_no: int) -> int:
        return await self._db.write(updates.end_waiting, batch_no, self.now())

    async def _repeat(self, step: Callable[[], Awaitable[int]]) -> int:
        total = 0
        while done := await step():
            total += done
        return total

    async def list_unfinished(self) -> list[Batch]:
        return await self._db.read(batches.list_unfinished)

    async def assign_session(self, batch_id: BatchId, session_id: str) -> None:
        await self._db.write(batches.assign, batch_id, session_id)


def _checked(line: RequestTemplateInput | FaultyLine) -> RequestTemplateInput | FaultyLine:
    if isinstance(line, RequestTemplateInput) and line.api_key is not None:
        check_reference(line.api_key)
    return line
