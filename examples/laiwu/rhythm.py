"""When a city works: days and hours of the example's period, and where its accesses fall."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from itertools import accumulate
from random import Random

FIRST_DAY = date(2026, 10, 1)
LAST_DAY = date(2026, 10, 30)
"""First and last local day of the period, both inside it."""
DAYS = (LAST_DAY - FIRST_DAY).days + 1
ZONE = timezone(timedelta(hours=8))
"""Offset of the city; it has no summer time."""
START_NS = int(datetime(2026, 10, 1, tzinfo=ZONE).timestamp()) * 1_000_000_000
END_NS = START_NS + DAYS * 86_400 * 1_000_000_000
HOUR_MS = 3_600_000

HOLIDAYS = frozenset(date(2026, 10, day) for day in range(1, 8))
MAKE_UP_DAYS = frozenset({date(2026, 10, 10)})
"""Days of the National Day holiday, and the Saturday worked for it."""

_OFFICE = (1, 1, 1, 1, 1, 1, 2, 8, 60, 100, 95, 70, 15, 25, 85, 90, 75, 40, 10, 6, 4, 3, 2, 1)
_PUBLIC = (6, 3, 2, 1, 1, 3, 10, 25, 60, 80, 80, 65, 50, 50, 65, 70, 70, 60, 50, 60, 65, 50, 30, 15)
_ROUND = (10,) * 24
_NIGHT = (80, 100, 100, 100, 60, 20, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 5, 20, 50)
_STRICT = (0,) * 9 + (100, 100) + (0,) * 3 + (100, 100) + (0,) * 8

_PROFILES = {
    "office": (_OFFICE, 0.10, 0.06),
    "public": (_PUBLIC, 0.65, 0.45),
    "round": (_ROUND, 1.0, 1.0),
    "night": (_NIGHT, 0.9, 0.9),
    "strict": (_STRICT, 0.0, 0.0),
}
"""Profile to its hours of a day, and what weekends and holidays are worth against a working day.

``strict`` stays well inside working hours on ordinary weekdays: for downloads that may happen at no other time.
"""


def list_days() -> list[date]:
    """Return the days of the period."""
    return [FIRST_DAY + timedelta(days=number) for number in range(DAYS)]


def is_workday(day: date) -> bool:
    """Say whether offices are open."""
    return day in MAKE_UP_DAYS or (day.weekday() < 5 and day not in HOLIDAYS)


class Rhythm:
    """Draws instants, in milliseconds since the period's start, as a profile has them."""

    def __init__(self, profile: str) -> None:
        """Prepare the profile's 720 hours."""
        hours, weekend, holiday = _PROFILES[profile]
        weights: list[float] = []
        for day in list_days():
            if profile == "strict" and day in MAKE_UP_DAYS:
                share = 0.0
            elif is_workday(day):
                share = 1.0
            else:
                share = holiday if day in HOLIDAYS else weekend
            weights += [share * hour for hour in hours]
        self._cells = range(len(weights))
        self._cumulative: Sequence[float] = list(accumulate(weights))

    def draw(self, chance: Random, count: int) -> list[int]:
        """Return ``count`` instants in no particular order."""
        cells = chance.choices(self._cells, cum_weights=self._cumulative, k=count)
        return [cell * HOUR_MS + int(chance.random() * HOUR_MS) for cell in cells]


def to_ms(day: int, hour: int, minute: int = 0) -> int:
    """Return the instant of local ``day`` (1 to 30) of the month, in milliseconds since the period's start."""
    return ((day - 1) * 24 + hour) * HOUR_MS + minute * 60_000


_DAY_TEXTS = [day.isoformat() for day in list_days()]


def format_local(ms: int) -> str:
    """Return RFC 3339 with the city's offset and milliseconds."""
    day, rest = divmod(ms, 86_400_000)
    hour, rest = divmod(rest, HOUR_MS)
    minute, rest = divmod(rest, 60_000)
    return f"{_DAY_TEXTS[day]}T{hour:02d}:{minute:02d}:{rest // 1000:02d}.{rest % 1000:03d}+08:00"


def format_combined(ms: int) -> str:
    """Return the time as web servers write it in their access logs."""
    day, rest = divmod(ms, 86_400_000)
    hour, rest = divmod(rest, HOUR_MS)
    minute, rest = divmod(rest, 60_000)
    return f"{day + 1:02d}/Oct/2026:{hour:02d}:{minute:02d}:{rest // 1000:02d} +0800"


def to_epoch_ms(ms: int) -> int:
    """Return milliseconds since 1970-01-01T00:00:00Z."""
    return START_NS // 1_000_000 + ms
