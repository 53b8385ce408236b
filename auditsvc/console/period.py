"""The time span a page shows: a named range that ends at the newest event, or two local times; always in the URL."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from auditsvc.event.time import MAX_TIME_NS, MIN_TIME_NS, NS, count_ns, to_datetime
from auditsvc.ground.errors import InputError
from auditsvc.store.port import EventStore
from auditsvc.store.query import EventQuery, Order, RowSet, TimeBucket, TimeUnit

DAY_NS = 86_400 * NS
RANGES: Mapping[str, int] = {"1d": DAY_NS, "7d": 7 * DAY_NS, "30d": 30 * DAY_NS, "90d": 90 * DAY_NS}
"""Lengths of ranges by name; ``all`` has none."""
ALL = "all"
CUSTOM = "custom"
DEFAULT_RANGE = "30d"
_RECENT_NS = DAY_NS
"""Ranges end now if the newest event is younger than this."""
_INPUT_FORMAT = "%Y-%m-%dT%H:%M"
_UNITS = ((3 * 3600 * NS, TimeUnit.MINUTE), (4 * DAY_NS, TimeUnit.HOUR), (124 * DAY_NS, TimeUnit.DAY))
"""Longest spans shown in minutes, hours and days; longer ones are shown in months."""


@dataclass(frozen=True, slots=True)
class ShownPeriod:
    """Event times in ``[first_ns, last_ns)``, with the data of the form.

    Attributes:
        name: key of :data:`RANGES`, ``all`` or ``custom``.
        ends_in_past: the range ends at the newest event, not now, because the event is older than a day.
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
    def bucket(self) -> TimeBucket:
        """The size of the chart's buckets."""
        length = self.last_ns - self.first_ns
        unit = next((unit for limit, unit in _UNITS if length <= limit), TimeUnit.MONTH)
        return TimeBucket(unit, self.zone)

    def query(self) -> dict[str, str]:
        """Return the period as URL arguments."""
        if self.name == CUSTOM:
            return {"from": self.first_text, "to": self.last_text}
        return {} if self.name == DEFAULT_RANGE else {"range": self.name}


def read_period(arguments: Mapping[str, str], store: EventStore, now_ns: int, zone: ZoneInfo) -> ShownPeriod:
    """Return the period from the URL.

    Raises:
        InputError: ``time_invalid`` for a malformed time or an end before the start.
    """
    if arguments.get("from") or arguments.get("to"):
        return _read_custom(arguments, zone)
    name = arguments.get("range", DEFAULT_RANGE)
    if name != ALL and name not in RANGES:
        raise InputError("time_invalid", f"range: expected one of {', '.join([*RANGES, ALL])}, got `{name[:32]}`")
    newest = find_newest_ns(store, now_ns)
    if newest is None:
        return ShownPeriod(name, now_ns - RANGES.get(name, DAY_NS), now_ns, zone)
    if name == ALL:
        return replace(_all_events(store, newest, zone), name=ALL)
    is_recent = now_ns - newest < _RECENT_NS
    last_ns = now_ns if is_recent else newest + NS
    return ShownPeriod(name, last_ns - RANGES[name], last_ns, zone, not is_recent)


def find_newest_ns(store: EventStore, now_ns: int) -> int | None:
    """Return the time of the newest event that is not in the future, None when there is none."""
    page = store.search(EventQuery(None, MIN_TIME_NS, now_ns + 1, rows=RowSet.ALL), limit=1)
    return page.events[0].time_ns if page.events else None


def list_buckets(period: ShownPeriod) -> list[tuple[int, int]]:
    """Return ``[first, last)`` of every bucket the period touches, in order, including empty ones."""
    unit = period.bucket.unit
    start = _floor(to_datetime(period.first_ns).astimezone(period.zone), unit)
    buckets = []
    first = count_ns(start)
    while first < period.last_ns:
        start = _following(start, unit)
        buckets.append((first, count_ns(start)))
        first = buckets[-1][1]
    return buckets


def _all_events(store: EventStore, newest: int, zone: ZoneInfo) -> ShownPeriod:
    """Return the period from the oldest event to the newest, including future ones."""
    query = EventQuery(None, MIN_TIME_NS, MAX_TIME_NS, rows=RowSet.ALL)
    oldest = store.search(query, limit=1, order=Order.OLDEST)
    latest = store.search(query, limit=1)
    first = oldest.events[0].time_ns if oldest.events else newest
    last = latest.events[0].time_ns if latest.events else newest
    return ShownPeriod(ALL, first, last + NS, zone)


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
    """Return a local time as the value of a form field."""
    return to_datetime(min(value, MAX_TIME_NS - NS)).astimezone(zone).strftime(_INPUT_FORMAT)


def _floor(moment: datetime, unit: TimeUnit) -> datetime:
    """Return the start of the local bucket that contains ``moment``."""
    start = moment.replace(second=0, microsecond=0)
    if unit is TimeUnit.MINUTE:
        return start
    start = start.replace(minute=0)
    if unit is TimeUnit.HOUR:
        return start
    start = start.replace(hour=0)
    return start if unit is TimeUnit.DAY else start.replace(day=1)


def _following(start: datetime, unit: TimeUnit) -> datetime:
    """Return the start of the next local bucket."""
    if unit is TimeUnit.MONTH:
        return (start + timedelta(days=32)).replace(day=1)
    if unit is TimeUnit.DAY:
        return start + timedelta(days=1)
    step = timedelta(minutes=1) if unit is TimeUnit.MINUTE else timedelta(hours=1)
    return (start.astimezone(tz=ZoneInfo("UTC")) + step).astimezone(start.tzinfo)
