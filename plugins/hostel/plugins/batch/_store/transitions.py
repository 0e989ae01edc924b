"""Every change of a request's state, in groups, each group one transaction.

1. Lock the lines in question, requests and escalations, in one order: (batch, line, escalated). Then model
   queues, then batches.
2. Decide in memory with the table of states: which updates are legal, who wins a race, which results come
   and go. Pure.
3. Write what changed `WHERE state = ... AND lease = ...`, then insert results: one per line, or the whole
   group fails.
4. Add the differences to the counters of model queues and batches; whoever makes a batch's last change
   finalises it.
Counters only ever change by differences, so groups commute. An update that has been carried out already is
no error.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import attrs
import sqlalchemy as sa

from .._model.jsonl import content_line, read_usage
from .._model.records import BatchErrorItem, BatchOutputItem
from .._model.states import HELD, Completed, RequestState
from .counters import add_to_batches, add_to_queues
from .database.dialect import Key
from .database.rows import load_failure
from .database.schema import requests, results
from .database.transactions import Contended
from .transition_rules import Group, Outcome, Row, Update, move, twins


def apply(connection: sa.Connection, updates: Sequence[Update], now: float) -> list[Outcome]:
    """Carry out updates in one transaction; an outcome is the loser superseded, nothing, or a refusal."""
    if not updates:
        return []
    group = Group(load(connection, [update.key for update in updates]))
    outcomes = [move(group, update, now) for update in updates]
    write(connection, group, now)
    return outcomes


def of_lines(table: sa.Table, keys: Iterable[Key]) -> sa.ColumnElement[bool]:
    """Match every row of the lines that the keys are in."""
    lines: dict[int, set[int]] = {}
    for key in keys:
        lines.setdefault(key.batch_no, set()).add(key.line)
    return sa.or_(
        sa.false(),
        *(
            sa.and_(table.c.batch_no == no, table.c.line.in_(sorted(found)))
            for no, found in sorted(lines.items())
        ),
    )


def load(connection: sa.Connection, keys: Collection[Key]) -> dict[Key, Row]:
    """Lock lines, in order."""
    columns = [requests.c[field.name] for field in attrs.fields(Row)]
    query = (
        sa.select(*columns)
        .where(of_lines(requests, keys))
        .order_by(*columns[:3])
        .with_for_update(key_share=True)
    )
    rows = connection.execute(query).mappings()
    found = (Row(**{**row, "state": RequestState(row["state"])}) for row in rows)
    return {row.key: row for row in found}


_CHANGING = (
    "state",
    "attempt",
    "not_before",
    "daemon_id",
    "claimed_at",
    "started_at",
    "ended_at",
    "routed_model",
    "failure",
)
_UPDATE = (
    sa.update(requests)
    .where(
        requests.c.batch_no == sa.bindparam("at_batch_no"),
        requests.c.line == sa.bindparam("at_line"),
        requests.c.escalated == sa.bindparam("at_escalated"),
        requests.c.state == sa.bindparam("was_state"),
        requests.c.lease == sa.bindparam("was_lease"),
    )
    .values({name: sa.bindparam(f"to_{name}") for name in _CHANGING})
)


def write(connection: sa.Connection, group: Group, now: float) -> None:
    """Write a decided group."""
    changed = group.changed()
    if not changed:
        return
    written = connection.execute(_UPDATE, [_update_of(was, row) for was, row in changed])
    # somebody has changed a row since it was read
    if written.rowcount != len(changed):
        raise Contended
    totals: dict[int, Counter[str]] = {row.batch_no: Counter() for _, row in changed}
    _write_results(connection, group, changed, totals)
    add_to_queues(connection, _count_queues(changed))
    _count_lines(group, changed, totals)
    add_to_batches(connection, totals, now)


def _update_of(was: Row, row: Row) -> dict[str, Any]:
    place = {"at_batch_no": row.batch_no, "at_line": row.line, "at_escalated": row.escalated}
    guard = {"was_state": was.state, "was_lease": was.lease}
    return place | guard | {f"to_{name}": getattr(row, name) for name in _CHANGING}


def _lines(changed: Iterable[tuple[Row, Row]]) -> list[Key]:
    return sorted({Key(row.batch_no, row.line, 0) for _, row in changed})


def _count_lines(group: Group, changed: Sequence[tuple[Row, Row]], totals: dict[int, Counter[str]]) -> None:
    for key in _lines(changed):
        counted = totals[key.batch_no]
        counted[group.stood(key)] -= 1
        counted[group.stands(key)] += 1
    for was, row in changed:
        totals[row.batch_no]["in_flight"] += (row.state in HELD) - (was.state in HELD)


def _write_results(
    connection: sa.Connection,
    group: Group,
    changed: Sequence[tuple[Row, Row]],
    totals: dict[int, Counter[str]],
) -> None:
    # a line that failed may still complete: its failure goes, in the same transaction
    gone, new = [], []
    for key in _lines(changed):
        was, now_is = group.stood(key), group.stands(key)
        if was is now_is:
            continue
        if was is RequestState.FAILED:
            gone.append(key)
        if now_is in (RequestState.COMPLETED, RequestState.FAILED):
            new.append(_result_of(group, key, now_is, totals[key.batch_no]))
    if gone:
        deleted = (
            sa.delete(results).where(of_lines(results, gone)).returning(results.c.batch_no, results.c.bytes)
        )
        for batch_no, size in connection.execute(deleted):
            totals[batch_no]["error_bytes"] -= size
    if new:
        connection.execute(sa.insert(results), new)


def _result_of(group: Group, line: Key, outcome: RequestState, totals: Counter[str]) -> dict[str, Any]:
    if outcome is RequestState.COMPLETED:
        winner = next(key for key in twins(line) if _is_completed(group.row(key)))
        update = group.names[winner]
        return _answer_of(winner, update, totals)
    return _failure_of(group, line, totals)


def _is_completed(row: Row | None) -> bool:
    return row is not None and row.state is RequestState.COMPLETED


def _answer_of(key: Key, update: Update, totals: Counter[str]) -> dict[str, Any]:
    state = update.state
    if not isinstance(state, Completed):
        raise TypeError("only a completed request has an answer")
    item = BatchOutputItem(
        str(update.id),
        update.custom_id,
        state.response_status,
        state.response_request_id,
        state.response_body,
    )
    size = len(content_line(item).encode()) + 1
    totals["output_bytes"] += size
    totals.update(attrs.asdict(read_usage(state.response_body)))
    return _result(key, RequestState.COMPLETED, state.completed_at, size) | {
        "status": state.response_status,
        "request_id": state.response_request_id,
        "body": state.response_body,
    }


def _failure_of(group: Group, line: Key, totals: Counter[str]) -> dict[str, Any]:
    row = group.row(line)
    if row is None or row.failure is None or row.ended_at is None:
        raise LookupError("a failed line has a failed request")
    update = group.names.get(line) or group.names[line._replace(escalated=1)]
    name = attrs.evolve(update.id, escalated=False)
    item = BatchErrorItem(str(name), update.custom_id, load_failure(row.failure))
    size = len(content_line(item).encode()) + 1
    totals["error_bytes"] += size
    return _result(line, RequestState.FAILED, row.ended_at, size) | {"failure": row.failure}


def _result(key: Key, outcome: RequestState, ended_at: float, size: int) -> dict[str, Any]:
    nothing = dict.fromkeys(("status", "request_id", "body", "failure"))
    return key._asdict() | nothing | {"outcome": outcome, "ended_at": ended_at, "bytes": size}


def _count_queues(changed: Iterable[tuple[Row, Row]]) -> dict[tuple[int, str], Counter[str]]:
    totals: dict[tuple[int, str], Counter[str]] = {}
    for was, row in changed:
        counted = totals.setdefault((row.batch_no, row.model), Counter())
        counted["d_pending"] += (row.state is RequestState.PENDING) - (was.state is RequestState.PENDING)
        counted["d_in_flight"] += (row.state in HELD) - (was.state in HELD)
    return totals
