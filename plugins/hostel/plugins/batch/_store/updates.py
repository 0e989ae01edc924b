"""Changes that callers ask for: reports of daemons, cancellations, retries, the end of stopped batches."""

from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from .._model.errors import BatchError, NotFound, StateConflict
from .._model.ids import BatchId, RequestId
from .._model.records import AnyRequest, DaemonState, OnDeadline
from .._model.states import (
    HELD,
    AnyState,
    Canceled,
    Failed,
    Failure,
    FailureKind,
    Pending,
    Processing,
    RequestState,
)
from . import transitions
from .database.dialect import Key, Time
from .database.rows import Row, request_from, request_rows
from .database.schema import (
    batches,
    daemons,
    model_queues,
    requests,
    results,
    still_stopping,
    templates,
    unfinished,
)
from .transition_rules import Outcome, Update

CHUNK = 2000


_KNOWN = sa.select(batches).where(
    batches.c.id.in_(sa.bindparam("ids", expanding=True)), batches.c.deleted_at.is_(None)
)


def _numbers(connection: sa.Connection, names: Iterable[RequestId]) -> dict[BatchId, Row]:
    wanted = sorted({name.batch_id for name in names})
    return {BatchId(row.id): row for row in connection.execute(_KNOWN, {"ids": wanted})}


def persist(connection: sa.Connection, reports: Sequence[AnyRequest], now: float) -> list[Outcome]:
    """Write what workers report of the requests they hold."""
    known = _numbers(connection, (report.id for report in reports))
    # most reports only say that sending begins: one statement for all of them, no lock, no counter
    begun = _begin(connection, known, reports)
    updates = {
        place: Update(
            _key(known[report.id.batch_id].no, report.id),
            report.id,
            report.state,
            report.lease,
            report.data.custom_id,
        )
        for place, report in enumerate(reports)
        if report.id.batch_id in known and report.id not in begun
    }
    outcomes = dict(zip(updates, transitions.apply(connection, list(updates.values()), now), strict=True))
    return [
        outcomes.get(place) if report.id.batch_id in known else NotFound("request", str(report.id))
        for place, report in enumerate(reports)
    ]


_BEGIN = (
    sa.update(requests)
    .where(
        requests.c.batch_no == sa.bindparam("no"),
        requests.c.escalated == sa.bindparam("twin"),
        requests.c.lease == sa.bindparam("held_lease"),
        requests.c.line.in_(sa.bindparam("lines", expanding=True)),
        requests.c.state == RequestState.CLAIMED,
    )
    .values(state=RequestState.PROCESSING, started_at=sa.bindparam("started"))
    .returning(requests.c.line)
)


def _begin(
    connection: sa.Connection, known: Mapping[BatchId, Row], reports: Sequence[AnyRequest]
) -> set[RequestId]:
    """Note at once which claimed requests are being sent: no counter and no twin changes by that."""
    groups: dict[tuple[int, int, int], dict[int, RequestId]] = {}
    started = 0.0
    for report in reports:
        if isinstance(report.state, Processing) and report.id.batch_id in known:
            place = (known[report.id.batch_id].no, int(report.id.escalated), report.lease)
            groups.setdefault(place, {})[report.id.line] = report.id
            started = max(started, report.state.started_at)
    begun: set[RequestId] = set()
    for (no, escalated, lease), lines in sorted(groups.items()):
        held = {"no": no, "twin": escalated, "held_lease": lease, "lines": sorted(lines), "started": started}
        begun |= {lines[line] for line in connection.execute(_BEGIN, held).scalars()}
    return begun


def _key(no: int, name: RequestId) -> Key:
    return Key(no, name.line, int(name.escalated))


def get(connection: sa.Connection, names: Sequence[RequestId]) -> list[AnyRequest | BatchError]:
    """Read requests; each id has its own answer, in order."""
    known = _numbers(connection, names)
    keys = [_key(known[name.batch_id].no, name) for name in names if name.batch_id in known]
    rows = connection.execute(request_rows.where(transitions.of_lines(requests, keys)))
    found = {request.id: request for request in map(request_from, rows)}
    return [found.get(name) or NotFound("request", str(name)) for name in names]


