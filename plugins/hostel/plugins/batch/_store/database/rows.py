"""From rows to records."""

import json
from collections.abc import Sequence
from typing import Any

import cattrs
import sqlalchemy as sa

from ..._model.ids import BatchId, DaemonId, FileId, RequestId, TemplateId
from ..._model.jsonl import with_model
from ..._model.records import (
    AnyRequest,
    Batch,
    BatchStatus,
    DaemonRecord,
    DaemonState,
    DaemonStats,
    FaultyLine,
    File,
    FileStatus,
    OnDeadline,
    Problem,
    Purpose,
    Request,
    RequestData,
    RequestTemplate,
    Usage,
)
from ..._model.states import (
    AnyState,
    Canceled,
    Claimed,
    Completed,
    Failed,
    Failure,
    Pending,
    Processing,
    RequestState,
    Superseded,
)
from .schema import batches, files, requests, results, templates

Row = sa.Row[*tuple[Any, ...]]
_converter = cattrs.Converter(omit_if_default=True)


def dump_failure(failure: Failure) -> str:
    return json.dumps(_converter.unstructure(failure))


def load_failure(text: str) -> Failure:
    return _converter.structure(json.loads(text), Failure)


def dump_problem(problem: Problem) -> str:
    return json.dumps(_converter.unstructure(problem))


def dump_problems(problems: Sequence[Problem]) -> str | None:
    return json.dumps(_converter.unstructure(list(problems))) if problems else None


def load_problem(text: str) -> Problem:
    return _converter.structure(json.loads(text), Problem)


def _load_problems(text: str | None) -> list[Problem]:
    return _converter.structure(json.loads(text), list[Problem]) if text else []


file_columns = (
    *files.c,
    batches.c.output_bytes,
    batches.c.error_bytes,
    batches.c.completed.label("output_lines"),
    batches.c.failed.label("error_lines"),
    sa.func.coalesce(
        batches.c.completed_at, batches.c.failed_at, batches.c.expired_at, batches.c.cancelled_at
    ).label("batch_ended_at"),
)
file_rows = sa.select(*file_columns).select_from(files.outerjoin(batches, files.c.batch_no == batches.c.no))


def file_from(row: Row, now: float) -> File:
    purpose = Purpose(row.purpose) if row.purpose else None
    size, lines = row.size_bytes, row.lines
    if purpose is Purpose.BATCH_OUTPUT:
        size, lines = row.output_bytes, row.output_lines
    elif purpose is Purpose.BATCH_ERROR:
        size, lines = row.error_bytes, row.error_lines
    expired = row.expires_at is not None and row.expires_at <= now
    status = FileStatus.EXPIRED if expired else FileStatus.ERROR if row.problems else FileStatus.PROCESSED
    return File(
        id=FileId(row.id),
        name=row.name,
        description=row.description,
        size_bytes=size,
        size_finalized=row.batch_no is None or row.batch_ended_at is not None,
        status=status,
        error_message=f"{row.problems} of {row.lines} lines are not valid requests."
        if row.problems
        else None,
        purpose=purpose,
        expires_at=row.expires_at,
        uploaded_by=row.uploaded_by,
        created_at=row.created_at,
        updated_at=row.updated_at,
        lines=lines,
        problems=row.problems,
    )


def template_from(row: Row, file_id: FileId) -> RequestTemplate | FaultyLine:
    if row.problem is not None:
        return FaultyLine(row.body, load_problem(row.problem))
    return RequestTemplate(
        id=TemplateId(file_id, row.line),
        custom_id=row.custom_id,
        method=row.method,
        path=row.path,
        body=row.body,
        model=row.model,
        endpoint=row.endpoint,
        api_key=row.api_key,
        around=None if row.head is None else (row.head, row.tail),
    )


def batch_from(row: Row) -> Batch:
    """Read a batch; what still waits in a cancelled batch is canceled already, whoever writes that down."""
    withdrawn = row.pending if row.cancelling_at is not None else 0
    return Batch(
        id=BatchId(row.id),
        file_id=FileId(row.file_id),
        session_id=row.session_id,
        endpoint=row.endpoint,
        completion_window=row.completion_window,
        on_deadline=OnDeadline(row.on_deadline),
        metadata=json.loads(row.metadata) if row.metadata else None,
        created_by=row.created_by,
        output_file_id=FileId(row.output_file_id) if row.output_file_id else None,
        error_file_id=FileId(row.error_file_id) if row.error_file_id else None,
        errors=_load_problems(row.errors),
        usage=Usage(row.input_tokens, row.cached_tokens, row.output_tokens, row.reasoning_tokens),
        total_requests=row.total,
        pending_requests=row.pending - withdrawn,
        in_progress_requests=row.processing,
        completed_requests=row.completed,
        failed_requests=row.failed,
        canceled_requests=row.canceled + withdrawn,
        created_at=row.created_at,
        expires_at=row.expires_at,
        requests_started_at=row.requests_started_at,
        finalizing_at=row.finalizing_at,
        completed_at=row.completed_at,
        failed_at=row.failed_at,
        expired_at=row.expired_at,
        cancelling_at=row.cancelling_at,
        cancelled_at=row.cancelled_at,
    )


