"""Every change of a request's state, in groups, each group one transaction.

1. Lock the lines in question, requests and escalations, in one order: (batch, line, escalated). Then lanes,
   then batches.
2. Decide in memory with the table of states: which orders are legal, who wins a race, which results come and
   go. Pure.
3. Write what changed `WHERE state = ... AND lease = ...`, then insert results: one per line, or the whole
   group fails.
4. Add the differences to the counters of lanes and batches; whoever makes a batch's last change finalises it.
Counters only ever change by differences, so groups commute. An order that has been carried out already is no
error.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import attrs
import sqlalchemy as sa

from hostel.plugins.batch._errors import BatchError, NotFound, StateConflict
from hostel.plugins.batch._ids import RequestId
from hostel.plugins.batch._lines import content_line, read_usage
from hostel.plugins.batch._records import BatchErrorItem, BatchOutputItem
from hostel.plugins.batch._states import (
    HELD,
    LIVE,
    MOVES,
    AnyState,
    Canceled,
    Claimed,
    Completed,
    Failed,
    Pending,
    Processing,
    RequestState,
    Superseded,
    standing,
)

from ._database import Contended
from ._dialect import Key
from ._rows import dump_failure, load_failure
from ._schema import batches, lanes, requests, results, unfinished

Outcome = RequestId | BatchError | None


@attrs.frozen
class Order:
    """A change asked for.

    :param lease: number of the claim it is made under, None for one made by the batch's owner
    """

    key: Key
    id: RequestId
    state: AnyState
    lease: int | None
    custom_id: str | None = None
    retry: bool = False


@attrs.frozen
class Row:
    """A request as stored."""

    batch_no: int
    line: int
    escalated: int
    model: str
    state: RequestState
    lease: int
    attempt: int
    not_before: float | None
    daemon_id: str | None
    claimed_at: float | None
    started_at: float | None
    ended_at: float | None
    routed_model: str | None
    failure: str | None

    @property
    def key(self) -> Key:
        return Key(self.batch_no, self.line, self.escalated)


@attrs.define
class Group:
    """The lines of a group, as they were and as they will be; `names` has the order that moved a request."""

    before: dict[Key, Row]
    after: dict[Key, Row] = attrs.field(factory=dict)
    names: dict[Key, Order] = attrs.field(factory=dict)

    def row(self, key: Key) -> Row | None:
        return self.after.get(key) or self.before.get(key)

    def changed(self) -> list[tuple[Row, Row]]:
        return [(self.before[key], row) for key, row in sorted(self.after.items())]


def apply(connection: sa.Connection, orders: Sequence[Order], now: float) -> list[Outcome]:
    """Carry out orders in one transaction; an outcome is the loser superseded, nothing, or a refusal."""
    group = Group(load(connection, [order.key for order in orders]))
    outcomes = [decide(group, order, now) for order in orders]
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


def decide(group: Group, order: Order, now: float) -> Outcome:
    """Move one request in memory, and its twin where it wins."""
    row, wanted = group.row(order.key), order.state.name
    if row is None:
        return NotFound("request", str(order.id))
    if order.lease is not None and row.lease != order.lease:
        return StateConflict(order.id, row.state, wanted, "another worker has claimed it since")
    if row.state is wanted:
        return None if order.lease is not None else StateConflict(order.id, row.state, wanted)
    if not (row.state is RequestState.FAILED if order.retry else wanted in MOVES[row.state]):
        return StateConflict(order.id, row.state, wanted)
    twin = group.row(order.key._replace(escalated=1 - order.key.escalated))
    if wanted is RequestState.COMPLETED and twin is not None and twin.state is RequestState.COMPLETED:
        return StateConflict(order.id, row.state, wanted, "the other runner has completed the line")
    group.after[order.key] = attrs.evolve(row, **_columns(order.state))
    group.names[order.key] = order
    return None if twin is None else _settle_twin(group, order, twin, now)


def _settle_twin(group: Group, order: Order, twin: Row, now: float) -> RequestId | None:
    beaten = twin.state in LIVE or (twin.state is RequestState.FAILED and not twin.escalated)
    if order.state.name is RequestState.COMPLETED and beaten:
        group.after[twin.key] = attrs.evolve(
            twin, state=RequestState.SUPERSEDED, ended_at=now, not_before=None
        )
        return order.id.twin()
    if order.state.name is RequestState.CANCELED and not order.key.escalated and twin.state in LIVE:
        group.after[twin.key] = attrs.evolve(twin, state=RequestState.CANCELED, ended_at=now, not_before=None)
    return None


def _columns(state: AnyState) -> dict[str, Any]:
    match state:
        case Pending():
            kept: dict[str, Any] = {"attempt": state.retry_attempt, "not_before": state.not_before}
            gone = dict.fromkeys(
                ("daemon_id", "claimed_at", "started_at", "ended_at", "failure", "routed_model")
            )
            return {"state": state.name, **kept, **gone}
        case Processing():
            return {"state": state.name, "started_at": state.started_at}
        case Completed():
            return {"state": state.name, "ended_at": state.completed_at, "routed_model": state.routed_model}
        case Failed():
            reason = dump_failure(state.reason)
            return {
                "state": state.name,
                "ended_at": state.failed_at,
                "failure": reason,
                "not_before": None,
            } | {
                "attempt": state.retry_attempt,
                "routed_model": state.routed_model,
            }
        case Claimed():
            raise TypeError("requests are claimed by claim_requests only")
        case Canceled():
            return {"state": state.name, "ended_at": state.canceled_at, "not_before": None}
        case Superseded():
            return {"state": state.name, "ended_at": state.superseded_at, "not_before": None}


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
    if written.rowcount != len(changed):
        raise Contended
    totals: dict[int, Counter[str]] = {row.batch_no: Counter() for _, row in changed}
    _write_results(connection, group, changed, totals)
    add_to_lanes(connection, _count_lanes(changed))
    _count_lines(group, changed, totals)
    add_to_batches(connection, totals, now)


def _update_of(was: Row, row: Row) -> dict[str, Any]:
    place = {"at_batch_no": row.batch_no, "at_line": row.line, "at_escalated": row.escalated}
    guard = {"was_state": was.state, "was_lease": was.lease}
    return place | guard | {f"to_{name}": getattr(row, name) for name in _CHANGING}


def _line_standing(rows: Mapping[Key, Row], fallback: Mapping[Key, Row], key: Key) -> RequestState:
    first, second = (
        rows.get(key._replace(escalated=e)) or fallback.get(key._replace(escalated=e)) for e in (0, 1)
    )
    if first is None:
        raise LookupError(f"line {key.line} of batch {key.batch_no} has no request")
    return standing(first.state, second.state if second else None)


def _lines(changed: Iterable[tuple[Row, Row]]) -> list[Key]:
    return sorted({row.key._replace(escalated=0) for _, row in changed})


def _count_lines(group: Group, changed: Sequence[tuple[Row, Row]], totals: dict[int, Counter[str]]) -> None:
    for key in _lines(changed):
        counted = totals[key.batch_no]
        counted[_line_standing(group.before, {}, key)] -= 1
        counted[_line_standing(group.after, group.before, key)] += 1
    for was, row in changed:
        totals[row.batch_no]["in_flight"] += (row.state in HELD) - (was.state in HELD)


def _write_results(
    connection: sa.Connection,
    group: Group,
    changed: Sequence[tuple[Row, Row]],
    totals: dict[int, Counter[str]],
) -> None:
    gone, new = [], []
    for key in _lines(changed):
        was, now_is = _line_standing(group.before, {}, key), _line_standing(group.after, group.before, key)
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
        winner = next(key for key in (line, line._replace(escalated=1)) if _is_completed(group.row(key)))
        order = group.names[winner]
        return _answer_of(winner, order, totals)
    return _failure_of(group, line, totals)


def _is_completed(row: Row | None) -> bool:
    return row is not None and row.state is RequestState.COMPLETED


def _answer_of(key: Key, order: Order, totals: Counter[str]) -> dict[str, Any]:
    state = order.state
    if not isinstance(state, Completed):
        raise TypeError("only a completed request has an answer")
    item = BatchOutputItem(
        str(order.id), order.custom_id, state.response_status, state.response_request_id, state.response_body
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
    order = group.names.get(line) or group.names[line._replace(escalated=1)]
    name = attrs.evolve(order.id, escalated=False)
    item = BatchErrorItem(str(name), order.custom_id, load_failure(row.failure))
    size = len(content_line(item).encode()) + 1
    totals["error_bytes"] += size
    return _result(line, RequestState.FAILED, row.ended_at, size) | {"failure": row.failure}


def _result(key: Key, outcome: RequestState, ended_at: float, size: int) -> dict[str, Any]:
    nothing = dict.fromkeys(("status", "request_id", "body", "failure"))
    return key._asdict() | nothing | {"outcome": outcome, "ended_at": ended_at, "bytes": size}


_ADD_TO_LANE = (
    sa.update(lanes)
    .where(lanes.c.batch_no == sa.bindparam("at_batch_no"), lanes.c.model == sa.bindparam("at_model"))
    .values(
        pending=lanes.c.pending + sa.bindparam("d_pending"),
        in_flight=lanes.c.in_flight + sa.bindparam("d_in_flight"),
    )
)


def _count_lanes(changed: Iterable[tuple[Row, Row]]) -> dict[tuple[int, str], Counter[str]]:
    totals: dict[tuple[int, str], Counter[str]] = {}
    for was, row in changed:
        counted = totals.setdefault((row.batch_no, row.model), Counter())
        counted["d_pending"] += (row.state is RequestState.PENDING) - (was.state is RequestState.PENDING)
        counted["d_in_flight"] += (row.state in HELD) - (was.state in HELD)
    return totals


def add_to_lanes(connection: sa.Connection, totals: Mapping[tuple[int, str], Mapping[str, int]]) -> None:
    """Bring lanes up to date, in order."""
    rows = [
        {
            "at_batch_no": no,
            "at_model": model,
            "d_pending": counted["d_pending"],
            "d_in_flight": counted["d_in_flight"],
        }
        for (no, model), counted in sorted(totals.items())
        if any(counted.values())
    ]
    if rows:
        connection.execute(_ADD_TO_LANE, rows)


_COUNTERS = (
    "pending",
    "processing",
    "completed",
    "failed",
    "canceled",
    "in_flight",
    "output_bytes",
    "error_bytes",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "reasoning_tokens",
)
_ADD_TO_BATCH = (
    sa.update(batches)
    .where(batches.c.no == sa.bindparam("at_no"))
    .values({name: batches.c[name] + sa.bindparam(f"d_{name}", type_=sa.BigInteger) for name in _COUNTERS})
)


def add_to_batches(connection: sa.Connection, totals: Mapping[int, Mapping[str, int]], now: float) -> None:
    """Bring batches up to date, in order, and finalise those that have nothing left to do."""
    rows = [
        {"at_no": no} | {f"d_{name}": counted.get(name, 0) for name in _COUNTERS}
        for no, counted in sorted(totals.items())
        if any(counted.values())
    ]
    if rows:
        connection.execute(_ADD_TO_BATCH, rows)
    if any(_may_end(counted) for counted in totals.values()):
        finalise(connection, sorted(totals), now)


def _may_end(counted: Mapping[str, int]) -> bool:
    return counted.get("in_flight", 0) < 0 or counted.get("pending", 0) + counted.get("processing", 0) < 0


def finalise(connection: sa.Connection, nos: Sequence[int], now: float) -> None:
    """End the batches whose last line is decided, or that were stopped and have nothing in flight."""
    cancelling, expiring = batches.c.cancelling_at.is_not(None), batches.c.expiring_at.is_not(None)
    done = sa.and_(batches.c.pending == 0, batches.c.processing == 0)
    idle = sa.and_(batches.c.in_flight == 0, sa.or_(cancelling, sa.and_(expiring, batches.c.pending == 0)))
    ended = sa.and_(done, ~cancelling, ~expiring)
    at = sa.literal(now)
    connection.execute(
        sa.update(batches)
        .where(batches.c.no.in_(nos), unfinished, sa.or_(ended, idle))
        .values(
            finalizing_at=sa.func.coalesce(batches.c.finalizing_at, at),
            completed_at=sa.case((sa.and_(~cancelling, ~expiring), at)),
            cancelled_at=sa.case((cancelling, at)),
            expired_at=sa.case((sa.and_(expiring, ~cancelling), at)),
        )
    )
