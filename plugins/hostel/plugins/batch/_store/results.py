"""Results of a batch, merged line by line: what was asked, and what became of it."""

import sqlalchemy as sa

from .._model.ids import BatchId, RequestId
from .._model.jsonl import EXPIRED_MESSAGE
from .._model.records import BatchResultItem
from .._model.states import FailureKind, RequestState
from .database.rows import Row, load_failure
from .database.schema import batches, requests, results, templates
from .files import like

_original = requests.alias("original")
_clone = requests.alias("clone")


def _same_line(table: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.batch_no == _original.c.batch_no, table.c.line == _original.c.line)


_source = (
    _original.join(batches, batches.c.no == _original.c.batch_no)
    .join(templates, sa.and_(templates.c.file_no == batches.c.file_no, templates.c.line == _original.c.line))
    .outerjoin(_clone, sa.and_(_same_line(_clone), _clone.c.escalated == 1))
    .outerjoin(results, _same_line(results))
)
_status = sa.case(
    (results.c.outcome.is_not(None), results.c.outcome),
    (
        sa.and_(_original.c.state == RequestState.PENDING, batches.c.cancelling_at.is_not(None)),
        sa.literal(RequestState.CANCELED.value),
    ),
    (
        _original.c.state.in_([RequestState.CLAIMED, RequestState.FAILED]),
        sa.literal(RequestState.PROCESSING.value),
    ),
    else_=_original.c.state,
)
_rows = (
    sa.select(
        _original.c.line,
        batches.c.id.label("batch_id"),
        templates.c.custom_id,
        templates.c.body.label("input_body"),
        sa.case((results.c.escalated == 1, _clone.c.model), else_=_original.c.model).label("model"),
        sa.func.coalesce(results.c.escalated, 0).label("escalated"),
        results.c.body,
        results.c.failure,
        _status.label("status"),
    )
    .select_from(_source)
    .where(_original.c.escalated == 0)
    .order_by(_original.c.line)
)
_IN_PROGRESS = "in_progress"


def result_page(
    connection: sa.Connection,
    batch_no: int,
    after: int | None,
    offset: int,
    search: str | None,
    status: str | None,
    limit: int,
) -> list[BatchResultItem]:
    """Read a page of results, one item per input line, in the order of the lines."""
    query = _rows.where(_original.c.batch_no == batch_no).limit(limit)
    query = query.offset(offset) if after is None else query.where(_original.c.line > after)
    if search:
        query = query.where(like(templates.c.custom_id_folded, search))
    if status:
        query = query.where(_status == (RequestState.PROCESSING if status == _IN_PROGRESS else status))
    return [_item(row) for row in connection.execute(query)]


def _item(row: Row) -> BatchResultItem:
    return BatchResultItem(
        id=RequestId(BatchId(row.batch_id), row.line, bool(row.escalated)),
        custom_id=row.custom_id,
        model=row.model,
        input_body=row.input_body,
        response_body=row.body,
        error=None if row.failure is None else _message(row.failure),
        status=RequestState(row.status),
    )


def _message(text: str) -> str:
    failure = load_failure(text)
    if failure.kind is FailureKind.BATCH_EXPIRED:
        return EXPIRED_MESSAGE
    if failure.status is not None:
        return f"HTTP {failure.status}: {failure.body}"
    return failure.message
