"""Everything in which SQLite and PostgreSQL differ.

SQLite: one writer at a time takes the write lock as its transaction begins (`BEGIN IMMEDIATE`), readers see
the last commit (WAL); a statement is interrupted by its progress handler. PostgreSQL: row locks, `FOR UPDATE
SKIP LOCKED` for claims, the server ends a statement that takes too long, and keepalives end a connection
whose other side has gone. Its clock is the one that counts, as several machines may work on it.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.dialects import postgresql, sqlite

from ..._model.errors import InvalidStore, StoreNotOpened
from ..._model.states import RequestState
from .schema import model_queues, requests

READERS = 4
_VM_STEPS = 20_000
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "foreign_keys=ON",
    "cache_size=-32768",
    "temp_store=MEMORY",
)


Time = sa.ColumnElement[float]
"""The time as a statement reads it: the server's own, or a number."""


class Want(NamedTuple):
    """How many pending requests of a batch to take for a model."""

    batch_no: int
    model: str
    most: int


class Found(NamedTuple):
    """A pending request that is due."""

    batch_no: int
    line: int
    escalated: int
    model: str


class QueueChange(NamedTuple):
    """What to add to the counters of a model queue."""

    batch_no: int
    model: str
    pending: int
    in_flight: int


class Key(NamedTuple):
    """A request in the database."""

    batch_no: int
    line: int
    escalated: int


def connect(location: str | Path, statement_timeout: float) -> sa.Engine:
    """Open a pool of connections; nothing is connected yet.

    :param location: file of a SQLite database, or a URL that begins with `sqlite:` or `postgresql:`
    :param statement_timeout: seconds
    :raises InvalidStore: if `location` is something else
    :raises StoreNotOpened: if there can be no such file
    """
    url = _url(location)
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, statement_timeout)
    return _postgresql(url.set(drivername="postgresql+psycopg"), statement_timeout)


def _url(location: str | Path) -> sa.URL:
    if isinstance(location, Path) or ":" not in location:
        return sa.URL.create("sqlite", database=str(location))
    try:
        url = sa.make_url(location)
    except (exc.ArgumentError, ValueError) as error:
        raise InvalidStore(location) from error
    is_file = bool(url.database) and url.database != ":memory:"
    if url.drivername.partition("+")[0] not in ("sqlite", "postgresql") or (
        url.get_backend_name() == "sqlite" and not is_file
    ):
        raise InvalidStore(location)
    return url


def place_of(engine: sa.Engine) -> str:
    """Return where a database is, to be read by people: without its password."""
    if is_sqlite(engine):
        return str(engine.url.database)
    return engine.url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)


def is_sqlite(connection: sa.Connection | sa.Engine) -> bool:
    return connection.dialect.name == "sqlite"


def _sqlite(url: sa.URL, statement_timeout: float) -> sa.Engine:
    path = Path(url.database or "").absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # created before SQLite does it, which would let others read it
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreNotOpened(str(path), error.strerror or str(error)) from error
    arguments = {"check_same_thread": False, "timeout": statement_timeout, "isolation_level": None}
    engine = sa.create_engine(
        url.set(database=str(path)),
        connect_args=arguments,
        pool_size=READERS + 1,
        max_overflow=0,
        pool_timeout=statement_timeout,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        record.info["until"] = float("inf")
        connection.set_progress_handler(lambda: time.monotonic() > record.info["until"], _VM_STEPS)

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        # a reader that turns writer may be refused halfway; one that begins as a writer waits
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    @event.listens_for(engine, "before_cursor_execute")
    def limit(connection: sa.Connection, *_: Any) -> None:
        connection.info["until"] = time.monotonic() + statement_timeout

    return engine


def _postgresql(url: sa.URL, statement_timeout: float) -> sa.Engine:
    limit = int(statement_timeout * 1000)
    settings = {"statement_timeout": limit, "idle_in_transaction_session_timeout": 2 * limit, "jit": "off"}
    arguments = {
        "connect_timeout": 10,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": limit,
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
    }
    return sa.create_engine(
        url,
        connect_args=arguments,
        pool_size=READERS + 4,
        max_overflow=0,
        pool_timeout=statement_timeout,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
    )


def for_reading(engine: sa.Engine) -> sa.Engine:
    """Return the engine for reads: on PostgreSQL each statement by itself, which saves two round trips."""
    return engine if is_sqlite(engine) else engine.execution_options(isolation_level="AUTOCOMMIT")


def may_pass(error: exc.DBAPIError) -> bool:
    """Say whether the same transaction may well succeed when it is run again, as after a deadlock."""
    return getattr(error.orig, "sqlstate", None) in ("40001", "40P01")


def is_refusal(error: exc.DBAPIError) -> bool:
    """Say whether the server does not take what it was given, although it calls that an operational error."""
    return (getattr(error.orig, "sqlstate", None) or "").startswith("54")  # a limit of the program


SERVER_TIME = sa.cast(sa.extract("epoch", sa.func.statement_timestamp()), sa.Double)
"""The time of the server as a statement begins, in seconds since the epoch."""


def read_clock(connection: sa.Connection) -> tuple[float, float, float]:
    """Ask the server for its time; return when it was asked, its answer and when that came."""
    asked = time.monotonic()
    answer = connection.execute(sa.select(SERVER_TIME)).scalar_one()
    return asked, float(answer), time.monotonic()


def lock_schema(connection: sa.Connection) -> None:
    """Let one process at a time change the schema, until the transaction ends."""
    if not is_sqlite(connection):
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('hostel.batch'))"))


