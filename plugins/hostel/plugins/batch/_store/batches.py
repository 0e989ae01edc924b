"""Batches: made whole or as failed, read from their counters, stopped at once, ended later."""

import json
from collections.abc import Sequence
from typing import Any, cast

import sqlalchemy as sa

from .._model.errors import NotFound
from .._model.ids import BatchId, FileId, new_batch_id, new_file_id
from .._model.records import (
    AnyRequest,
    Batch,
    BatchInput,
    BatchStatus,
    OutputFileType,
    Problem,
    Purpose,
)
from .._model.states import RequestState
from .._model.window import window_seconds
from . import files as file_store
from .database.rows import (
    Row,
    batch_from,
    dump_problems,
    load_problem,
    request_from,
    request_rows,
    status_from,
)
from .database.schema import batches, files, model_queues, requests, templates, unfinished

PROBLEMS_SHOWN = 100
visible = batches.c.deleted_at.is_(None)


def create(connection: sa.Connection, input: BatchInput, now: float) -> Batch:
    """Make a batch, or a failed one that says what is wrong with its input."""
    window = window_seconds(input.completion_window)
    file_no, problems = _check(connection, input, now)
    batch_id = new_batch_id()
    values = _values(connection, input, file_no, window, now) | {"id": batch_id}
    if problems:
        values |= {"errors": dump_problems(problems), "failed_at": now}
        connection.execute(sa.insert(batches), values)
        return get(connection, batch_id)
    values |= {"requests_started_at": now}
    no = connection.execute(sa.insert(batches).returning(batches.c.no), values).scalar_one()
    # requests are rows without bodies: those stay in the file's lines
    total = _spawn(connection, no, file_no, cast("float", values["expires_at"]))
    made = {"total": total, "pending": total} | _make_files(connection, no, batch_id, input, now)
    connection.execute(sa.update(batches).where(batches.c.no == no).values(made))
    return get(connection, batch_id)


def _values(
    connection: sa.Connection, input: BatchInput, file_no: int | None, window: float, now: float
) -> dict[str, Any]:
    name = connection.execute(sa.select(files.c.name).where(files.c.no == file_no)).scalar()
    searched = [name or "", *(input.metadata or {}).values()]
    return {
        "file_no": file_no,
        "file_id": input.file_id,
        "session_id": input.session_id,
        "endpoint": input.endpoint,
        "completion_window": input.completion_window,
        "window_seconds": window,
        "on_deadline": input.on_deadline,
        "metadata": None if input.metadata is None else json.dumps(dict(input.metadata)),
        # SQLite folds ASCII only, so both databases search what Python has folded
        "search_folded": "\n".join(searched).casefold(),
        "created_by": input.created_by,
        "created_at": now,
        "expires_at": now + window,
    }


def _check(connection: sa.Connection, input: BatchInput, now: float) -> tuple[int | None, list[Problem]]:
    try:
        row = file_store.row_of(connection, input.file_id)
    except NotFound:
        return None, [Problem("file_not_found", f"Cannot find file {input.file_id}.", param="input_file_id")]
    if row.purpose in (Purpose.BATCH_OUTPUT, Purpose.BATCH_ERROR):
        return None, [
            Problem("invalid_file_purpose", "The file holds results, not requests.", param="input_file_id")
        ]
    if row.expires_at is not None and row.expires_at <= now:
        return row.no, [Problem("file_expired", f"File {input.file_id} has expired.", param="input_file_id")]
    if not row.lines:
        return row.no, [Problem("empty_file", "The batch input file is empty.", param="input_file_id")]
    return row.no, _faults(connection, row, input.endpoint)


def _faults(connection: sa.Connection, row: Row, endpoint: str) -> list[Problem]:
    faulty = (
        sa.select(templates.c.problem)
        .where(templates.c.file_no == row.no, templates.c.problem.is_not(None))
        .order_by(templates.c.line)
        .limit(PROBLEMS_SHOWN)
    )
    problems = [load_problem(text) for text in connection.execute(faulty).scalars()] if row.problems else []
    if problems or row.purpose != Purpose.BATCH:
        return problems
    elsewhere = (
        sa.select(templates.c.line, templates.c.path)
        .where(templates.c.file_no == row.no, templates.c.path != endpoint)
        .order_by(templates.c.line)
        .limit(PROBLEMS_SHOWN)
    )
    return [
        Problem(
            "url_mismatch", f"The url {path} does not match the batch's endpoint {endpoint}.", line + 1, "url"
        )
        for line, path in connection.execute(elsewhere)
    ]


def _spawn(connection: sa.Connection, no: int, file_no: int | None, deadline: float) -> int:
    of_file = templates.c.file_no == file_no
    fixed = sa.literal(no, sa.BigInteger), sa.literal(deadline, sa.Double)
    lines = sa.select(
        fixed[0],
        templates.c.line,
        sa.literal(0, sa.SmallInteger),
        templates.c.model,
        sa.literal(RequestState.PENDING.value),
    ).where(of_file)
    columns = ["batch_no", "line", "escalated", "model", "state"]
    connection.execute(sa.insert(requests).from_select(columns, lines))
    counted = (
        sa.select(fixed[0], templates.c.model, fixed[1], sa.literal(0, sa.SmallInteger), sa.func.count())
        .where(of_file)
        .group_by(templates.c.model)
    )
    connection.execute(
        sa.insert(model_queues).from_select(["batch_no", "model", "deadline", "stopped", "pending"], counted)
    )
    made = sa.select(sa.func.sum(model_queues.c.pending)).where(model_queues.c.batch_no == no)
    return int(connection.execute(made).scalar_one())


