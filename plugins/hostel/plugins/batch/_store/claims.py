"""Claims: who may send what, next.

Order: batches by (deadline, age), lines of a batch in order, whatever their model, but a model takes no more
than its free slots. Model queues say what each batch has for each model, so the plan reads no requests. The
queues of one batch are then read in parallel and merged by line: a few more than their even share of each,
and more only of those that turn out to come first.
Requests that are not due, or locked by another claim, are passed over.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import attrs
import sqlalchemy as sa

from .._model.ids import DaemonId
from .._model.records import Capacity, Request
from .._model.states import Claimed, RequestState
from .counters import add_to_batches, add_to_queues
from .daemons import keep_alive
from .database.dialect import Found, Time, Want, first_pending, is_one_of, lock_models
from .database.rows import data_from, sendable_rows
from .database.schema import batches, model_queues, requests
from .database.transactions import Contended

QUEUES_PER_MODEL = 100
FIRST_QUEUES = 256


class ModelQueue(NamedTuple):
    """What one batch has pending for one model."""

    batch_no: int
    model: str
    pending: int


@attrs.frozen
class Share:
    """What a claim wants of one batch: `quota` requests in all, at most `demands` of each model."""

    batch_no: int
    quota: int
    demands: Mapping[str, int]

    def first_wants(self) -> dict[str, int]:
        """Say how many to read of each queue at first."""
        even = self.quota if len(self.demands) == 1 else max(2, 2 * self.quota // len(self.demands))
        return {model: min(demand, self.quota, even) for model, demand in self.demands.items()}


def claim(
    connection: sa.Connection, limit: int, daemon_id: DaemonId, capacity: Capacity, time: Time, now: float
) -> list[Request[Claimed]]:
    """Take up to `limit` requests, in order.

    :raises NotFound: if nobody would know that the daemon lives
    """
    free = _Free(connection, capacity)
    first = _first_queues(connection, free)
    taken = _take_from(connection, first, free, limit, daemon_id, now)
    if len(taken) < limit and len(first) == FIRST_QUEUES:
        # the first queues may all be of models whose slots are taken: look for others, model by model
        others = _every_queue(connection, free, first)
        taken += _take_from(connection, others, free, limit - len(taken), daemon_id, now)
    if taken:
        _count(connection, taken, now)
        keep_alive(connection, daemon_id, time)
    return _read(connection, taken)


def _take_from(
    connection: sa.Connection,
    open_queues: Sequence[ModelQueue],
    free: "_Free",
    limit: int,
    daemon_id: DaemonId,
    now: float,
) -> list[Found]:
    taken: list[Found] = []
    while shares := plan(open_queues, free.by_model, limit - len(taken)):
        chosen, short = _choose(connection, shares, now)
        _mark(connection, chosen, daemon_id, now)
        taken += chosen
        free.use(chosen)
        open_queues = _left(open_queues, chosen, short)
    return taken


class _Free:
    """Free slots by model, as this claim uses them up."""

    def __init__(self, connection: sa.Connection, capacity: Capacity) -> None:
        self._capacity = capacity
        self.by_model: dict[str, int] = {}
        limited = sorted(capacity.everywhere)
        self._elsewhere: dict[str, int] = {}
        if limited:
            # limits over all daemons hold only if claims of a model come one after the other
            lock_models(connection, limited)
            held = sa.select(model_queues.c.model, sa.func.sum(model_queues.c.in_flight)).where(
                model_queues.c.model.in_(limited)
            )
            self._elsewhere = {
                model: int(count) for model, count in connection.execute(held.group_by(model_queues.c.model))
            }

    def full(self) -> list[str]:
        """Name the models that have limits and no free slot."""
        names = self._capacity.free.keys() | self._capacity.everywhere.keys()
        return sorted(name for name in names if self._most(name, 1) <= 0)

    def learn(self, open_queues: list[ModelQueue]) -> list[ModelQueue]:
        """Work out how many of the models of these queues may be taken."""
        pending: Counter[str] = Counter()
        for queue in open_queues:
            pending[queue.model] += queue.pending
        for model, count in pending.items():
            if model not in self.by_model or self._unlimited(model):
                self.by_model[model] = max(0, self._most(model, count))
        return open_queues

    def _unlimited(self, model: str) -> bool:
        own = self._capacity.free.get(model, self._capacity.default)
        return own is None and model not in self._capacity.everywhere

    def _most(self, model: str, pending: int) -> int:
        own = self._capacity.free.get(model, self._capacity.default)
        most = pending if own is None else own
        if model in self._capacity.everywhere:
            most = min(most, self._capacity.everywhere[model] - self._elsewhere.get(model, 0))
        return most

    def use(self, found: Iterable[Found]) -> None:
        for row in found:
            self.by_model[row.model] -= 1


_OPEN = sa.and_(model_queues.c.pending > 0, model_queues.c.stopped == 0)
_QUEUE = (model_queues.c.batch_no, model_queues.c.model, model_queues.c.pending)
_FIRST = (
    sa.select(*_QUEUE)
    .where(_OPEN, model_queues.c.model.not_in(sa.bindparam("full", expanding=True)))
    .order_by(model_queues.c.deadline, model_queues.c.batch_no, model_queues.c.model)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_ranked = (
    sa.select(
        *_QUEUE,
        model_queues.c.deadline,
        sa.func.row_number()
        .over(partition_by=model_queues.c.model, order_by=(model_queues.c.deadline, model_queues.c.batch_no))
        .label("place"),
    )
    .where(_OPEN)
    .subquery()
)
_EVERY = (
    sa.select(_ranked.c.batch_no, _ranked.c.model, _ranked.c.pending)
    .where(_ranked.c.place <= QUEUES_PER_MODEL)
    .order_by(_ranked.c.deadline, _ranked.c.batch_no, _ranked.c.model)
)


def _first_queues(connection: sa.Connection, free: "_Free") -> list[ModelQueue]:
    """Read the model queues that come first; those of models known to be full are passed over."""
    values = {"full": free.full(), "most": FIRST_QUEUES}
    return free.learn([ModelQueue(*row) for row in connection.execute(_FIRST, values)])


def _every_queue(connection: sa.Connection, free: "_Free", known: Sequence[ModelQueue]) -> list[ModelQueue]:
    """Read the first model queues of each model, less what is known of those that were read before."""
    seen = {(queue.batch_no, queue.model) for queue in known}
    found = (ModelQueue(*row) for row in connection.execute(_EVERY))
    return free.learn([queue for queue in found if (queue.batch_no, queue.model) not in seen])


def plan(open_queues: Sequence[ModelQueue], free: Mapping[str, int], limit: int) -> list[Share]:
    """Deal `limit` requests out to batches; model queues come in order of deadline and batch."""
    left, shares = dict(free), []
    for batch_no, group in groupby(open_queues, key=lambda queue: queue.batch_no):
        if limit <= 0:
            break
        demands = {queue.model: min(queue.pending, left[queue.model]) for queue in group}
        demands = {model: demand for model, demand in demands.items() if demand > 0}
        quota = min(limit, sum(demands.values()))
        if quota:
            shares.append(Share(batch_no, quota, demands))
            limit -= quota
            for model, demand in demands.items():
                left[model] -= demand
    return shares


QueueName = tuple[int, str]


def _choose(
    connection: sa.Connection, shares: Sequence[Share], now: float
) -> tuple[list[Found], set[QueueName]]:
    """Read queues until the first lines of each batch are known; name those that had less than wanted."""
    wants = {
        (share.batch_no, model): count for share in shares for model, count in share.first_wants().items()
    }
    most = {
        (share.batch_no, model): min(count, share.quota)
        for share in shares
        for model, count in share.demands.items()
    }
    while True:
        found = first_pending(connection, [Want(*queue, count) for queue, count in wants.items()], now)
        read = Counter((row.batch_no, row.model) for row in found)
        chosen = merge(found, {share.batch_no: share.quota for share in shares})
        used = Counter((row.batch_no, row.model) for row in chosen)
        # a queue whose every line was chosen may have more that come before others': read on in it
        hungry = {queue for queue, count in wants.items() if used[queue] == count < most[queue]}
        if not hungry:
            return chosen, {queue for queue, count in wants.items() if read[queue] < count}
        wants |= {queue: min(4 * wants[queue], most[queue]) for queue in hungry}


def merge(found: Iterable[Found], quotas: Mapping[int, int]) -> list[Found]:
    """Take the first lines of each batch, as many as its quota."""
    left, chosen = dict(quotas), []
    for row in sorted(found):
        if left[row.batch_no]:
            left[row.batch_no] -= 1
            chosen.append(row)
    return chosen


def _left(
    open_queues: Iterable[ModelQueue], chosen: Iterable[Found], short: set[QueueName]
) -> list[ModelQueue]:
    """Drop the queues that have nothing more that is due."""
    given = Counter((row.batch_no, row.model) for row in chosen)
    return [
        queue._replace(pending=queue.pending - given[queue.batch_no, queue.model])
        for queue in open_queues
        if (queue.batch_no, queue.model) not in short and queue.pending > given[queue.batch_no, queue.model]
    ]


def _exactly(connection: sa.Connection, keys: Iterable[Found]) -> sa.ColumnElement[bool]:
    lines: dict[tuple[int, int], list[int]] = {}
    for key in keys:
        lines.setdefault((key.batch_no, key.escalated), []).append(key.line)
    columns = requests.c
    return sa.or_(
        sa.false(),
        *(
            sa.and_(
                columns.batch_no == no,
                columns.escalated == escalated,
                is_one_of(connection, columns.line, found),
            )
            for (no, escalated), found in sorted(lines.items())
        ),
    )


def _mark(connection: sa.Connection, found: Sequence[Found], daemon_id: DaemonId, now: float) -> None:
    if found:
        connection.execute(
            sa.update(requests)
            .where(_exactly(connection, found), requests.c.state == RequestState.PENDING)
            .values(
                state=RequestState.CLAIMED,
                lease=requests.c.lease + 1,
                daemon_id=daemon_id,
                claimed_at=now,
                not_before=None,
            )
        )


def _count(connection: sa.Connection, taken: Sequence[Found], now: float) -> None:
    by_queue: dict[tuple[int, str], Counter[str]] = {}
    by_batch: dict[int, Counter[str]] = {}
    for row in taken:
        by_queue.setdefault((row.batch_no, row.model), Counter()).update(d_pending=-1, d_in_flight=1)
        moved = {"in_flight": 1} if row.escalated else {"in_flight": 1, "pending": -1, "processing": 1}
        by_batch.setdefault(row.batch_no, Counter()).update(moved)
    add_to_queues(connection, by_queue)
    add_to_batches(connection, by_batch, now)
    # what was stopped since the queues were read must not be sent: run again without it
    stopped = sa.or_(batches.c.cancelling_at.is_not(None), batches.c.expiring_at.is_not(None))
    if connection.execute(sa.select(batches.c.no).where(batches.c.no.in_(sorted(by_batch)), stopped)).first():
        raise Contended


def _read(connection: sa.Connection, taken: Sequence[Found]) -> list[Request[Claimed]]:
    if not taken:
        return []
    order = (batches.c.expires_at, requests.c.batch_no, requests.c.line, requests.c.escalated)
    return [
        Request(
            data_from(row),
            Claimed(DaemonId(row.daemon_id), row.claimed_at, row.attempt, row.batch_expires_at),
            row.lease,
        )
        for row in connection.execute(sendable_rows.where(_exactly(connection, taken)).order_by(*order))
    ]
