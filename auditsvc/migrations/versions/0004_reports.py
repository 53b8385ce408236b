"""Tables of auditsvc.reports."""

import sqlalchemy as sa
from alembic import op

from auditsvc.ground.database import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "report",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("project_id", sa.String(128), nullable=True),
        sa.Column("first", sa.Date, nullable=False),
        sa.Column("last", sa.Date, nullable=False),
        sa.Column("languages", sa.String(16), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("actor", sa.String(256), nullable=False),
        sa.Column("sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("leaf_seq", sa.BigInteger, nullable=False),
        sa.Column("log_size", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_report"),
        sa.CheckConstraint("kind IN ('compliance', 'project')", name="kind"),
        sa.CheckConstraint("(kind = 'project') = (project_id IS NOT NULL)", name="project_id"),
    )
    op.create_index("ix_report_leaf_seq", "report", ["leaf_seq"], unique=True)


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("report")
