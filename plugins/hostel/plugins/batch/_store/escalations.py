"""Escalations: a second runner for a line that is late, unique by its key, with the line's own body and key.

An escalation is a request of the same line, so what it sends can only be that line's body; the model it asks
for is part of the request, not of a copied template.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from .._model.ids import BatchId, RequestId
from .._model.states import LIVE, RequestState
from .counters import add_to_queues
from .database.dialect import insert_missing
from .database.schema import batches, model_queues, requests, unfinished


def _at_risk(
    threshold_seconds: float, states: Sequence[RequestState], now: float
) -> list[sa.ColumnElement[bool]]:
    return [
        batches.c.expires_at < now + threshold_seconds,
        unfinished,
        batches.c.cancelling_at.is_(None),
        batches.c.expiring_at.is_(None),
        batches.c.deleted_at.is_(None),
        requests.c.state.in_(sorted(LIVE.intersection(states))),
    ]


def at_risk(
    connection: sa.Connection, threshold_seconds: float, states: Sequence[RequestState], now: float
) -> dict[BatchId, int]:
    """Count the lines of each batch whose deadline is nearer than the threshold, or past."""
    query = (
        sa.select(batches.c.id, sa.func.count())
        .select_from(requests.join(batches, batches.c.no == requests.c.batch_no))
        .where(requests.c.escalated == 0, *_at_risk(threshold_seconds, states, now))
        .group_by(batches.c.id)
    )
    return {BatchId(name): count for name, count in connection.execute(query)}


def find_pending(connection: sa.Connection, original: RequestId) -> RequestId | None:
    """Find the escalation of a request, if it is still running."""
    clone = original.twin()
    query = (
        sa.select(requests.c.line)
        .select_from(requests.join(batches, batches.c.no == requests.c.batch_no))
        .where(
            batches.c.id == clone.batch_id,
            requests.c.line == clone.line,
            requests.c.escalated == 1,
            requests.c.state.in_(sorted(LIVE)),
        )
    )
    return clone if not original.escalated and connection.execute(query).first() else None


def create(
    connection: sa.Connection,
    model: str,
    threshold_seconds: float,
    states: Sequence[RequestState],
    model_override: str | None,
    api_key_override: str | None,
    now: float,
) -> int:
    """Let a second runner race each late request of a model that has none."""
    clones = requests.alias("clone")
    has_one = sa.exists().where(
        clones.c.batch_no == requests.c.batch_no, clones.c.line == requests.c.line, clones.c.escalated == 1
    )
    routed = model_override or model
    late = (
        sa.select(
            requests.c.batch_no,
            requests.c.line,
            sa.literal(1, sa.SmallInteger),
            sa.literal(routed),
            sa.literal(api_key_override, sa.Text),
            sa.literal(RequestState.PENDING.value),
            requests.c.attempt,
        )
        .select_from(requests.join(batches, batches.c.no == requests.c.batch_no))
        .where(
            requests.c.model == model,
            requests.c.escalated == 0,
            ~has_one,
            *_at_risk(threshold_seconds, states, now),
        )
        .with_for_update(of=requests, key_share=True)
    )
    columns = ["batch_no", "line", "escalated", "model", "api_key", "state", "attempt"]
    insert = insert_missing(connection, requests).from_select(columns, late).returning(requests.c.batch_no)
    made = Counter(connection.execute(insert).scalars().all())
    if made:
        _count(connection, made, routed)
    return made.total()


def _count(connection: sa.Connection, made: Mapping[int, int], model: str) -> None:
    deadlines = (
        sa.select(batches.c.no, sa.literal(model), batches.c.expires_at, sa.literal(0, sa.SmallInteger))
        .where(batches.c.no.in_(sorted(made)))
        .order_by(batches.c.no)
    )
    columns = ["batch_no", "model", "deadline", "stopped"]
    connection.execute(insert_missing(connection, model_queues).from_select(columns, deadlines))
    add_to_queues(
        connection, {(no, model): {"d_pending": count, "d_in_flight": 0} for no, count in made.items()}
    )
