"""Which changes of state are legal, and what else they change. Pure: rows and updates in, rows out."""

from typing import Any

import attrs

from .._model.errors import BatchError, NotFound, StateConflict
from .._model.ids import RequestId
from .._model.states import (
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
from .database.dialect import Key
from .database.rows import dump_failure

Outcome = RequestId | BatchError | None


@attrs.frozen
class Update:
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
    """The lines of a group, as they were and as they will be; `names` has the update that moved a request."""

    before: dict[Key, Row]
    after: dict[Key, Row] = attrs.field(factory=dict)
    names: dict[Key, Update] = attrs.field(factory=dict)

    def row(self, key: Key) -> Row | None:
        return self.after.get(key) or self.before.get(key)

    def stood(self, key: Key) -> RequestState:
        """Say where a line stood before."""
        original, twin = twins(key)
        return _standing(self.before.get(original), self.before.get(twin))

    def stands(self, key: Key) -> RequestState:
        """Say where a line stands."""
        original, twin = twins(key)
        return _standing(self.row(original), self.row(twin))

    def changed(self) -> list[tuple[Row, Row]]:
        return [(self.before[key], row) for key, row in sorted(self.after.items())]


def twins(key: Key) -> tuple[Key, Key]:
    """Name both requests of a line, the original first."""
    return Key(key.batch_no, key.line, 0), Key(key.batch_no, key.line, 1)


def _standing(original: Row | None, escalation: Row | None) -> RequestState:
    if original is None:
        raise LookupError("every line has a request")
    return standing(original.state, escalation.state if escalation else None)


def move(group: Group, update: Update, now: float) -> Outcome:
    """Move one request in memory, and its twin where it wins."""
    row, wanted = group.row(update.key), update.state.name
    if row is None:
        return NotFound("request", str(update.id))
    if update.lease is not None and row.lease != update.lease:
        return StateConflict(update.id, row.state, wanted, "another worker has claimed it since")
    # a worker that repeats its report after a lost answer is right; an owner that does is told
    if row.state is wanted:
        return None if update.lease is not None else StateConflict(update.id, row.state, wanted)
    if not (row.state is RequestState.FAILED if update.retry else wanted in MOVES[row.state]):
        return StateConflict(update.id, row.state, wanted)
    twin = group.row(update.key._replace(escalated=1 - update.key.escalated))
    if wanted is RequestState.COMPLETED and twin is not None and twin.state is RequestState.COMPLETED:
        return StateConflict(update.id, row.state, wanted, "the other runner has completed the line")
    group.after[update.key] = attrs.evolve(row, **_columns(update.state))
    group.names[update.key] = update
    return None if twin is None else _end_twin(group, update, twin, now)


def _end_twin(group: Group, update: Update, twin: Row, now: float) -> RequestId | None:
    # an original that failed is beaten as well: its escalation completes the line after all
    beaten = twin.state in LIVE or (twin.state is RequestState.FAILED and not twin.escalated)
    if update.state.name is RequestState.COMPLETED and beaten:
        group.after[twin.key] = attrs.evolve(
            twin, state=RequestState.SUPERSEDED, ended_at=now, not_before=None
        )
        return update.id.twin()
    if update.state.name is RequestState.CANCELED and not update.key.escalated and twin.state in LIVE:
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
