"""Lanes are called model queues."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
Small = sa.SmallInteger().with_variant(sa.Integer, "sqlite")
Seconds: sa.types.TypeEngine[float] = sa.Double().with_variant(sa.REAL, "sqlite")
COLUMNS = "batch_no, model, deadline, stopped, pending, in_flight"


def upgrade() -> None:
    # copied, not renamed: SQLite cannot rename the constraints of a table
    op.create_table(
        "model_queues",
        sa.Column("batch_no", Number, autoincrement=False, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("deadline", Seconds, nullable=False),
        sa.Column("stopped", Small, nullable=False),
        sa.Column("pending", Number, server_default="0", nullable=False),
        sa.Column("in_flight", Number, server_default="0", nullable=False),
        sa.CheckConstraint("pending >= 0 AND in_flight >= 0", name=op.f("model_queues_counters_check")),
        sa.ForeignKeyConstraint(["batch_no"], ["batches.no"], name=op.f("model_queues_batch_no_fk")),
        sa.PrimaryKeyConstraint("batch_no", "model", name=op.f("model_queues_pk")),
        sqlite_strict=True,
    )
    op.execute(f"INSERT INTO model_queues ({COLUMNS}) SELECT {COLUMNS} FROM lanes")
    op.drop_table("lanes")
    op.create_index(
        "model_queues_open",
        "model_queues",
        ["deadline", "batch_no", "model"],
        sqlite_where=sa.text("pending > 0 AND stopped = 0"),
        postgresql_where=sa.text("pending > 0 AND stopped = 0"),
    )
