"""Rows of people, their roles, failed sign-ins and withdrawn tokens.

INVARIANT: an account has one duty, repeated in each role assignment: the pair (account, duty) is a foreign key, and a
check constraint ties every role to its duty. So no account can hold two administrator roles, or one of them and a
business role, whoever writes to the database. SQLite has equivalent triggers, since a connection may not enforce foreign
keys (migration 0005).
"""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from auditsvc.auth.roles import ROLES, Duty
from auditsvc.ground.database import Base, UtcDateTime

MAX_NAME = 64
"""Longest sign-in name."""

_DUTIES = ", ".join(f"'{duty}'" for duty in Duty)
_ROLE_FITS = " OR ".join(f"(role = '{role}' AND duty = '{info.duty}')" for role, info in ROLES.items())


class AccountRow(Base):
    """One person who can sign in."""

    __tablename__ = "account"
    __table_args__ = (
        CheckConstraint(f"duty IN ({_DUTIES})", name="duty_known"),
        CheckConstraint("name = lower(name)", name="name_lower"),
        UniqueConstraint("id", "duty", name="uq_account_id_duty"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(MAX_NAME), unique=True)
    display_name: Mapped[str] = mapped_column(String(200))
    duty: Mapped[str] = mapped_column(String(32))
    department: Mapped[str | None] = mapped_column(String(18))
    language: Mapped[str | None] = mapped_column(String(2))
    password_hash: Mapped[str] = mapped_column(String(200))
    must_change_password: Mapped[bool]
    enabled: Mapped[bool]
    credential_version: Mapped[int]
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    last_sign_in: Mapped[datetime | None] = mapped_column(UtcDateTime)

    assignments: Mapped[list["RoleAssignmentRow"]] = relationship(
        primaryjoin="AccountRow.id == RoleAssignmentRow.account_id", foreign_keys="RoleAssignmentRow.account_id",
        lazy="joined", viewonly=True,
    )  # fmt: skip
    """The roles it holds, read with the account itself."""


class RoleAssignmentRow(Base):
    """One role of one account, and who assigned it; null for the installation itself."""

    __tablename__ = "role_assignment"
    __table_args__ = (
        ForeignKeyConstraint(["account_id", "duty"], ["account.id", "account.duty"], name="fk_role_assignment_duty"),
        CheckConstraint(_ROLE_FITS, name="role_fits_duty"),
        CheckConstraint("granted_by_id IS NULL OR granted_by_id <> account_id", name="not_by_oneself"),
    )

    account_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    role: Mapped[str] = mapped_column(String(32), primary_key=True)
    duty: Mapped[str] = mapped_column(String(32))
    granted_by_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))
    granted: Mapped[datetime] = mapped_column(UtcDateTime)


class SignInFailureRow(Base):
    """Consecutive failed sign-ins under one name, whether or not the account exists."""

    __tablename__ = "sign_in_failure"

    name: Mapped[str] = mapped_column(String(MAX_NAME), primary_key=True)
    failures: Mapped[int]
    last: Mapped[datetime] = mapped_column(UtcDateTime)
    locked_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


class WithdrawnTokenRow(Base):
    """One bearer token or console session withdrawn before its expiry; kept until then."""

    __tablename__ = "withdrawn_token"

    token_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    expires: Mapped[datetime] = mapped_column(UtcDateTime)