def cancel(connection: sa.Connection, names: Sequence[RequestId], now: float) -> list[BatchError | None]:
    """Withdraw requests of their own; each id has its own answer, in order."""
    known = _numbers(connection, names)
    updates = {
        name: Update(_key(known[name.batch_id].no, name), name, Canceled(now), None)
        for name in names
        if name.batch_id in known
    }
    return _answers(connection, names, updates, {}, now)


def _answers(
    connection: sa.Connection,
    names: Sequence[RequestId],
    updates: Mapping[RequestId, Update],
    refused: Mapping[RequestId, BatchError],
    now: float,
) -> list[BatchError | None]:
    outcomes = dict(zip(updates, transitions.apply(connection, list(updates.values()), now), strict=True))
    errors = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, BatchError)} | dict(
        refused
    )
    return [
        errors.get(name) if name in updates or name in refused else NotFound("request", str(name))
        for name in names
    ]


def retry(connection: sa.Connection, names: Sequence[RequestId], now: float) -> list[BatchError | None]:
    """Send failed requests again from the first attempt and open their batches again, with time to do so."""
    known = _numbers(connection, names)
    refused = {
        name: _busy(name) for name in names if name.batch_id in known and _is_busy(known[name.batch_id], name)
    }
    updates = {}
    for name in dict.fromkeys(names):
        if name.batch_id in known and name not in refused:
            row = known[name.batch_id]
            updates[name] = Update(
                _key(row.no, name), name, Pending(0, None, row.expires_at), None, retry=True
            )
    for no in sorted({update.key.batch_no for update in updates.values()}):
        # a stopped batch may still have lines that wait: they end before it is opened again
        while end_waiting(connection, no, now):
            pass
    answers = _answers(connection, names, updates, refused, now)
    retried = {name.batch_id for name, answer in zip(names, answers, strict=True) if answer is None}
    _reopen(connection, [known[batch_id] for batch_id in retried], now)
    return answers


def _is_busy(row: Row, name: RequestId) -> bool:
    stopping = row.cancelling_at is not None or row.expiring_at is not None
    return name.escalated or (stopping and row.in_flight > 0)


def _busy(name: RequestId) -> BatchError:
    why = "retry the request it was escalated from" if name.escalated else "its batch is still being stopped"
    return StateConflict(name, RequestState.FAILED, RequestState.PENDING, why)


def failed_of(connection: sa.Connection, batch_id: BatchId) -> list[RequestId]:
    """List some failed requests of a batch."""
    row = _numbers(connection, [RequestId(batch_id, 0)]).get(batch_id)
    if row is None:
        raise NotFound("batch", batch_id)
    query = (
        sa.select(results.c.line)
        .where(results.c.batch_no == row.no, results.c.outcome == RequestState.FAILED)
        .order_by(results.c.line)
        .limit(CHUNK)
    )
    return [RequestId(batch_id, line) for line in connection.execute(query).scalars()]


def _reopen(connection: sa.Connection, rows: Iterable[Row], now: float) -> None:
    ended = ("finalizing_at", "completed_at", "cancelling_at", "cancelled_at", "expiring_at", "expired_at")
    for row in sorted(rows, key=lambda row: row.no):
        deadline = now + row.window_seconds if row.expires_at <= now else row.expires_at
        connection.execute(
            sa.update(model_queues)
            .where(model_queues.c.batch_no == row.no)
            .values(stopped=0, deadline=deadline)
        )
        values = dict.fromkeys(ended) | {"expires_at": deadline}
        connection.execute(sa.update(batches).where(batches.c.no == row.no).values(values))


def end_waiting(connection: sa.Connection, no: int, now: float) -> int:
    """End requests that still wait in a stopped batch; tell how many it were."""
    stopped = sa.or_(batches.c.cancelling_at.is_not(None), batches.c.expiring_at.is_not(None))
    row = connection.execute(
        sa.select(batches).where(batches.c.no == no, stopped, batches.c.in_flight == 0)
    ).one_or_none()
    if row is None:
        return 0
    waiting = (
        sa.select(requests.c.line, requests.c.escalated, templates.c.custom_id)
        .select_from(
            requests.join(
                templates, sa.and_(templates.c.file_no == row.file_no, templates.c.line == requests.c.line)
            )
        )
        .where(requests.c.batch_no == no, requests.c.state == RequestState.PENDING)
        .order_by(requests.c.line, requests.c.escalated)
        .limit(CHUNK)
    )
    updates = [
        _update_ending(row, line, escalated, custom_id, now)
        for line, escalated, custom_id in connection.execute(waiting)
    ]
    if updates:
        transitions.apply(connection, updates, now)
    return len(updates)


