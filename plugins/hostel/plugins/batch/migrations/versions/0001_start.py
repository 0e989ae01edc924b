"""Files, batches, lanes, requests, results and daemons."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
Small = sa.SmallInteger().with_variant(sa.Integer, "sqlite")
Seconds: sa.types.TypeEngine[float] = sa.Double().with_variant(sa.REAL, "sqlite")


def upgrade() -> None:
    op.create_table(
        "daemons",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("hostname", sa.Text(), nullable=False),
        sa.Column("pid", Number, nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_at", Seconds, nullable=False),
        sa.Column("last_heartbeat", Seconds, nullable=False),
        sa.Column("stopped_at", Seconds),
        sa.Column("requests_processed", Number, server_default="0", nullable=False),
        sa.Column("requests_failed", Number, server_default="0", nullable=False),
        sa.Column("requests_in_flight", Number, server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("daemons_pk")),
        sqlite_strict=True,
    )
    op.create_table(
        "files",
        sa.Column("no", Number, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_folded", sa.Text(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("purpose", sa.Text()),
        sa.Column("uploaded_by", sa.Text()),
        sa.Column("batch_no", Number),
        sa.Column("ready", Small, nullable=False),
        sa.Column("size_bytes", Number, server_default="0", nullable=False),
        sa.Column("lines", Number, server_default="0", nullable=False),
        sa.Column("problems", Number, server_default="0", nullable=False),
        sa.Column("created_at", Seconds, nullable=False),
        sa.Column("updated_at", Seconds, nullable=False),
        sa.Column("expires_at", Seconds),
        sa.Column("deleted_at", Seconds),
        sa.PrimaryKeyConstraint("no", name=op.f("files_pk")),
        sa.UniqueConstraint("id", name=op.f("files_id_key")),
        sqlite_strict=True,
    )
    op.create_index("files_by_age", "files", ["created_at", "no"])
    op.create_table(
        "batches",
        sa.Column("no", Number, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("file_no", Number),
        sa.Column("file_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("completion_window", sa.Text(), nullable=False),
        sa.Column("window_seconds", Seconds, nullable=False),
        sa.Column("on_deadline", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text()),
        sa.Column("search_folded", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text()),
        sa.Column("output_file_id", sa.Text()),
        sa.Column("error_file_id", sa.Text()),
        sa.Column("errors", sa.Text()),
        sa.Column("total", Number, server_default="0", nullable=False),
        sa.Column("pending", Number, server_default="0", nullable=False),
        sa.Column("processing", Number, server_default="0", nullable=False),
        sa.Column("completed", Number, server_default="0", nullable=False),
        sa.Column("failed", Number, server_default="0", nullable=False),
        sa.Column("canceled", Number, server_default="0", nullable=False),
        sa.Column("in_flight", Number, server_default="0", nullable=False),
        sa.Column("output_bytes", Number, server_default="0", nullable=False),
        sa.Column("error_bytes", Number, server_default="0", nullable=False),
        sa.Column("input_tokens", Number, server_default="0", nullable=False),
        sa.Column("cached_tokens", Number, server_default="0", nullable=False),
        sa.Column("output_tokens", Number, server_default="0", nullable=False),
        sa.Column("reasoning_tokens", Number, server_default="0", nullable=False),
        sa.Column("created_at", Seconds, nullable=False),
        sa.Column("expires_at", Seconds, nullable=False),
        sa.Column("requests_started_at", Seconds),
        sa.Column("finalizing_at", Seconds),
        sa.Column("completed_at", Seconds),
        sa.Column("failed_at", Seconds),
        sa.Column("expiring_at", Seconds),
        sa.Column("expired_at", Seconds),
        sa.Column("cancelling_at", Seconds),
        sa.Column("cancelled_at", Seconds),
        sa.Column("deleted_at", Seconds),
        sa.CheckConstraint(
            "pending + processing + completed + failed + canceled = total", name=op.f("batches_balance_check")
        ),
        sa.CheckConstraint(
            "pending >= 0 AND processing >= 0 AND completed >= 0 AND failed >= 0 AND canceled >= 0"
            " AND in_flight >= 0",
            name=op.f("batches_counters_check"),
        ),
        sa.ForeignKeyConstraint(["file_no"], ["files.no"], name=op.f("batches_file_no_fk")),
        sa.PrimaryKeyConstraint("no", name=op.f("batches_pk")),
        sa.UniqueConstraint("error_file_id", name=op.f("batches_error_file_id_key")),
        sa.UniqueConstraint("id", name=op.f("batches_id_key")),
        sa.UniqueConstraint("output_file_id", name=op.f("batches_output_file_id_key")),
        sqlite_strict=True,
    )
    op.create_index("batches_by_age", "batches", ["created_at", "no"])
    op.create_index("batches_of_file", "batches", ["file_no"])
    op.create_index(
        "batches_unfinished",
        "batches",
        ["expires_at"],
        sqlite_where=sa.text(
            "completed_at IS NULL AND failed_at IS NULL AND expired_at IS NULL AND cancelled_at IS NULL"
        ),
        postgresql_where=sa.text(
            "completed_at IS NULL AND failed_at IS NULL AND expired_at IS NULL AND cancelled_at IS NULL"
        ),
    )
    op.create_index(
        "batches_unsettled",
        "batches",
        ["no"],
        sqlite_where=sa.text("pending > 0 AND (cancelling_at IS NOT NULL OR expiring_at IS NOT NULL)"),
        postgresql_where=sa.text("pending > 0 AND (cancelling_at IS NOT NULL OR expiring_at IS NOT NULL)"),
    )
    op.create_table(
        "templates",
        sa.Column("file_no", Number, autoincrement=False, nullable=False),
        sa.Column("line", Number, autoincrement=False, nullable=False),
        sa.Column("custom_id", sa.Text()),
        sa.Column("custom_id_folded", sa.Text()),
        sa.Column("endpoint", sa.Text()),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("api_key", sa.Text()),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("body_bytes", Number, nullable=False),
        sa.Column("head", sa.Text()),
        sa.Column("tail", sa.Text()),
        sa.Column("problem", sa.Text()),
        sa.ForeignKeyConstraint(["file_no"], ["files.no"], name=op.f("templates_file_no_fk")),
        sa.PrimaryKeyConstraint("file_no", "line", name=op.f("templates_pk")),
        sqlite_strict=True,
    )
    op.create_index(
        "templates_faulty",
        "templates",
        ["file_no", "line"],
        sqlite_where=sa.text("problem IS NOT NULL"),
        postgresql_where=sa.text("problem IS NOT NULL"),
    )
    op.create_table(
        "lanes",
        sa.Column("batch_no", Number, autoincrement=False, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("deadline", Seconds, nullable=False),
        sa.Column("stopped", Small, nullable=False),
        sa.Column("pending", Number, server_default="0", nullable=False),
        sa.Column("in_flight", Number, server_default="0", nullable=False),
        sa.CheckConstraint("pending >= 0 AND in_flight >= 0", name=op.f("lanes_counters_check")),
        sa.ForeignKeyConstraint(["batch_no"], ["batches.no"], name=op.f("lanes_batch_no_fk")),
        sa.PrimaryKeyConstraint("batch_no", "model", name=op.f("lanes_pk")),
        sqlite_strict=True,
    )
    op.create_index(
        "lanes_open",
        "lanes",
        ["deadline", "batch_no", "model"],
        sqlite_where=sa.text("pending > 0 AND stopped = 0"),
        postgresql_where=sa.text("pending > 0 AND stopped = 0"),
    )
    op.create_table(
        "requests",
        sa.Column("batch_no", Number, autoincrement=False, nullable=False),
        sa.Column("line", Number, autoincrement=False, nullable=False),
        sa.Column("escalated", Small, autoincrement=False, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("api_key", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("lease", Number, server_default="0", nullable=False),
        sa.Column("attempt", Number, server_default="0", nullable=False),
        sa.Column("not_before", Seconds),
        sa.Column("daemon_id", sa.Text()),
        sa.Column("claimed_at", Seconds),
        sa.Column("started_at", Seconds),
        sa.Column("ended_at", Seconds),
        sa.Column("routed_model", sa.Text()),
        sa.Column("failure", sa.Text()),
        sa.CheckConstraint(
            "state <> 'failed' OR (failure IS NOT NULL AND ended_at IS NOT NULL)",
            name=op.f("requests_failed_check"),
        ),
        sa.CheckConstraint(
            "state <> 'pending' OR (daemon_id IS NULL AND ended_at IS NULL)",
            name=op.f("requests_pending_check"),
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'claimed', 'processing', 'completed', 'failed', 'canceled', 'superseded')",
            name=op.f("requests_state_check"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('claimed', 'processing') OR (daemon_id IS NOT NULL AND claimed_at IS NOT NULL)",
            name=op.f("requests_held_check"),
        ),
        sa.CheckConstraint("escalated IN (0, 1)", name=op.f("requests_escalated_check")),
        sa.ForeignKeyConstraint(["batch_no"], ["batches.no"], name=op.f("requests_batch_no_fk")),
        sa.PrimaryKeyConstraint("batch_no", "line", "escalated", name=op.f("requests_pk")),
        sqlite_strict=True,
    )
    op.create_index(
        "requests_held",
        "requests",
        ["daemon_id"],
        sqlite_where=sa.text("state IN ('claimed', 'processing')"),
        postgresql_where=sa.text("state IN ('claimed', 'processing')"),
    )
    op.create_index(
        "requests_pending",
        "requests",
        ["batch_no", "model", "line"],
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "results",
        sa.Column("batch_no", Number, autoincrement=False, nullable=False),
        sa.Column("line", Number, autoincrement=False, nullable=False),
        sa.Column("escalated", Small, nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("ended_at", Seconds, nullable=False),
        sa.Column("status", Number),
        sa.Column("request_id", sa.Text()),
        sa.Column("body", sa.Text()),
        sa.Column("failure", sa.Text()),
        sa.Column("bytes", Number, nullable=False),
        sa.CheckConstraint(
            "outcome <> 'completed' OR (status IS NOT NULL AND body IS NOT NULL)",
            name=op.f("results_answer_check"),
        ),
        sa.CheckConstraint("outcome IN ('completed', 'failed')", name=op.f("results_outcome_check")),
        sa.ForeignKeyConstraint(["batch_no"], ["batches.no"], name=op.f("results_batch_no_fk")),
        sa.PrimaryKeyConstraint("batch_no", "line", name=op.f("results_pk")),
        sqlite_strict=True,
    )
    op.create_index("results_in_order", "results", ["batch_no", "outcome", "ended_at", "line"])
