"""Working calendars: weekly hours, holidays, make-up workdays and half days of one zone, for dates that are loaded.

A date outside the loaded dates is *unknown*: an outdated calendar must not turn a holiday into a workday.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from auditsvc.event.time import NS, check_day, count_ns, to_datetime

MINUTE_NS = 60 * NS
DAY_NS = 86_400 * NS

Hours = tuple[tuple[int, int], ...]
"""Intervals ``[start, end)`` of a local day in minutes, ``0 <= start < end <= 1440``, sorted, not overlapping."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Hours of each local day in ``[first, last)``.

    Attributes:
        name: used in conditions.
        zone: IANA name of the time zone of the hours.
        first, last: local dates loaded, ``first`` inclusive, ``last`` exclusive.
        weekly: hours of Monday to Sunday, seven items.
        dated: hours of dates that differ from their weekday's: ``()`` for a holiday.
    """

    name: str
    zone: str
    first: date
    last: date
    weekly: tuple[Hours, ...]
    dated: Mapping[date, Hours] = field(default_factory=dict, hash=False)

    def find_hours(self, day: date) -> Hours | None:
        """Return the hours of a local date, None when the date is not loaded."""
        if not self.first <= day < self.last:
            return None
        return self.dated.get(day, self.weekly[day.weekday()])

    def contains(self, instant_ns: int) -> bool | None:
        """Return whether an instant is inside the hours, None when its local date is not loaded."""
        local = to_datetime(instant_ns).astimezone(_zone(self.zone))
        hours = self.find_hours(local.date())
        if hours is None:
            return None
        minute = local.hour * 60 + local.minute
        return any(start <= minute < end for start, end in hours)

    def days(self) -> Iterator[date]:
        """Yield the loaded dates in order."""
        for offset in range((self.last - self.first).days):
            yield self.first + timedelta(days=offset)

    def find_offset_ns(self) -> int | None:
        """Return the zone's offset from UTC in nanoseconds, None when it changes on the loaded dates."""
        zone = _zone(self.zone)
        last = datetime(self.last.year, self.last.month, self.last.day, tzinfo=zone)
        edges = [datetime(day.year, day.month, day.day, tzinfo=zone) for day in self.days()]
        offsets = {edge.utcoffset() for edge in [*edges, last]}
        if len(offsets) != 1:
            return None
        offset = offsets.pop() or timedelta()
        return (offset.days * 86_400 + offset.seconds) * NS


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def count_local_ns(day: date, zone: str) -> int:
    """Return the nanoseconds of the instant a local date begins; raise ``InputError`` as :func:`check_day`."""
    check_day(day)
    return count_ns(datetime(day.year, day.month, day.day, tzinfo=_zone(zone)))
