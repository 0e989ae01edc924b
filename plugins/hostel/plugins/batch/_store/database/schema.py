"""The tables. Lines never change after upload; requests move; a result is inserted once.

`results` has the primary key (batch, line): two results for one input line cannot be stored. `requests` has
(batch, line, escalated): an escalation is unique. Counters on `batches` count lines, `in_flight` counts
requests held by daemons. A model queue is what one batch has to do for one model; it makes finding work
independent of how much work there is.
"""

import sqlalchemy as sa

from ..._model.states import HELD, RequestState

REVISION = "0002"

Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
Small = sa.SmallInteger().with_variant(sa.Integer, "sqlite")
Seconds: sa.types.TypeEngine[float] = sa.Double().with_variant(sa.REAL, "sqlite")
Text = sa.Text

metadata = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "fk": "%(table_name)s_%(column_0_name)s_fk",
        "uq": "%(table_name)s_%(column_0_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, Number, nullable=False, server_default="0")


def _time(name: str) -> sa.Column[float | None]:
    return sa.Column(name, Seconds)


files = sa.Table(
    "files",
    metadata,
    sa.Column("no", Number, primary_key=True),
    sa.Column("id", Text, nullable=False, unique=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("name_folded", Text, nullable=False),
    sa.Column("description", Text),
    sa.Column("purpose", Text),
    sa.Column("uploaded_by", Text),
    sa.Column("batch_no", Number),
    sa.Column("ready", Small, nullable=False),
    _count("size_bytes"),
    _count("lines"),
    _count("problems"),
    sa.Column("created_at", Seconds, nullable=False),
    sa.Column("updated_at", Seconds, nullable=False),
    _time("expires_at"),
    _time("deleted_at"),
    sqlite_strict=True,
)
sa.Index("files_by_age", files.c.created_at, files.c.no)

templates = sa.Table(
    "templates",
    metadata,
    sa.Column("file_no", Number, sa.ForeignKey("files.no"), primary_key=True, autoincrement=False),
    sa.Column("line", Number, primary_key=True, autoincrement=False),
    sa.Column("custom_id", Text),
    sa.Column("custom_id_folded", Text),
    sa.Column("endpoint", Text),
    sa.Column("method", Text, nullable=False),
    sa.Column("path", Text, nullable=False),
    sa.Column("model", Text, nullable=False),
    sa.Column("api_key", Text),
    sa.Column("body", Text, nullable=False),
    sa.Column("body_bytes", Number, nullable=False),
    sa.Column("head", Text),
    sa.Column("tail", Text),
    sa.Column("problem", Text),
    sqlite_strict=True,
)
sa.Index(
    "templates_faulty",
    templates.c.file_no,
    templates.c.line,
    sqlite_where=templates.c.problem.is_not(None),
    postgresql_where=templates.c.problem.is_not(None),
)

batches = sa.Table(
    "batches",
    metadata,
    sa.Column("no", Number, primary_key=True),
    sa.Column("id", Text, nullable=False, unique=True),
    sa.Column("file_no", Number, sa.ForeignKey("files.no")),
    sa.Column("file_id", Text, nullable=False),
    sa.Column("session_id", Text, nullable=False),
    sa.Column("endpoint", Text, nullable=False),
    sa.Column("completion_window", Text, nullable=False),
    sa.Column("window_seconds", Seconds, nullable=False),
    sa.Column("on_deadline", Text, nullable=False),
    sa.Column("metadata", Text),
    sa.Column("search_folded", Text, nullable=False),
    sa.Column("created_by", Text),
    sa.Column("output_file_id", Text, unique=True),
    sa.Column("error_file_id", Text, unique=True),
    sa.Column("errors", Text),
    _count("total"),
    _count("pending"),
    _count("processing"),
    _count("completed"),
    _count("failed"),
    _count("canceled"),
    _count("in_flight"),
    _count("output_bytes"),
    _count("error_bytes"),
    _count("input_tokens"),
    _count("cached_tokens"),
    _count("output_tokens"),
    _count("reasoning_tokens"),
    sa.Column("created_at", Seconds, nullable=False),
    sa.Column("expires_at", Seconds, nullable=False),
    _time("requests_started_at"),
    _time("finalizing_at"),
    _time("completed_at"),
    _time("failed_at"),
    _time("expiring_at"),
    _time("expired_at"),
    _time("cancelling_at"),
    _time("cancelled_at"),
    _time("deleted_at"),
    sa.CheckConstraint("pending + processing + completed + failed + canceled = total", name="balance"),
    sa.CheckConstraint(
        "pending >= 0 AND processing >= 0 AND completed >= 0 AND failed >= 0 AND canceled >= 0"
        " AND in_flight >= 0",
        name="counters",
    ),
    sqlite_strict=True,
)
sa.Index("batches_by_age", batches.c.created_at, batches.c.no)
sa.Index("batches_of_file", batches.c.file_no)
unfinished = sa.and_(
    batches.c.completed_at.is_(None),
    batches.c.failed_at.is_(None),
    batches.c.expired_at.is_(None),
    batches.c.cancelled_at.is_(None),
)
sa.Index("batches_unfinished", batches.c.expires_at, sqlite_where=unfinished, postgresql_where=unfinished)
still_stopping = sa.and_(
    batches.c.pending > 0,
    sa.or_(batches.c.cancelling_at.is_not(None), batches.c.expiring_at.is_not(None)),
)
sa.Index("batches_unsettled", batches.c.no, sqlite_where=still_stopping, postgresql_where=still_stopping)

model_queues = sa.Table(
    "model_queues",
    metadata,
    sa.Column("batch_no", Number, sa.ForeignKey("batches.no"), primary_key=True, autoincrement=False),
    sa.Column("model", Text, primary_key=True),
    sa.Column("deadline", Seconds, nullable=False),
    sa.Column("stopped", Small, nullable=False),
    _count("pending"),
    _count("in_flight"),
    sa.CheckConstraint("pending >= 0 AND in_flight >= 0", name="counters"),
    sqlite_strict=True,
)
_open = sa.and_(model_queues.c.pending > 0, model_queues.c.stopped == 0)
sa.Index(
    "model_queues_open",
    model_queues.c.deadline,
    model_queues.c.batch_no,
    model_queues.c.model,
    sqlite_where=_open,
    postgresql_where=_open,
)

requests = sa.Table(
    "requests",
    metadata,
    sa.Column("batch_no", Number, sa.ForeignKey("batches.no"), primary_key=True, autoincrement=False),
    sa.Column("line", Number, primary_key=True, autoincrement=False),
    sa.Column("escalated", Small, primary_key=True, autoincrement=False),
    sa.Column("model", Text, nullable=False),
    sa.Column("api_key", Text),
    sa.Column("state", Text, nullable=False),
    sa.Column("lease", Number, nullable=False, server_default="0"),
    sa.Column("attempt", Number, nullable=False, server_default="0"),
    _time("not_before"),
    sa.Column("daemon_id", Text),
    _time("claimed_at"),
    _time("started_at"),
    _time("ended_at"),
    sa.Column("routed_model", Text),
    sa.Column("failure", Text),
    sa.CheckConstraint("escalated IN (0, 1)", name="escalated"),
    sa.CheckConstraint(f"state IN ({', '.join(repr(str(state)) for state in RequestState)})", name="state"),
    sa.CheckConstraint(
        "state NOT IN ('claimed', 'processing') OR (daemon_id IS NOT NULL AND claimed_at IS NOT NULL)",
        name="held",
    ),
    sa.CheckConstraint("state <> 'pending' OR (daemon_id IS NULL AND ended_at IS NULL)", name="pending"),
    sa.CheckConstraint("state <> 'failed' OR (failure IS NOT NULL AND ended_at IS NOT NULL)", name="failed"),
    sqlite_strict=True,
)
_pending = requests.c.state == RequestState.PENDING
sa.Index(
    "requests_pending",
    requests.c.batch_no,
    requests.c.model,
    requests.c.line,
    sqlite_where=_pending,
    postgresql_where=_pending,
)
_held = requests.c.state.in_(sorted(HELD))
sa.Index("requests_held", requests.c.daemon_id, sqlite_where=_held, postgresql_where=_held)

results = sa.Table(
    "results",
    metadata,
    sa.Column("batch_no", Number, sa.ForeignKey("batches.no"), primary_key=True, autoincrement=False),
    sa.Column("line", Number, primary_key=True, autoincrement=False),
    sa.Column("escalated", Small, nullable=False),
    sa.Column("outcome", Text, nullable=False),
    sa.Column("ended_at", Seconds, nullable=False),
    sa.Column("status", Number),
    sa.Column("request_id", Text),
    sa.Column("body", Text),
    sa.Column("failure", Text),
    sa.Column("bytes", Number, nullable=False),
    sa.CheckConstraint("outcome IN ('completed', 'failed')", name="outcome"),
    sa.CheckConstraint("outcome <> 'completed' OR (status IS NOT NULL AND body IS NOT NULL)", name="answer"),
    sqlite_strict=True,
)
sa.Index("results_in_order", results.c.batch_no, results.c.outcome, results.c.ended_at, results.c.line)

daemons = sa.Table(
    "daemons",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("hostname", Text, nullable=False),
    sa.Column("pid", Number, nullable=False),
    sa.Column("version", Text, nullable=False),
    sa.Column("state", Text, nullable=False),
    sa.Column("started_at", Seconds, nullable=False),
    sa.Column("last_heartbeat", Seconds, nullable=False),
    _time("stopped_at"),
    _count("requests_processed"),
    _count("requests_failed"),
    _count("requests_in_flight"),
    sqlite_strict=True,
)
