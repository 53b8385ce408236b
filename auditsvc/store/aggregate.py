"""Exact figures over events and findings as one SQL statement: groups, time buckets in a zone, measures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from functools import lru_cache
from typing import Any, assert_never
from zoneinfo import ZoneInfo

from duckdb import DuckDBPyConnection

from auditsvc.errors import InputError
from auditsvc.event.fields import Field, Kind, get_field
from auditsvc.event.time import NS, count_ns, to_datetime
from auditsvc.store.clause import Clause
from auditsvc.store.columns import quote
from auditsvc.store.model import AggregateRow, By, Group, Key, Measure, MeasureKind, TimeBucket, TimeUnit

_UNIT_NS = {TimeUnit.MINUTE: 60 * NS, TimeUnit.HOUR: 3600 * NS, TimeUnit.DAY: 86_400 * NS}
_STEP_NS = 3600 * NS
"""Offsets of zones are looked for hour by hour: none changes twice within one."""
_SUM_SCALE = 6
"""Decimal digits behind the point in sums of numbers, so that they do not depend on the order of adding."""


@dataclass(frozen=True, slots=True)
class GroupSql:
    """How one ``by`` is grouped: expression with its values, how a result becomes a key, and lists to fan out."""

    text: str
    params: Sequence[Any]
    to_key: Callable[[Any], Key]
    unnest: str | None = None


def find_offsets(zone: ZoneInfo, first_ns: int, last_ns: int) -> list[tuple[int, int]]:
    """Return (from this instant on, offset from UTC), both in nanoseconds, that hold in ``[first_ns, last_ns)``.

    The first entry holds from ``first_ns`` on. Steps of a day, then of an hour, keep a year at some hundred look-ups.
    """
    found = [(first_ns, _offset(zone, first_ns))]
    at = first_ns
    while at < last_ns:
        ahead = min(at + 24 * _STEP_NS, last_ns)
        if _offset(zone, ahead) != found[-1][1]:
            ahead = _bisect_change(zone, at, ahead)
            found.append((ahead, _offset(zone, ahead)))
        at = ahead
    return found


def _bisect_change(zone: ZoneInfo, low: int, high: int) -> int:
    """Return the first instant in ``(low, high]`` whose offset is not that of ``low``, to the second."""
    before = _offset(zone, low)
    low, high = low // NS, -(-high // NS)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, middle * NS) == before:
            low = middle
        else:
            high = middle
    return high * NS


def _offset(zone: ZoneInfo, instant: int) -> int:
    """Return the zone's offset from UTC at an instant, in nanoseconds."""
    offset = to_datetime(instant).astimezone(zone).utcoffset() or timedelta(0)
    return (offset.days * 86_400 + offset.seconds) * NS


def build_bucket(bucket: TimeBucket, first_ns: int, last_ns: int, column: str = '"time"') -> GroupSql:
    """Return the grouping of event times into buckets of a zone.

    Minutes and hours come out as instants; days and months as local midnights, turned into instants afterwards.
    """
    offsets = find_offsets(bucket.zone, first_ns, last_ns)
    params: list[Any] = []
    if len(offsets) == 1:
        shift = "CAST(? AS BIGINT)"
        params.append(offsets[0][1])
    else:
        cases = []
        for start, offset in reversed(offsets[1:]):
            cases.append(" ".join(["WHEN", column, ">= ? THEN CAST(? AS BIGINT)"]))
            params += [start, offset]
        shift = " ".join(["CASE", *cases, "ELSE CAST(? AS BIGINT) END"])
        params.append(offsets[0][1])
    local = f"({column} + {shift})"
    if bucket.unit is TimeUnit.MONTH:
        text = f"epoch_ns(date_trunc('month', make_timestamp_ns({local})))"
        return GroupSql(text, params, lambda value: _local_midnight(value, bucket.zone))
    unit = _UNIT_NS[bucket.unit]
    floor = f"(({local} // {unit}) * {unit})"
    if bucket.unit is TimeUnit.DAY:
        return GroupSql(floor, params, lambda value: _local_midnight(value, bucket.zone))
    return GroupSql(f"({floor} - {shift})", [*params, *params], int)


@lru_cache(maxsize=4096)
def _local_midnight(local_ns: int, zone: ZoneInfo) -> int:
    """Return the instant of a local date-time given as if it were UTC."""
    return count_ns(to_datetime(local_ns).replace(tzinfo=zone).astimezone(UTC))