def lock_models(connection: sa.Connection, models: Sequence[str]) -> None:
    """Let one claim at a time count these models, until the transaction ends."""
    if not is_sqlite(connection):
        statement = sa.text("SELECT pg_advisory_xact_lock(hashtext('hostel.batch.model'), hashtext(:model))")
        for model in sorted(models):
            connection.execute(statement, {"model": model})


_READY = sa.and_(
    requests.c.state == RequestState.PENDING,
    sa.or_(requests.c.not_before.is_(None), requests.c.not_before <= sa.bindparam("now")),
)
_ONE_QUEUE = (
    sa.select(requests.c.batch_no, requests.c.line, requests.c.escalated, requests.c.model)
    .where(requests.c.batch_no == sa.bindparam("batch_no"), requests.c.model == sa.bindparam("model"), _READY)
    .order_by(requests.c.line, requests.c.escalated)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_ALL_QUEUES = sa.text("""
    SELECT ready.batch_no, ready.line, ready.escalated, want.model
    FROM unnest(CAST(:batch_nos AS bigint[]), CAST(:models AS text[]), CAST(:counts AS bigint[]))
        AS want(batch_no, model, wanted)
    CROSS JOIN LATERAL (
        SELECT batch_no, line, escalated FROM requests
        WHERE batch_no = want.batch_no AND model = want.model AND state = 'pending'
          AND (not_before IS NULL OR not_before <= :now)
        ORDER BY line, escalated LIMIT want.wanted
        FOR UPDATE SKIP LOCKED
    ) AS ready
""")


def first_pending(connection: sa.Connection, wants: Sequence[Want], now: float) -> list[Found]:
    """Lock the first pending requests of each queue that are due and not locked by another claim."""
    if is_sqlite(connection):
        rows = [
            row for want in wants for row in connection.execute(_ONE_QUEUE, want._asdict() | {"now": now})
        ]
    else:
        batch_nos, models, counts = (list(column) for column in zip(*wants, strict=True))
        arrays = {"batch_nos": batch_nos, "models": models, "counts": counts, "now": now}
        rows = list(connection.execute(_ALL_QUEUES, arrays))
    return [Found(*row) for row in rows]


def is_one_of(
    connection: sa.Connection, column: sa.ColumnElement[int], values: Sequence[int]
) -> sa.ColumnElement[bool]:
    """Match a column against numbers; on PostgreSQL as one parameter, so that the plan can be kept."""
    if is_sqlite(connection):
        return column.in_(values)
    return column == sa.any_(sa.literal(list(values), postgresql.ARRAY(sa.BigInteger)))


_CHANGE_QUEUE = (
    sa.update(model_queues)
    .where(
        model_queues.c.batch_no == sa.bindparam("at_batch_no"),
        model_queues.c.model == sa.bindparam("at_model"),
    )
    .values(
        pending=model_queues.c.pending + sa.bindparam("more_pending"),
        in_flight=model_queues.c.in_flight + sa.bindparam("more_in_flight"),
    )
)
_CHANGE_QUEUES = sa.text("""
    WITH change AS (
        SELECT * FROM unnest(
            CAST(:batch_nos AS bigint[]), CAST(:models AS text[]),
            CAST(:pending AS bigint[]), CAST(:in_flight AS bigint[])
        ) AS given(batch_no, model, pending, in_flight)
    ), locked AS (
        SELECT model_queues.batch_no, model_queues.model FROM model_queues JOIN change USING (batch_no, model)
        ORDER BY model_queues.batch_no, model_queues.model FOR NO KEY UPDATE OF model_queues
    )
    UPDATE model_queues SET
        pending = model_queues.pending + change.pending,
        in_flight = model_queues.in_flight + change.in_flight
    FROM change JOIN locked USING (batch_no, model)
    WHERE model_queues.batch_no = change.batch_no AND model_queues.model = change.model
""")


def change_queues(connection: sa.Connection, changes: Sequence[QueueChange]) -> None:
    """Add to the counters of model queues, locking them in order."""
    if is_sqlite(connection):
        names = ("at_batch_no", "at_model", "more_pending", "more_in_flight")
        connection.execute(_CHANGE_QUEUE, [dict(zip(names, change, strict=True)) for change in changes])
        return
    batch_nos, models, pending, in_flight = (list(column) for column in zip(*sorted(changes), strict=True))
    arrays = {"batch_nos": batch_nos, "models": models, "pending": pending, "in_flight": in_flight}
    connection.execute(_CHANGE_QUEUES, arrays)


def insert_missing(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """Begin an insert that leaves rows alone whose key is there already."""
    kind = sqlite.insert if is_sqlite(connection) else postgresql.insert
    return kind(table).on_conflict_do_nothing()
