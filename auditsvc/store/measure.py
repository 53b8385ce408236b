"""Semantics of exact figures in every store: buckets of a time zone, the measures of a field, the order of keys. Pure."""

from dataclasses import dataclass
from datetime import UTC, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from auditsvc.event.fields import Field, Kind, get_field
from auditsvc.event.time import NS, count_ns, to_datetime
from auditsvc.ground.errors import InputError
from auditsvc.store.query import Key, Measure, MeasureKind, NoValue, TimeUnit

UNIT_NS = {TimeUnit.MINUTE: 60 * NS, TimeUnit.HOUR: 3600 * NS, TimeUnit.DAY: 86_400 * NS}
SUM_SCALE = 6
"""Decimal places in sums of numbers, so that they do not depend on the order of addition."""
_STEP_NS = 3600 * NS
"""Step of the search for offset changes: no time zone changes twice within an hour."""


@dataclass(frozen=True, slots=True)
class ZoneOffset:
    """An offset from UTC, ``offset_ns``, valid from the instant ``start_ns`` on, both in nanoseconds."""

    start_ns: int
    offset_ns: int


def find_offsets(zone: ZoneInfo, first_ns: int, last_ns: int) -> list[ZoneOffset]:
    """Return the offsets valid in ``[first_ns, last_ns)``, in order of time.

    The first entry starts at ``first_ns``. Steps of a day, then of an hour, limit a year to some hundred look-ups.
    """
    found = [ZoneOffset(first_ns, find_offset(zone, first_ns))]
    at = first_ns
    while at < last_ns:
        ahead = min(at + 24 * _STEP_NS, last_ns)
        if find_offset(zone, ahead) != found[-1].offset_ns:
            ahead = _bisect_change(zone, at, ahead)
            found.append(ZoneOffset(ahead, find_offset(zone, ahead)))
        at = ahead
    return found


def _bisect_change(zone: ZoneInfo, low: int, high: int) -> int:
    """Return the first instant in ``(low, high]`` whose offset is not that of ``low``, to the second."""
    before = find_offset(zone, low)
    low, high = low // NS, -(-high // NS)
    while high - low > 1:
        middle = (low + high) // 2
        if find_offset(zone, middle * NS) == before:
            low = middle
        else:
            high = middle
    return high * NS


def find_offset(zone: ZoneInfo, instant: int) -> int:
    """Return the zone's offset from UTC at an instant, in nanoseconds."""
    offset = to_datetime(instant).astimezone(zone).utcoffset() or timedelta(0)
    return (offset.days * 86_400 + offset.seconds) * NS


@lru_cache(maxsize=4096)
def find_local_midnight(local_ns: int, zone: ZoneInfo) -> int:
    """Return the instant of a local date-time that is given as if it were UTC."""
    return count_ns(to_datetime(local_ns).replace(tzinfo=zone).astimezone(UTC))


def check_measure(measure: Measure) -> Field | None:
    """Return the field of a measure, None for the number of events.

    Raises:
        InputError: ``input_invalid`` for a measure that the field's type does not support, ``field_unknown``.
    """
    if measure.kind is MeasureKind.COUNT and not measure.field:
        return None
    field = get_field(measure.field)
    match measure.kind:
        case MeasureKind.SUM:
            if field.kind is not Kind.NUMBER and (field.kind is not Kind.INTEGER or field.multi):
                raise InputError("input_invalid", f"sum: `{field.name}` is not a number", field=field.name)
        case MeasureKind.MIN | MeasureKind.MAX:
            _require(not field.multi, measure)
        case MeasureKind.QUANTILE:
            _require(field.kind in (Kind.INTEGER, Kind.NUMBER, Kind.TIME), measure)
            _require(0 <= measure.quantile <= 1, measure)
    return field


def _require(holds: bool, measure: Measure) -> None:
    """Refuse a measure that its field does not support."""
    if not holds:
        raise InputError("input_invalid", f"{measure.kind.value}: not for `{measure.field}`", field=measure.field)


def sort_key(part: Key) -> tuple[int, Any]:
    """Return a sort key for group keys of mixed types: marks first, then numbers, then text."""
    if isinstance(part, NoValue):
        return (0, part.value)
    return (1, part) if isinstance(part, (int, float)) else (2, part)