def build_group(by: By, nulls: frozenset[str], first_ns: int, last_ns: int, position: int) -> GroupSql:
    """Return the grouping of one ``by``; ``nulls`` names the fields that some event has as null."""
    if isinstance(by, TimeBucket):
        return build_bucket(by, first_ns, last_ns)
    known = get_field(by)
    if by.startswith("labels."):
        return GroupSql("labels[?]", [by.removeprefix("labels.")], _plain_key)
    if known.multi:
        alias = f"element_{position}"
        return GroupSql(alias, (), _plain_key, f"LEFT JOIN unnest({quote(by)}) AS u{position}({alias}) ON true")
    if by in nulls:
        absent = f"({quote(by)} IS NULL AND coalesce(list_contains(nulls, ?), false))"
        return GroupSql(f"struct_pack(v := {quote(by)}, n := {absent})", [by], _null_aware_key)
    return GroupSql(quote(by), (), _plain_key)


def _plain_key(value: Any) -> Key:
    """Return a result as a key."""
    return Group.MISSING if value is None else value


def _null_aware_key(value: Any) -> Key:
    """Return a (value, is null) result as a key."""
    return Group.NULL if value["n"] else _plain_key(value["v"])


def build_measure(measure: Measure) -> str:
    """Return the SQL of one measure.

    Raises:
        InputError: ``input_invalid`` for a measure the field's type does not have.
    """
    if measure.kind is MeasureKind.COUNT and not measure.field:
        return "count(*)"
    field = get_field(measure.field)
    column = quote(measure.field)
    match measure.kind:
        case MeasureKind.COUNT:
            return f"count({column})"
        case MeasureKind.DISTINCT:
            return _build_distinct(field, column)
        case MeasureKind.SUM:
            return _build_sum(field, column)
        case MeasureKind.MIN | MeasureKind.MAX:
            _require(not field.multi, measure)
            return f"{measure.kind.value}({column})"
        case MeasureKind.QUANTILE:
            _require(field.kind in (Kind.INTEGER, Kind.NUMBER, Kind.TIME), measure)
            _require(0 <= measure.quantile <= 1, measure)
            return f"quantile_disc({column}, {float(measure.quantile)!r})"
    assert_never(measure.kind)


def _build_distinct(field: Field, column: str) -> str:
    """Return an exact distinct count; over a list field elements are counted, not lists."""
    if not field.multi:
        return f"count(DISTINCT {column})"
    return f"coalesce(len(list_distinct(flatten(list(DISTINCT {column}) FILTER (WHERE {column} IS NOT NULL)))), 0)"


def _build_sum(field: Field, column: str) -> str:
    """Return an exact sum; decimals make it independent of the order of rows."""
    if field.kind is Kind.NUMBER:
        return f"sum(CAST({column} AS DECIMAL(30, {_SUM_SCALE})))"
    if field.kind is Kind.INTEGER and not field.multi:
        return f"sum({column})"
    raise InputError("input_invalid", f"sum: `{field.name}` is not a number", field=field.name)


def _require(holds: bool, measure: Measure) -> None:
    """Refuse a measure that its field cannot have."""
    if not holds:
        raise InputError("input_invalid", f"{measure.kind.value}: not for `{measure.field}`", field=measure.field)


def run_groups(
    cursor: DuckDBPyConnection, table: str, clause: Clause, groups: Sequence[GroupSql], measures: Sequence[str]
) -> list[AggregateRow]:
    """Return the rows of one grouped statement, ordered by key."""
    selects = [*(group.text for group in groups), *measures]
    joins = [group.unnest for group in groups if group.unnest]
    parts = ["SELECT", ", ".join(selects), "FROM", table, *joins, "WHERE", clause.text]
    if groups:
        parts += ["GROUP BY", ", ".join(str(number + 1) for number in range(len(groups)))]
    params = [value for group in groups for value in group.params]
    rows = cursor.execute(" ".join(parts), [*params, *clause.params]).fetchall()
    width = len(groups)
    result = [
        AggregateRow(
            tuple(group.to_key(value) for group, value in zip(groups, row[:width], strict=True)), tuple(row[width:])
        )
        for row in rows
    ]
    return sorted(result, key=lambda row: [sort_key(part) for part in row.key])


def sort_key(part: Key) -> tuple[int, Any]:
    """Return what orders keys of unlike types: marks first, then numbers, then text."""
    if isinstance(part, Group):
        return (0, part.value)
    return (1, part) if isinstance(part, (int, float)) else (2, part)