def _make_files(
    connection: sa.Connection, no: int, batch_id: BatchId, input: BatchInput, now: float
) -> dict[str, FileId]:
    kept = (
        file_store.KEPT_SECONDS
        if input.output_expires_after_seconds is None
        else input.output_expires_after_seconds
    )
    made = {}
    for column, purpose, word in (
        ("output_file_id", Purpose.BATCH_OUTPUT, "output"),
        ("error_file_id", Purpose.BATCH_ERROR, "error"),
    ):
        made[column] = new_file_id()
        name = f"{batch_id}_{word}.jsonl"
        row = {
            "id": made[column],
            "name": name,
            "name_folded": name,
            "purpose": purpose,
            "batch_no": no,
            "ready": 1,
        }
        row |= {
            "uploaded_by": input.created_by,
            "created_at": now,
            "updated_at": now,
            "expires_at": now + kept,
        }
        connection.execute(sa.insert(files), row)
    return made


def row_of(connection: sa.Connection, batch_id: BatchId) -> Row:
    row = connection.execute(sa.select(batches).where(batches.c.id == batch_id)).one_or_none()
    if row is None or row.deleted_at is not None:
        raise NotFound("batch", batch_id, was_deleted=row is not None)
    return row


def get(connection: sa.Connection, batch_id: BatchId) -> Batch:
    return batch_from(row_of(connection, batch_id))


_status_rows = sa.select(batches, files.c.name.label("file_name")).select_from(
    batches.outerjoin(files, sa.and_(files.c.no == batches.c.file_no, files.c.deleted_at.is_(None)))
)


def status(connection: sa.Connection, batch_id: BatchId) -> BatchStatus:
    row = connection.execute(_status_rows.where(batches.c.id == batch_id, visible)).one_or_none()
    if row is None:
        raise NotFound("batch", batch_id)
    return status_from(row)


def of_file(connection: sa.Connection, file_id: FileId) -> list[BatchStatus]:
    query = _status_rows.where(batches.c.file_id == file_id, visible)
    return [
        status_from(row)
        for row in connection.execute(query.order_by(batches.c.created_at.desc(), batches.c.no.desc()))
    ]


def find(
    connection: sa.Connection, created_by: str | None, search: str | None, after: BatchId | None, limit: int
) -> list[Batch]:
    query = sa.select(batches).where(visible)
    if created_by is not None:
        query = query.where(batches.c.created_by == created_by)
    if search:
        query = query.where(file_store.like(batches.c.search_folded, search) | (batches.c.id == search))
    if after is not None:
        last = row_of(connection, after)
        place = sa.tuple_(batches.c.created_at, batches.c.no)
        query = query.where(place < sa.tuple_(sa.literal(last.created_at), sa.literal(last.no)))
    rows = connection.execute(query.order_by(batches.c.created_at.desc(), batches.c.no.desc()).limit(limit))
    return [batch_from(row) for row in rows]


def by_output_file(connection: sa.Connection, file_id: FileId, kind: OutputFileType) -> Batch | None:
    column = batches.c.output_file_id if kind is OutputFileType.OUTPUT else batches.c.error_file_id
    row = connection.execute(sa.select(batches).where(column == file_id, visible)).one_or_none()
    return None if row is None else batch_from(row)


def requests_of(connection: sa.Connection, batch_id: BatchId) -> list[AnyRequest]:
    row = row_of(connection, batch_id)
    query = request_rows.where(requests.c.batch_no == row.no).order_by(requests.c.line, requests.c.escalated)
    return [request_from(found) for found in connection.execute(query)]


def cancel(connection: sa.Connection, nos: Sequence[int], now: float) -> None:
    """Withdraw what waits, at once; who sends the rest will stop it. What is finished stays so."""
    connection.execute(sa.update(model_queues).where(model_queues.c.batch_no.in_(nos)).values(stopped=1))
    idle = sa.case((batches.c.in_flight == 0, sa.literal(now)))
    connection.execute(
        sa.update(batches)
        .where(batches.c.no.in_(nos), unfinished, batches.c.cancelling_at.is_(None))
        .values(cancelling_at=now, cancelled_at=idle)
    )


def cancel_one(connection: sa.Connection, batch_id: BatchId, now: float) -> None:
    """Withdraw a batch."""
    cancel(connection, [row_of(connection, batch_id).no], now)


def hide_file(connection: sa.Connection, file_id: FileId, now: float) -> None:
    """Hide a file and withdraw the batches made of it."""
    file_no = file_store.hide(connection, file_id, now)
    open_ones = sa.select(batches.c.no).where(batches.c.file_no == file_no, unfinished).order_by(batches.c.no)
    cancel(connection, list(connection.execute(open_ones).scalars()), now)


def hide(connection: sa.Connection, batch_id: BatchId, now: float) -> None:
    """Withdraw a batch and forget it."""
    row = row_of(connection, batch_id)
    cancel(connection, [row.no], now)
    connection.execute(sa.update(batches).where(batches.c.no == row.no).values(deleted_at=now))
    results_of_it = files.c.batch_no == row.no
    connection.execute(sa.update(files).where(results_of_it).values(deleted_at=now))


def assign(connection: sa.Connection, batch_id: BatchId, session_id: str) -> None:
    """Give a batch to another session."""
    row = row_of(connection, batch_id)
    connection.execute(sa.update(batches).where(batches.c.no == row.no).values(session_id=session_id))


def list_unfinished(connection: sa.Connection) -> list[Batch]:
    """List the batches that are not finished, oldest first."""
    query = sa.select(batches).where(visible, unfinished).order_by(batches.c.created_at, batches.c.no)
    return [batch_from(row) for row in connection.execute(query)]
