"""The only module that reads the system clock. Everything else takes a :class:`Clock` or a time as an argument."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """A source of the current time."""

    def now(self) -> datetime:
        """Return the current instant, aware, in UTC."""

    def now_ns(self) -> int:
        """Return the current instant as nanoseconds since 1970-01-01T00:00:00Z."""


class SystemClock:
    """The machine's wall clock."""

    def now(self) -> datetime:
        """Return the current instant, aware, in UTC."""
        return datetime.now(UTC)

    def now_ns(self) -> int:
        """Return the current instant as nanoseconds since 1970-01-01T00:00:00Z."""
        return time.time_ns()


class FixedClock:
    """A clock that shows a fixed instant until it is changed; for tests and for replaying."""

    def __init__(self, instant: datetime) -> None:
        """Set the clock to ``instant``, which must be aware."""
        if instant.tzinfo is None:
            raise ValueError("a clock needs an aware datetime")
        self.instant = instant.astimezone(UTC)

    def now(self) -> datetime:
        """Return the fixed instant, aware, in UTC."""
        return self.instant

    def now_ns(self) -> int:
        """Return the fixed instant as nanoseconds since 1970-01-01T00:00:00Z."""
        whole = int(self.instant.replace(microsecond=0).timestamp())
        return whole * 1_000_000_000 + self.instant.microsecond * 1_000


def format_instant(instant: datetime) -> str:
    """Return RFC 3339 text in UTC with milliseconds and ``Z``, as ledger headers and reports carry it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"


def parse_instant(text: str) -> datetime:
    """Return the aware UTC instant of an RFC 3339 text with an offset; raise ``ValueError`` for anything else."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"`{text}` has no offset from UTC")
    return instant.astimezone(UTC)
