"""Tables of auditsvc.auth: accounts, roles with the exclusion of duties, failed sign-ins, withdrawn tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

DUTIES = ("system_administration", "security_administration", "audit_administration", "business")
ROLES = (
    ("system_administrator", "system_administration"),
    ("security_administrator", "security_administration"),
    ("audit_administrator", "audit_administration"),
    ("security_officer", "business"),
    ("auditor", "business"),
    ("department_reader", "business"),
)
INSTANT = sa.DateTime(timezone=True)

SQLITE_TRIGGERS = (
    """
    CREATE TRIGGER role_assignment_duty_insert BEFORE INSERT ON role_assignment
    WHEN NOT EXISTS (SELECT 1 FROM account WHERE id = NEW.account_id AND duty = NEW.duty)
    BEGIN SELECT RAISE(ABORT, 'role and duty of the account exclude each other'); END
    """,
    """
    CREATE TRIGGER role_assignment_duty_update BEFORE UPDATE ON role_assignment
    WHEN NOT EXISTS (SELECT 1 FROM account WHERE id = NEW.account_id AND duty = NEW.duty)
    BEGIN SELECT RAISE(ABORT, 'role and duty of the account exclude each other'); END
    """,
    """
    CREATE TRIGGER account_duty_update BEFORE UPDATE ON account
    WHEN (NEW.duty <> OLD.duty OR NEW.id <> OLD.id)
         AND EXISTS (SELECT 1 FROM role_assignment WHERE account_id = OLD.id)
    BEGIN SELECT RAISE(ABORT, 'an account with roles keeps its duty'); END
    """,
)
"""The composite foreign key in words that hold for connections with ``foreign_keys`` off, too."""


def upgrade() -> None:
    """Make the tables."""
    duties = ", ".join(f"'{duty}'" for duty in DUTIES)
    fits = " OR ".join(f"(role = '{role}' AND duty = '{duty}')" for role, duty in ROLES)
    op.create_table(
        "account",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("display_name", sa.String(200), nullable=False),
        sa.Column("duty", sa.String(32), nullable=False),
        sa.Column("department", sa.String(18)),
        sa.Column("language", sa.String(2)),
        sa.Column("password_hash", sa.String(200), nullable=False),
        sa.Column("must_change_password", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("credential_version", sa.Integer(), nullable=False),
        sa.Column("created", INSTANT, nullable=False),
        sa.Column("last_sign_in", INSTANT),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.UniqueConstraint("name", name="uq_account_name"),
        sa.UniqueConstraint("id", "duty", name="uq_account_id_duty"),
        sa.CheckConstraint(f"duty IN ({duties})", name=op.f("ck_account_duty_known")),
        sa.CheckConstraint("name = lower(name)", name=op.f("ck_account_name_lower")),
    )
    op.create_table(
        "role_assignment",
        sa.Column("account_id", sa.String(36), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("duty", sa.String(32), nullable=False),
        sa.Column("granted_by_id", sa.String(36)),
        sa.Column("granted", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "role", name="pk_role_assignment"),
        sa.ForeignKeyConstraint(["account_id", "duty"], ["account.id", "account.duty"], name="fk_role_assignment_duty"),
        sa.ForeignKeyConstraint(["granted_by_id"], ["account.id"], name="fk_role_assignment_granted_by_id_account"),
        sa.CheckConstraint(fits, name=op.f("ck_role_assignment_role_fits_duty")),
        sa.CheckConstraint(
            "granted_by_id IS NULL OR granted_by_id <> account_id", name=op.f("ck_role_assignment_not_by_oneself")
        ),
    )
    op.create_table(
        "sign_in_failure",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last", INSTANT, nullable=False),
        sa.Column("locked_until", INSTANT),
        sa.PrimaryKeyConstraint("name", name="pk_sign_in_failure"),
    )
    op.create_table(
        "withdrawn_token",
        sa.Column("token_id", sa.String(36), nullable=False),
        sa.Column("expires", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("token_id", name="pk_withdrawn_token"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for trigger in SQLITE_TRIGGERS:
            op.execute(trigger)


def downgrade() -> None:
    """Drop the tables."""
    for table in ("withdrawn_token", "sign_in_failure", "role_assignment", "account"):
        op.drop_table(table)