def _update_ending(row: Row, line: int, escalated: int, custom_id: str | None, now: float) -> Update:
    name = RequestId(BatchId(row.id), line, bool(escalated))
    state: AnyState = Canceled(row.cancelling_at or now)
    if row.cancelling_at is None and not escalated:
        state = Failed(Failure(FailureKind.BATCH_EXPIRED), row.expiring_at, 0, row.expires_at)
    return Update(Key(row.no, line, escalated), name, state, None, custom_id)


def still_stopping_batches(connection: sa.Connection) -> list[int]:
    """List stopped batches that still have lines waiting and nothing in flight."""
    query = (
        sa.select(batches.c.no)
        .where(still_stopping, batches.c.in_flight == 0)
        .order_by(batches.c.no)
        .limit(100)
    )
    return list(connection.execute(query).scalars())


def expire(connection: sa.Connection, time: Time) -> int:
    """Stop the batches whose window has passed, unless they are to continue."""
    late = sa.and_(
        unfinished,
        batches.c.cancelling_at.is_(None),
        batches.c.expiring_at.is_(None),
        batches.c.on_deadline == OnDeadline.EXPIRE,
        batches.c.expires_at <= time,
    )
    nos = list(
        connection.execute(sa.select(batches.c.no).where(late).order_by(batches.c.no).limit(100)).scalars()
    )
    if not nos:
        return 0
    connection.execute(sa.update(model_queues).where(model_queues.c.batch_no.in_(nos)).values(stopped=1))
    stop = sa.update(batches).where(batches.c.no.in_(nos), late).values(expiring_at=time, finalizing_at=time)
    return connection.execute(stop).rowcount


def reclaim(connection: sa.Connection, stale_after: float, time: Time, now: float) -> int:
    """Take requests back from daemons that stopped or have been silent for `stale_after` seconds."""
    # a daemon whose machine is gone cannot say so: it is silent
    alive = sa.select(daemons.c.id).where(
        daemons.c.state != DaemonState.DEAD, daemons.c.last_heartbeat >= time - stale_after
    )
    query = (
        sa.select(
            requests.c.batch_no, requests.c.line, requests.c.escalated, requests.c.lease, requests.c.attempt
        )
        .add_columns(batches.c.id, batches.c.expires_at)
        .select_from(requests.join(batches, batches.c.no == requests.c.batch_no))
        .where(requests.c.state.in_(sorted(HELD)), requests.c.daemon_id.not_in(alive))
        .order_by(requests.c.batch_no, requests.c.line, requests.c.escalated)
        .limit(CHUNK)
        .with_for_update(of=requests, skip_locked=True, key_share=True)
    )
    updates = [
        Update(
            Key(*row[:3]),
            RequestId(BatchId(row.id), row.line, bool(row.escalated)),
            Pending(row.attempt, None, row.expires_at),
            row.lease,
        )
        for row in connection.execute(query)
    ]
    outcomes = transitions.apply(connection, updates, now) if updates else []
    return sum(outcome is None for outcome in outcomes)


def stopped(connection: sa.Connection, held: Mapping[RequestId, int]) -> list[RequestId]:
    """Tell which of these requests, held under these leases, are no longer wanted from their holder."""
    known = _numbers(connection, held)
    keys = {_key(known[name.batch_id].no, name): name for name in held if name.batch_id in known}
    going = {no.no for no in known.values() if no.cancelling_at is None and no.expiring_at is None}
    columns = (requests.c.batch_no, requests.c.line, requests.c.escalated, requests.c.lease)
    query = sa.select(*columns).where(
        transitions.of_lines(requests, keys), requests.c.state.in_(sorted(HELD))
    )
    wanted = {
        keys[key]: row.lease
        for row in connection.execute(query)
        if (key := Key(*row[:3])) in keys and row.batch_no in going
    }
    return [name for name, lease in held.items() if wanted.get(name) != lease]
