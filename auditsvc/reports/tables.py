"""Table of reports; the files themselves are in a folder named after the report's id."""

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, Date, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from auditsvc.ground.database import Base, UtcDateTime


class ReportRow(Base):
    """One signed report; ``id`` is a UUIDv7; ``leaf_seq`` gives the order of creation."""

    __tablename__ = "report"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    project_id: Mapped[str | None] = mapped_column(String(128))
    first: Mapped[date] = mapped_column(Date)
    last: Mapped[date] = mapped_column(Date)
    languages: Mapped[str] = mapped_column(String(16))
    verdict: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(String(256))
    sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    leaf_seq: Mapped[int] = mapped_column(BigInteger)
    log_size: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        CheckConstraint("kind IN ('compliance', 'project')", name="kind"),
        CheckConstraint("(kind = 'project') = (project_id IS NOT NULL)", name="project_id"),
        Index("ix_report_leaf_seq", "leaf_seq", unique=True),
    )
