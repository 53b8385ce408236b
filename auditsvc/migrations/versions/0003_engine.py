"""Tables of auditsvc.alerts and of the engine's stages."""

import sqlalchemy as sa
from alembic import op

from auditsvc.ground.database import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "alert",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("policy_id", sa.String(128), nullable=False),
        sa.Column("policy_version", sa.String(32), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("title_zh", sa.Text, nullable=False),
        sa.Column("title_en", sa.Text, nullable=False),
        sa.Column("group_key", sa.LargeBinary(16), nullable=False),
        sa.Column("group_json", sa.Text, nullable=False),
        sa.Column("consumer", sa.String(1024), nullable=True),
        sa.Column("anchor_ns", sa.BigInteger, nullable=False),
        sa.Column("first_ns", sa.BigInteger, nullable=False),
        sa.Column("last_ns", sa.BigInteger, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("opened_at", UtcDateTime, nullable=False),
        sa.Column("acknowledged_at", UtcDateTime, nullable=True),
        sa.Column("acknowledged_by", sa.String(256), nullable=True),
        sa.Column("closed_at", UtcDateTime, nullable=True),
        sa.Column("closed_by", sa.String(256), nullable=True),
        sa.Column("close_reason", sa.String(32), nullable=True),
        sa.Column("close_note", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alert"),
        sa.CheckConstraint("state IN ('new', 'acknowledged', 'closed')", name="state"),
        sa.CheckConstraint("(state = 'closed') = (close_reason IS NOT NULL)", name="close_reason"),
        sa.CheckConstraint("count > 0", name="count"),
    )
    op.create_index("ix_alert_open_group", "alert", ["policy_id", "group_key", "state"])
    op.create_index("ix_alert_state_opened_at", "alert", ["state", "opened_at"])
    op.create_table(
        "alert_finding",
        sa.Column("key", sa.LargeBinary(16), nullable=False),
        sa.Column("alert_id", sa.String(36), nullable=False),
        sa.Column("uid", sa.LargeBinary(16), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("record", sa.BigInteger, nullable=False),
        sa.Column("item", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_alert_finding"),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], name="fk_alert_finding_alert_id_alert"),
    )
    op.create_index("ix_alert_finding_alert_id_time", "alert_finding", ["alert_id", "time"])
    op.create_table(
        "alert_transition",
        sa.Column("alert_id", sa.String(36), nullable=False),
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("actor", sa.String(256), nullable=False),
        sa.Column("from_state", sa.String(16), nullable=True),
        sa.Column("to_state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(32), nullable=True),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("leaf_seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("alert_id", "number", name="pk_alert_transition"),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], name="fk_alert_transition_alert_id_alert"),
    )
    op.create_table(
        "engine_position",
        sa.Column("stage", sa.String(32), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("record", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("stage", name="pk_engine_position"),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("engine_position", "alert_transition", "alert_finding", "alert"):
        op.drop_table(table)
