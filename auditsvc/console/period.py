"""The time span a page shows: a named range that ends at the newest event, or two local times; always in the URL."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from auditsvc.event.time import MAX_TIME_NS, MIN_TIME_NS, NS, count_ns, to_datetime
from auditsvc.figures.search import EventIndex
from auditsvc.figures.time_axis import DAY_NS, TimeAxis
from auditsvc.ground.errors import InputError

RANGES: Mapping[str, int] = {"1d": DAY_NS, "7d": 7 * DAY_NS, "30d": 30 * DAY_NS, "90d": 90 * DAY_NS}
"""Lengths of ranges by name; ``all`` has none."""
ALL = "all"
CUSTOM = "custom"
DEFAULT_RANGE = "30d"
_RECENT_NS = DAY_NS
"""A newest event younger than this leaves ranges ending now."""
_MINUTE_NS = 60 * NS


@dataclass(frozen=True, slots=True)
class ShownPeriod:
    """Event times in ``[first_ns, last_ns)``, with the data of the form.

    Attributes:
        name: key of :data:`RANGES`, ``all`` or ``custom``.
        ends_in_past: the range ends at the newest event, not now, because that is older than a day.

    Ranges begin and end at whole minutes, which is what forms and addresses can say.
    """

    name: str
    first_ns: int
    last_ns: int
    zone: ZoneInfo
    ends_in_past: bool = False

    @property
    def first_text(self) -> str:
        """The start as the value of a form field, local time."""
        return _format(self.first_ns, self.zone)

    @property
    def last_text(self) -> str:
        """The end as the value of a form field, local time."""
        return _format(self.last_ns, self.zone)

    @property
    def axis(self) -> TimeAxis:
        """The buckets in which the period is drawn."""
        return TimeAxis(self.first_ns, self.last_ns, self.zone)

    def query(self) -> dict[str, str]:
        """Return the period as URL arguments."""
        if self.name == CUSTOM:
            return {"from": self.first_text, "to": self.last_text}
        return {} if self.name == DEFAULT_RANGE else {"range": self.name}


def read_period(arguments: Mapping[str, str], events: EventIndex, now_ns: int, zone: ZoneInfo) -> ShownPeriod:
    """Return the period an address asks for.

    Raises:
        InputError: ``time_invalid`` for a malformed time or an end before the start.
    """
    if arguments.get("from") or arguments.get("to"):
        return _read_custom(arguments, zone)
    name = arguments.get("range", DEFAULT_RANGE)
    if name != ALL and name not in RANGES:
        raise InputError("time_invalid", f"range: expected one of {', '.join([*RANGES, ALL])}, got `{name[:32]}`")
    newest = events.find_newest_ns(now_ns + 1)
    if newest is None:
        last_ns = _end_minute(now_ns - 1)
        return ShownPeriod(name, last_ns - RANGES.get(name, DAY_NS), last_ns, zone)
    if name == ALL:
        first, last = events.find_span_ns() or (newest, newest)
        return ShownPeriod(ALL, first - first % _MINUTE_NS, _end_minute(last), zone)
    is_recent = now_ns - newest < _RECENT_NS
    last_ns = _end_minute(now_ns - 1 if is_recent else newest)
    return ShownPeriod(name, last_ns - RANGES[name], last_ns, zone, not is_recent)


def _end_minute(instant_ns: int) -> int:
    """Return the end of the minute an instant lies in."""
    return instant_ns - instant_ns % _MINUTE_NS + _MINUTE_NS


def _read_custom(arguments: Mapping[str, str], zone: ZoneInfo) -> ShownPeriod:
    """Return the period between two local times; a missing one is unbounded."""
    first = _parse(arguments.get("from", ""), zone, MIN_TIME_NS)
    last = _parse(arguments.get("to", ""), zone, MAX_TIME_NS)
    if last <= first:
        raise InputError("time_invalid", "the end of the period must be after its beginning")
    return ShownPeriod(CUSTOM, first, last, zone)


def _parse(text: str, zone: ZoneInfo, default: int) -> int:
    """Return the nanoseconds of a local time from a form field: a date, with or without a time of day."""
    if not text:
        return default
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as err:
        raise InputError("time_invalid", f"expected a local time such as 2026-10-01T00:00, got `{text[:32]}`") from err
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    value = count_ns(aware)
    return min(max(value, MIN_TIME_NS), MAX_TIME_NS)


def _format(value: int, zone: ZoneInfo) -> str:
    """Return a local time as form fields take it, as short as it can be without leaving anything out."""
    moment = to_datetime(min(value, MAX_TIME_NS - NS)).astimezone(zone).replace(tzinfo=None)
    shortest = "microseconds" if moment.microsecond else "seconds" if moment.second else "minutes"
    return moment.isoformat(timespec=shortest)
