"""Counters of model queues and batches. They change by differences only, so transactions commute."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from .database.dialect import QueueChange, change_queues
from .database.schema import batches, unfinished

QueueName = tuple[int, str]


def add_to_queues(connection: sa.Connection, totals: Mapping[QueueName, Mapping[str, int]]) -> None:
    """Bring model queues up to date, in order."""
    changed = [
        QueueChange(no, model, counted["d_pending"], counted["d_in_flight"])
        for (no, model), counted in sorted(totals.items())
        if any(counted.values())
    ]
    if changed:
        change_queues(connection, changed)


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
    # only a change that takes something away can be a batch's last one
    if any(_may_end(counted) for counted in totals.values()):
        finalise(connection, sorted(totals), now)


def _may_end(counted: Mapping[str, int]) -> bool:
    return counted.get("in_flight", 0) < 0 or counted.get("pending", 0) + counted.get("processing", 0) < 0


_CANCELLING, _EXPIRING = batches.c.cancelling_at.is_not(None), batches.c.expiring_at.is_not(None)
_ENDED = sa.and_(batches.c.pending == 0, batches.c.processing == 0, ~_CANCELLING, ~_EXPIRING)
_IDLE = sa.and_(batches.c.in_flight == 0, sa.or_(_CANCELLING, sa.and_(_EXPIRING, batches.c.pending == 0)))
_AT = sa.bindparam("at", type_=batches.c.completed_at.type)
_FINALISE = (
    sa.update(batches)
    .where(batches.c.no.in_(sa.bindparam("nos", expanding=True)), unfinished, sa.or_(_ENDED, _IDLE))
    .values(
        finalizing_at=sa.func.coalesce(batches.c.finalizing_at, _AT),
        completed_at=sa.case((sa.and_(~_CANCELLING, ~_EXPIRING), _AT)),
        cancelled_at=sa.case((_CANCELLING, _AT)),
        expired_at=sa.case((sa.and_(_EXPIRING, ~_CANCELLING), _AT)),
    )
)


def finalise(connection: sa.Connection, nos: Sequence[int], now: float) -> None:
    """End the batches whose last line is decided, or that were stopped and have nothing in flight."""
    connection.execute(_FINALISE, {"nos": list(nos), "at": now})
