"""Tables of auditsvc.ledger."""

import sqlalchemy as sa
from alembic import op

from auditsvc.ground.database import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SEQ = sa.BigInteger().with_variant(sa.Integer, "sqlite")
IMMUTABLE = ("leaf", "node")
TABLES = ("checkpoint", "source_head", "delivery", "batch", "head", "node", "leaf")


def upgrade() -> None:
    """Make the tables, the empty log, and the triggers that keep leaves and nodes as they were written."""
    op.create_table(
        "leaf",
        sa.Column("seq", SEQ, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("header", sa.Text, nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_leaf"),
        sa.CheckConstraint("length(leaf_hash) = 32", name="leaf_hash"),
    )
    rare = sa.text("kind <> 'batch'")
    op.create_index("ix_leaf_kind", "leaf", ["kind", "seq"], sqlite_where=rare, postgresql_where=rare)
    op.create_table(
        "node",
        sa.Column("level", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("level", "position", name="pk_node"),
        sa.CheckConstraint("length(hash) = 32", name="hash"),
        sqlite_with_rowid=False,
    )
    head = op.create_table(
        "head",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("frontier", sa.LargeBinary, nullable=False),
        sa.Column("last_accepted", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_head"),
        sa.CheckConstraint("id = 1", name="one_row"),
    )
    op.bulk_insert(head, [{"id": 1, "size": 0, "frontier": b"", "last_accepted": None}])
    op.create_table(
        "batch",
        sa.Column("seq", SEQ, autoincrement=False, nullable=False),
        sa.Column("batch_id", sa.String(36), nullable=False),
        sa.Column("source", sa.String(256), nullable=False),
        sa.Column("source_seq", sa.BigInteger, nullable=False),
        sa.Column("records", sa.BigInteger, nullable=False),
        sa.Column("segment", sa.String(64), nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.Column("length", sa.BigInteger, nullable=False),
        sa.Column("fingerprints", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_batch"),
        sa.ForeignKeyConstraint(["seq"], ["leaf.seq"], name="fk_batch_seq_leaf"),
        sa.UniqueConstraint("batch_id", name="uq_batch_batch_id"),
        sa.UniqueConstraint("source", "source_seq", name="uq_batch_source_source_seq"),
        sa.UniqueConstraint("segment", "offset", name="uq_batch_segment_offset"),
    )
    op.create_table(
        "delivery",
        sa.Column("seq", SEQ, autoincrement=False, nullable=False),
        sa.Column("first_record", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("records", sa.BigInteger, nullable=False),
        sa.Column("accepted", sa.BigInteger, nullable=False),
        sa.Column("quarantined", sa.BigInteger, nullable=False),
        sa.Column("source", sa.String(256), nullable=False),
        sa.Column("idempotency_key", sa.String(256), nullable=True),
        sa.Column("body_sha256", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("seq", "first_record", name="pk_delivery"),
        sa.ForeignKeyConstraint(["seq"], ["batch.seq"], name="fk_delivery_seq_batch"),
        sa.UniqueConstraint("idempotency_key", "source", name="uq_delivery_idempotency_key_source"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_delivery_body_sha256_source", "delivery", ["body_sha256", "source"])
    op.create_table(
        "source_head",
        sa.Column("source", sa.String(256), nullable=False),
        sa.Column("source_seq", sa.BigInteger, nullable=False),
        sa.Column("header_sha256", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_source_head"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "checkpoint",
        sa.Column("size", SEQ, autoincrement=False, nullable=False),
        sa.Column("root_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("signed_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("size", name="pk_checkpoint"),
    )
    for statement in _list_triggers(op.get_bind().dialect.name):
        op.execute(statement)


def _list_triggers(dialect: str) -> list[str]:
    """Return the statements that make ``leaf`` and ``node`` append-only."""
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table}_no_{act} BEFORE {act.upper()} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            for table in IMMUTABLE
            for act in ("update", "delete")
        ]
    function = (
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    return [
        function,
        *(
            f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
            for table in IMMUTABLE
        ),
    ]


def downgrade() -> None:
    """Drop the tables."""
    for table in TABLES:
        op.drop_table(table)
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION refuse_change()")
