"""A stretch of time cut into local buckets for a chart: minutes, hours, days or months, as short as is readable."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from auditsvc.event.time import NS, count_ns, to_datetime
from auditsvc.store.query import TimeBucket, TimeUnit

DAY_NS = 86_400 * NS
_UNITS = ((3 * 3600 * NS, TimeUnit.MINUTE), (4 * DAY_NS, TimeUnit.HOUR), (124 * DAY_NS, TimeUnit.DAY))
"""Longest stretch drawn in minutes, hours and days; longer ones are drawn in months."""


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Event times in ``[first_ns, last_ns)``, drawn in the days and months of ``zone``."""

    first_ns: int
    last_ns: int
    zone: ZoneInfo

    @property
    def bucket(self) -> TimeBucket:
        """The bucket that figures are grouped by."""
        length = self.last_ns - self.first_ns
        return TimeBucket(next((unit for limit, unit in _UNITS if length <= limit), TimeUnit.MONTH), self.zone)

    @property
    def unit(self) -> str:
        """Length of a bucket: ``minute``, ``hour``, ``day`` or ``month``."""
        return self.bucket.unit.value

    def list_buckets(self) -> list[tuple[int, int]]:
        """Return ``[first, last)`` of every bucket the axis touches, in order, empty ones included."""
        unit = self.bucket.unit
        start = _floor(to_datetime(self.first_ns).astimezone(self.zone), unit)
        buckets = []
        first = count_ns(start)
        while first < self.last_ns:
            start = _following(start, unit)
            buckets.append((first, count_ns(start)))
            first = buckets[-1][1]
        return buckets


def _floor(moment: datetime, unit: TimeUnit) -> datetime:
    """Return the beginning of the local bucket ``moment`` lies in."""
    start = moment.replace(second=0, microsecond=0)
    if unit is TimeUnit.MINUTE:
        return start
    start = start.replace(minute=0)
    if unit is TimeUnit.HOUR:
        return start
    start = start.replace(hour=0)
    return start if unit is TimeUnit.DAY else start.replace(day=1)


def _following(start: datetime, unit: TimeUnit) -> datetime:
    """Return the beginning of the next local bucket."""
    if unit is TimeUnit.MONTH:
        return (start + timedelta(days=32)).replace(day=1)
    if unit is TimeUnit.DAY:
        return start + timedelta(days=1)
    step = timedelta(minutes=1) if unit is TimeUnit.MINUTE else timedelta(hours=1)
    return (start.astimezone(tz=ZoneInfo("UTC")) + step).astimezone(start.tzinfo)
