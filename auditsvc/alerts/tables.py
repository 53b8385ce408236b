"""Tables of alerts and of the stage that raises them. Alerts are never rebuilt from the archive: people act on them."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from auditsvc.ground.database import Base, UtcDateTime


class AlertRow(Base):
    """One alert; ``id`` is a UUIDv7, so ids are in order of opening."""

    __tablename__ = "alert"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    policy_id: Mapped[str] = mapped_column(String(128))
    policy_version: Mapped[str] = mapped_column(String(32))
    severity: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    title_zh: Mapped[str] = mapped_column(Text)
    title_en: Mapped[str] = mapped_column(Text)
    group_key: Mapped[bytes] = mapped_column(LargeBinary(16))
    group_json: Mapped[str] = mapped_column(Text)
    consumer: Mapped[str | None] = mapped_column(String(1024))
    anchor_ns: Mapped[int] = mapped_column(BigInteger)
    first_ns: Mapped[int] = mapped_column(BigInteger)
    last_ns: Mapped[int] = mapped_column(BigInteger)
    count: Mapped[int] = mapped_column(BigInteger)
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    acknowledged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    acknowledged_by: Mapped[str | None] = mapped_column(String(256))
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_by: Mapped[str | None] = mapped_column(String(256))
    close_reason: Mapped[str | None] = mapped_column(String(32))
    close_note: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (
        CheckConstraint("state IN ('new', 'acknowledged', 'closed')", name="state"),
        CheckConstraint("(state = 'closed') = (close_reason IS NOT NULL)", name="close_reason"),
        CheckConstraint("count > 0", name="count"),
        Index("ix_alert_open_group", "policy_id", "group_key", "state"),
        Index("ix_alert_state_opened_at", "state", "opened_at"),
    )


class AlertFindingRow(Base):
    """A finding of an alert; its key is unique, so that a replay does not count it twice."""

    __tablename__ = "alert_finding"

    key: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    alert_id: Mapped[str] = mapped_column(ForeignKey("alert.id"))
    uid: Mapped[bytes] = mapped_column(LargeBinary(16))
    time: Mapped[int] = mapped_column(BigInteger)
    seq: Mapped[int] = mapped_column(BigInteger)
    record: Mapped[int] = mapped_column(BigInteger)
    item: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index("ix_alert_finding_alert_id_time", "alert_id", "time"),)


class AlertTransitionRow(Base):
    """One state transition of an alert, with the leaf that records it."""

    __tablename__ = "alert_transition"

    alert_id: Mapped[str] = mapped_column(ForeignKey("alert.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(String(256))
    from_state: Mapped[str | None] = mapped_column(String(16))
    to_state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(32))
    note: Mapped[str] = mapped_column(Text)
    leaf_seq: Mapped[int] = mapped_column(BigInteger)


class EnginePositionRow(Base):
    """The position of an engine stage in the ledger: the first place it has not processed."""

    __tablename__ = "engine_position"

    stage: Mapped[str] = mapped_column(String(32), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    record: Mapped[int] = mapped_column(BigInteger)
