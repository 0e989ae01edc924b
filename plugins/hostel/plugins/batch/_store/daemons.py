"""The daemons at work, as rows that they keep warm."""

import sqlalchemy as sa

from .._model.errors import NotFound
from .._model.ids import DaemonId
from .._model.records import DaemonRecord, DaemonState, DaemonStats
from .database.dialect import Time
from .database.rows import daemon_from
from .database.schema import daemons


def persist(connection: sa.Connection, daemon: DaemonRecord, time: Time) -> None:
    """Write a daemon's row, new or known; one that is not dead is alive at this time."""
    stats = daemon.stats
    values = {
        "hostname": daemon.hostname,
        "pid": daemon.pid,
        "version": daemon.version,
        "state": daemon.state,
        "started_at": daemon.started_at,
        "last_heartbeat": daemon.last_heartbeat if daemon.state is DaemonState.DEAD else time,
        "stopped_at": daemon.stopped_at,
        "requests_processed": stats.requests_processed,
        "requests_failed": stats.requests_failed,
        "requests_in_flight": stats.requests_in_flight,
    }
    if not connection.execute(sa.update(daemons).where(daemons.c.id == daemon.id).values(values)).rowcount:
        connection.execute(sa.insert(daemons).values(values | {"id": daemon.id}))


def heartbeat(connection: sa.Connection, daemon_id: DaemonId, stats: DaemonStats, time: Time) -> None:
    """Keep a daemon alive; one that was given up for dead is alive again."""
    values = {
        "state": DaemonState.RUNNING,
        "last_heartbeat": time,
        "requests_processed": stats.requests_processed,
        "requests_failed": stats.requests_failed,
        "requests_in_flight": stats.requests_in_flight,
    }
    if not connection.execute(sa.update(daemons).where(daemons.c.id == daemon_id).values(values)).rowcount:
        raise NotFound("daemon", daemon_id)


def keep_alive(connection: sa.Connection, daemon_id: DaemonId, time: Time) -> None:
    """Note a sign of life.

    :raises NotFound: if there is no such daemon, or it was given up for dead
    """
    living = daemons.c.id == daemon_id, daemons.c.state != DaemonState.DEAD
    if not connection.execute(sa.update(daemons).where(*living).values(last_heartbeat=time)).rowcount:
        raise NotFound("daemon", daemon_id)


def get(connection: sa.Connection, daemon_id: DaemonId) -> DaemonRecord:
    row = connection.execute(sa.select(daemons).where(daemons.c.id == daemon_id)).one_or_none()
    if row is None:
        raise NotFound("daemon", daemon_id)
    return daemon_from(row)


def find(connection: sa.Connection, state: DaemonState | None) -> list[DaemonRecord]:
    query = sa.select(daemons).order_by(daemons.c.started_at, daemons.c.id)
    if state is not None:
        query = query.where(daemons.c.state == state)
    return [daemon_from(row) for row in connection.execute(query)]
