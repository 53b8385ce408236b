"""Rows of the ingest side: API keys."""

from sqlalchemy import CheckConstraint, Column, LargeBinary, String, Table

from auditsvc.ground.database import Base, UtcDateTime

api_key = Table(
    "api_key",
    Base.metadata,
    Column("key_id", String(32), primary_key=True),
    Column("source", String(255), nullable=False, index=True),
    Column("label", String(255), nullable=False),
    Column("secret_sha256", LargeBinary(32), nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime),
    Column("revoked", UtcDateTime),
    CheckConstraint("length(secret_sha256) = 32", name="secret_sha256"),
)
"""Who may deliver for which source. Rows are never deleted: receipts and acts in the log refer to them."""