def status_from(row: Row) -> BatchStatus:
    batch = batch_from(row)
    return BatchStatus(
        batch_id=batch.id,
        file_id=batch.file_id,
        file_name=row.file_name,
        total_requests=batch.total_requests,
        pending_requests=batch.pending_requests,
        in_progress_requests=batch.in_progress_requests,
        completed_requests=batch.completed_requests,
        failed_requests=batch.failed_requests,
        canceled_requests=batch.canceled_requests,
        started_at=batch.requests_started_at,
        created_at=batch.created_at,
    )


request_columns = (
    *requests.c,
    batches.c.id.label("batch_id"),
    batches.c.file_id,
    batches.c.endpoint.label("batch_endpoint"),
    batches.c.created_at.label("batch_created_at"),
    batches.c.completion_window,
    batches.c.metadata.label("batch_metadata"),
    batches.c.expires_at.label("batch_expires_at"),
    batches.c.cancelling_at.label("batch_cancelling_at"),
    templates.c.custom_id,
    templates.c.endpoint,
    templates.c.method,
    templates.c.path,
    templates.c.body,
    templates.c.model.label("template_model"),
    templates.c.api_key.label("template_api_key"),
)
_with_template = requests.join(batches, requests.c.batch_no == batches.c.no).join(
    templates, sa.and_(templates.c.file_no == batches.c.file_no, templates.c.line == requests.c.line)
)
_with_result = _with_template.outerjoin(
    results,
    sa.and_(
        results.c.batch_no == requests.c.batch_no,
        results.c.line == requests.c.line,
        results.c.escalated == requests.c.escalated,
    ),
)
sendable_rows = sa.select(*request_columns).select_from(_with_template)
request_rows = sa.select(
    *request_columns,
    results.c.status.label("result_status"),
    results.c.body.label("result_body"),
    results.c.request_id.label("result_request_id"),
).select_from(_with_result)


def data_from(row: Row) -> RequestData:
    batch_id = BatchId(row.batch_id)
    metadata = {
        "id": batch_id,
        "endpoint": row.batch_endpoint,
        "created_at": str(row.batch_created_at),
        "completion_window": row.completion_window,
    }
    given = json.loads(row.batch_metadata) if row.batch_metadata else {}
    return RequestData(
        id=RequestId(batch_id, row.line, bool(row.escalated)),
        template_id=TemplateId(FileId(row.file_id), row.line),
        custom_id=row.custom_id,
        endpoint=row.endpoint,
        method=row.method,
        path=row.path,
        body=row.body if row.model == row.template_model else with_model(row.body, row.model),
        model=row.model,
        api_key=row.api_key or row.template_api_key,
        batch_metadata=given | metadata,
    )


def request_from(row: Row) -> AnyRequest:
    data = data_from(row)
    return Request(data, _state_from(row, data.id), row.lease)  # type: ignore[return-value]  # one of the union, by state


def _state_from(row: Row, name: RequestId) -> AnyState:
    deadline = row.batch_expires_at
    match RequestState(row.state):
        case RequestState.PENDING if row.batch_cancelling_at is not None:
            return Canceled(row.batch_cancelling_at)
        case RequestState.PENDING:
            return Pending(row.attempt, row.not_before, deadline)
        case RequestState.CLAIMED:
            return Claimed(DaemonId(row.daemon_id), row.claimed_at, row.attempt, deadline)
        case RequestState.PROCESSING:
            return Processing(DaemonId(row.daemon_id), row.claimed_at, row.started_at, row.attempt, deadline)
        case RequestState.COMPLETED:
            return Completed(
                row.result_status,
                row.result_body,
                row.claimed_at,
                row.started_at,
                row.ended_at,
                row.result_request_id,
                row.routed_model,
            )
        case RequestState.FAILED:
            return Failed(load_failure(row.failure), row.ended_at, row.attempt, deadline, row.routed_model)
        case RequestState.CANCELED:
            return Canceled(row.ended_at)
        case RequestState.SUPERSEDED:
            return Superseded(row.ended_at, name.twin(), bool(row.escalated))


def daemon_from(row: Row) -> DaemonRecord:
    return DaemonRecord(
        id=DaemonId(row.id),
        hostname=row.hostname,
        pid=row.pid,
        version=row.version,
        state=DaemonState(row.state),
        started_at=row.started_at,
        last_heartbeat=row.last_heartbeat,
        stopped_at=row.stopped_at,
        stats=DaemonStats(row.requests_processed, row.requests_failed, row.requests_in_flight),
    )
