"""Files: stored line by line in short transactions, seen by others only once they are whole."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from .._model.errors import NotFound
from .._model.ids import BatchId, FileId, RequestId
from .._model.jsonl import template_line_size
from .._model.records import (
    BatchErrorItem,
    BatchOutputItem,
    FaultyLine,
    File,
    FileContentItem,
    FileFilter,
    FileMetadata,
    FileStatus,
    ModelTemplateStats,
    Purpose,
    RequestTemplateInput,
)
from .._model.states import RequestState
from .database.rows import Row, dump_problem, file_from, file_rows, load_failure, template_from
from .database.schema import batches, files, results, templates

DAYS = 86400.0
KEPT_SECONDS = 30 * DAYS
ABANDONED_SECONDS = DAYS


def like(column: sa.ColumnElement[Any], part: str) -> sa.ColumnElement[bool]:
    """Match a folded column against a substring taken literally."""
    literal = part.casefold().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return column.like(f"%{literal}%", escape="\\")


def begin(connection: sa.Connection, file_id: FileId, now: float) -> int:
    """Make room for a file that nobody sees yet."""
    row = {
        "id": file_id,
        "name": file_id,
        "name_folded": file_id,
        "ready": 0,
        "created_at": now,
        "updated_at": now,
    }
    return int(connection.execute(sa.insert(files).returning(files.c.no), row).scalar_one())


Line = RequestTemplateInput | FaultyLine


def add_lines(connection: sa.Connection, file_no: int, first: int, lines: Sequence[Line]) -> tuple[int, int]:
    """Append lines; tell their bytes and how many are faulty."""
    rows = [_row_of(file_no, first + place, line) for place, line in enumerate(lines)]
    connection.execute(sa.insert(templates), rows)
    faulty = sum(isinstance(line, FaultyLine) for line in lines)
    return sum(_size_of(line) for line in lines), faulty


def _size_of(line: Line) -> int:
    return len(line.text.encode()) + 1 if isinstance(line, FaultyLine) else template_line_size(line)


def _row_of(file_no: int, number: int, line: Line) -> dict[str, Any]:
    place = {"file_no": file_no, "line": number}
    if isinstance(line, FaultyLine):
        nothing = dict.fromkeys(("custom_id", "custom_id_folded", "endpoint", "api_key", "head", "tail"))
        text = {"method": "", "path": "", "model": "", "body": line.text, "body_bytes": 0}
        return place | nothing | text | {"problem": dump_problem(line.problem)}
    head, tail = line.around or (None, None)
    return place | {
        "custom_id": line.custom_id,
        "custom_id_folded": None if line.custom_id is None else line.custom_id.casefold(),
        "endpoint": line.endpoint,
        "method": line.method,
        "path": line.path,
        "model": line.model,
        "api_key": line.api_key,
        "body": line.body,
        "body_bytes": len(line.body.encode()),
        "head": head,
        "tail": tail,
        "problem": None,
    }


def finish(
    connection: sa.Connection, file_no: int, meta: FileMetadata, counted: tuple[int, int, int], now: float
) -> None:
    """Show a file: it is whole.

    :param counted: bytes, lines, faulty lines
    """
    kept = KEPT_SECONDS if meta.expires_after_seconds is None else meta.expires_after_seconds
    values: dict[str, Any] = dict(zip(("size_bytes", "lines", "problems"), counted, strict=True))
    if meta.filename is not None:
        values |= {"name": meta.filename, "name_folded": meta.filename.casefold()}
    values |= {"description": meta.description, "purpose": meta.purpose, "uploaded_by": meta.uploaded_by}
    # counted from its creation, as OpenAI does, however long the upload took
    values |= {"expires_at": files.c.created_at + kept, "updated_at": now, "ready": 1}
    connection.execute(sa.update(files).where(files.c.no == file_no).values(values))


def discard(connection: sa.Connection, file_no: int) -> None:
    """Forget a file that never became whole."""
    connection.execute(sa.delete(templates).where(templates.c.file_no == file_no))
    connection.execute(sa.delete(files).where(files.c.no == file_no))


def discard_abandoned(connection: sa.Connection, now: float) -> None:
    """Forget uploads whose process is gone."""
    old = (
        sa.select(files.c.no)
        .where(files.c.ready == 0, files.c.created_at < now - ABANDONED_SECONDS)
        .limit(10)
    )
    for file_no in connection.execute(old).scalars().all():
        discard(connection, file_no)


_visible = sa.and_(files.c.ready == 1, files.c.deleted_at.is_(None))


def row_of(connection: sa.Connection, file_id: FileId) -> Row:
    row = connection.execute(file_rows.where(files.c.id == file_id, _visible)).one_or_none()
    if row is None:
        raise NotFound("file", file_id)
    return row


def get(connection: sa.Connection, file_id: FileId, now: float) -> File:
    return file_from(row_of(connection, file_id), now)


def find(connection: sa.Connection, wanted: FileFilter, now: float) -> list[File]:
    query = file_rows.where(_visible, *_conditions(wanted, now))
    order = (files.c.created_at, files.c.no)
    if wanted.after is not None:
        place = sa.select(*order).where(files.c.id == wanted.after)
        last = connection.execute(place).one_or_none()
        if last is None:
            raise NotFound("file", wanted.after)
        after = sa.tuple_(*order)
        query = query.where(after > sa.tuple_(*last) if wanted.ascending else after < sa.tuple_(*last))
    query = query.order_by(*(order if wanted.ascending else (column.desc() for column in order)))
    return [file_from(row, now) for row in connection.execute(query.limit(wanted.limit))]


def _conditions(wanted: FileFilter, now: float) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.uploaded_by is not None:
        found.append(files.c.uploaded_by == wanted.uploaded_by)
    if wanted.purpose is not None:
        found.append(files.c.purpose == wanted.purpose)
    if wanted.search:
        found.append(like(files.c.name_folded, wanted.search))
    if wanted.status is not None:
        found.append(_has_status(wanted.status, now))
    return found


def _has_status(status: FileStatus, now: float) -> sa.ColumnElement[bool]:
    expired = sa.and_(files.c.expires_at.is_not(None), files.c.expires_at <= now)
    match status:
        case FileStatus.EXPIRED:
            return expired
        case FileStatus.PROCESSED:
            return sa.and_(~expired, files.c.problems == 0)
        case FileStatus.ERROR:
            return sa.and_(~expired, files.c.problems > 0)
        case FileStatus.DELETED:
            return sa.false()


def template_stats(connection: sa.Connection, file_id: FileId) -> list[ModelTemplateStats]:
    row = row_of(connection, file_id)
    counts = sa.func.count().label("count"), sa.func.sum(templates.c.body_bytes).label("bytes")
    query = (
        sa.select(templates.c.model, *counts)
        .where(templates.c.file_no == row.no, templates.c.problem.is_(None))
        .group_by(templates.c.model)
        .order_by(templates.c.model)
    )
    return [ModelTemplateStats(model, count, int(size)) for model, count, size in connection.execute(query)]


def hide(connection: sa.Connection, file_id: FileId, now: float) -> int:
    """Hide a file; what batches made from it need stays."""
    row = row_of(connection, file_id)
    connection.execute(sa.update(files).where(files.c.no == row.no).values(deleted_at=now, updated_at=now))
    return int(row.no)


def content_page(
    connection: sa.Connection,
    row: Row,
    after: tuple[Any, ...] | None,
    offset: int,
    search: str | None,
    limit: int,
) -> list[tuple[tuple[Any, ...], FileContentItem]]:
    """Read a page of a file; each item comes with the place to go on from."""
    if row.purpose in (Purpose.BATCH_OUTPUT, Purpose.BATCH_ERROR):
        return _result_page(connection, row, after, offset, search, limit)
    query = sa.select(templates).where(templates.c.file_no == row.no).order_by(templates.c.line).limit(limit)
    query = query.where(templates.c.line > after[0]) if after else query.offset(offset)
    if search:
        query = query.where(like(templates.c.custom_id_folded, search))
    return [((found.line,), template_from(found, FileId(row.id))) for found in connection.execute(query)]


def _result_page(
    connection: sa.Connection,
    row: Row,
    after: tuple[Any, ...] | None,
    offset: int,
    search: str | None,
    limit: int,
) -> list[tuple[tuple[Any, ...], FileContentItem]]:
    outcome = RequestState.COMPLETED if row.purpose == Purpose.BATCH_OUTPUT else RequestState.FAILED
    order = (results.c.ended_at, results.c.line)
    source = results.join(batches, batches.c.no == results.c.batch_no).join(
        templates, sa.and_(templates.c.file_no == batches.c.file_no, templates.c.line == results.c.line)
    )
    query = (
        sa.select(results, batches.c.id.label("batch_id"), templates.c.custom_id)
        .select_from(source)
        .where(results.c.batch_no == row.batch_no, results.c.outcome == outcome)
        .order_by(*order)
        .limit(limit)
    )
    query = query.where(sa.tuple_(*order) > sa.tuple_(*after)) if after else query.offset(offset)
    if search:
        query = query.where(like(templates.c.custom_id_folded, search))
    return [((found.ended_at, found.line), _result_item(found)) for found in connection.execute(query)]


def _result_item(row: Row) -> BatchOutputItem | BatchErrorItem:
    name = str(RequestId(BatchId(row.batch_id), row.line, bool(row.escalated)))
    if row.outcome == RequestState.COMPLETED:
        return BatchOutputItem(name, row.custom_id, row.status, row.request_id, row.body)
    return BatchErrorItem(name, row.custom_id, load_failure(row.failure))
