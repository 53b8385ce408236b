"""Instants as integers: nanoseconds since 1970-01-01T00:00:00Z, from and to RFC 3339 text."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from auditsvc.ground.errors import InputError

NS = 1_000_000_000
MIN_TIME_NS = 0
"""1970-01-01T00:00:00Z, inclusive."""
MAX_TIME_NS = 7_258_118_400 * NS
"""2200-01-01T00:00:00Z, exclusive: inside 64-bit nanoseconds, beyond any real log."""
MIN_DAY, MAX_DAY = date(1970, 1, 1), date(2200, 1, 1)
"""Local days that may bound an interval of event time, both inclusive; in a zone they begin up to a day off the above."""

_RFC3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}):(\d{2})(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d{2}:\d{2})\Z", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS = {f"{second:02d}": second * NS for second in range(60)}


def parse_time_ns(text: str) -> int:
    """Return the nanoseconds of an RFC 3339 date-time; digits beyond nanoseconds are truncated.

    Raises:
        InputError: ``time_invalid`` for anything else, for a missing offset and for a time outside
            ``[1970-01-01, 2200-01-01)``.
    """
    match = _RFC3339.match(text)
    if match is None:
        raise InputError(
            "time_invalid", f"expected RFC 3339 with an offset such as 2026-11-22T19:31:54+08:00, got `{text[:64]}`"
        )
    minute, second, fraction, offset = match.groups()
    try:
        value = _parse_minute_ns(minute, offset) + _SECONDS[second]
    except (KeyError, ValueError) as err:
        raise InputError("time_invalid", f"no such time: `{text[:64]}`") from err
    if fraction:
        value += int(fraction.ljust(9, "0"))
    return value if MIN_TIME_NS <= value < MAX_TIME_NS else check_time_ns(value, text)


@lru_cache(maxsize=4096)
def _parse_minute_ns(minute: str, offset: str) -> int:
    """Return the nanoseconds at the beginning of a minute; cached, since adjacent records share it. Raise ``ValueError``."""
    return count_ns(datetime.fromisoformat(f"{minute[:10]}T{minute[11:]}:00{'+00:00' if offset in 'Zz' else offset}"))


def count_ns(instant: datetime) -> int:
    """Return the nanoseconds of an aware instant, exact to its microseconds."""
    delta: timedelta = instant - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * NS + delta.microseconds * 1_000


def check_time_ns(value: int, text: object) -> int:
    """Return ``value`` if it is in range, else raise ``InputError`` (``time_invalid``) naming ``text``."""
    if not MIN_TIME_NS <= value < MAX_TIME_NS:
        raise InputError("time_invalid", f"outside 1970 to 2199: `{str(text)[:64]}`")
    return value


def read_bound_ns(instant: datetime) -> int:
    """Return the nanoseconds of an aware instant that bounds an interval of event time.

    Raises:
        InputError: ``time_invalid`` outside ``[1970-01-01, 2200-01-01]``; the end is included, as ends are exclusive.
    """
    value = count_ns(instant)
    if not MIN_TIME_NS <= value <= MAX_TIME_NS:
        expected = f"{format_time_ns(MIN_TIME_NS)} to {format_time_ns(MAX_TIME_NS)}"
        raise InputError("time_invalid", f"expected a time from {expected}, got `{instant.isoformat()}`")
    return value


def check_day(day: date) -> date:
    """Return ``day`` when it is in ``[1970-01-01, 2200-01-01]``, else raise ``InputError`` (``time_invalid``)."""
    if not MIN_DAY <= day <= MAX_DAY:
        raise InputError("time_invalid", f"expected a day from {MIN_DAY} to {MAX_DAY}, got `{day}`")
    return day


def format_time_ns(value: int) -> str:
    """Return RFC 3339 in UTC with ``Z`` and as many of 0, 3, 6 or 9 fraction digits as the value needs."""
    seconds, fraction = divmod(value, NS)
    base = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    if fraction == 0:
        return base + "Z"
    digits = f"{fraction:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{base}.{digits}Z"


def to_datetime(value: int) -> datetime:
    """Return the aware UTC instant, truncated to microseconds."""
    seconds, fraction = divmod(value, NS)
    return _EPOCH + timedelta(seconds=seconds, microseconds=fraction // 1_000)
