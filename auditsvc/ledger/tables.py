"""Tables of the ledger. ``leaf`` and ``node`` are only ever inserted into; triggers reject anything else."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text
from sqlalchemy import UniqueConstraint as Unique

from auditsvc.ground.database import Base, UtcDateTime

SEQ = BigInteger().with_variant(Integer, "sqlite")
"""Type of leaf indexes that are a primary key: in SQLite only ``INTEGER`` is the row's own number, without a second index."""
HEAD_ID = 1
"""The id of the only row of ``head``."""

leaf = Table(
    "leaf",
    Base.metadata,
    Column("seq", SEQ, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("header", Text, nullable=False),
    Column("leaf_hash", LargeBinary(32), nullable=False),
    CheckConstraint("length(leaf_hash) = 32", name="leaf_hash"),
)
Index(
    "ix_leaf_kind",
    leaf.c.kind,
    leaf.c.seq,
    sqlite_where=leaf.c.kind != "batch",
    postgresql_where=leaf.c.kind != "batch",
)

node = Table(
    "node",
    Base.metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), nullable=False),
    CheckConstraint("length(hash) = 32", name="hash"),
    sqlite_with_rowid=False,
)

head = Table(
    "head",
    Base.metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("last_accepted", UtcDateTime, nullable=True),
    CheckConstraint("id = 1", name="one_row"),
)

batch = Table(
    "batch",
    Base.metadata,
    Column("seq", SEQ, ForeignKey("leaf.seq"), primary_key=True, autoincrement=False),
    Column("batch_id", String(36), nullable=False, unique=True),
    Column("source", String(256), nullable=False),
    Column("source_seq", BigInteger, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("segment", String(64), nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("fingerprints", LargeBinary, nullable=False),
    Unique("source", "source_seq"),
    Unique("segment", "offset"),
)

delivery = Table(
    "delivery",
    Base.metadata,
    Column("seq", SEQ, ForeignKey("batch.seq"), primary_key=True, autoincrement=False),
    Column("first_record", BigInteger, primary_key=True, autoincrement=False),
    Column("records", BigInteger, nullable=False),
    Column("accepted", BigInteger, nullable=False),
    Column("quarantined", BigInteger, nullable=False),
    Column("source", String(256), nullable=False),
    Column("idempotency_key", String(256), nullable=True),
    Column("body_sha256", LargeBinary(32), nullable=False),
    Unique("idempotency_key", "source"),
    Index("ix_delivery_body_sha256_source", "body_sha256", "source"),
    sqlite_with_rowid=False,
)

source_head = Table(
    "source_head",
    Base.metadata,
    Column("source", String(256), primary_key=True),
    Column("source_seq", BigInteger, nullable=False),
    Column("header_sha256", LargeBinary(32), nullable=False),
    sqlite_with_rowid=False,
)

checkpoint = Table(
    "checkpoint",
    Base.metadata,
    Column("size", SEQ, primary_key=True, autoincrement=False),
    Column("root_hash", LargeBinary(32), nullable=False),
    Column("note", Text, nullable=False),
    Column("signed_at", UtcDateTime, nullable=False),
)
