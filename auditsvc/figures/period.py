"""Periods of whole local days, and the instants at which they begin and end."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from auditsvc.event.time import check_day, count_ns
from auditsvc.ground.errors import InputError

MAX_DAYS = 366
"""Longest period of one report: audits are yearly at most."""


@dataclass(frozen=True, slots=True)
class Period:
    """Local days ``first`` to ``last``, both inclusive."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """Number of days."""
        return (self.last - self.first).days + 1


def build_period(first: date, last: date) -> Period:
    """Return the period of the local days ``first`` to ``last``, both inclusive.

    Raises:
        InputError: ``input_invalid`` when it ends before it begins or is longer than :data:`MAX_DAYS`; ``time_invalid``
            for a day on which no event can be.
    """
    check_day(first)
    check_day(last)
    if last < first:
        raise InputError("input_invalid", f"period: the last day `{last}` is before the first `{first}`")
    period = Period(first, last)
    if period.days > MAX_DAYS:
        raise InputError("input_invalid", f"period: {period.days} days; a report covers at most {MAX_DAYS}")
    return period


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the instant a local day begins, in UTC."""
    return datetime.combine(day, time(0), zone).astimezone(UTC)


def bounds(period: Period, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the instants ``[start, end)`` of a period."""
    return start_of_day(period.first, zone), start_of_day(period.last + timedelta(days=1), zone)


def bounds_ns(period: Period, zone: ZoneInfo) -> tuple[int, int]:
    """Return the nanoseconds ``[first, last)`` of a period."""
    start, end = bounds(period, zone)
    return count_ns(start), count_ns(end)
