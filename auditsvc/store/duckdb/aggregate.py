"""Exact figures over events and findings as one SQL statement: groups, time buckets in a zone, measures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from duckdb import DuckDBPyConnection

from auditsvc.event.fields import LABEL_PREFIX, Field, Kind, get_field
from auditsvc.store.duckdb.clause import SqlClause
from auditsvc.store.duckdb.columns import quote
from auditsvc.store.measure import SUM_SCALE, UNIT_NS, check_measure, find_local_midnight, find_offsets, sort_key
from auditsvc.store.query import AggregateRow, By, Key, Measure, MeasureKind, NoValue, TimeBucket, TimeUnit


@dataclass(frozen=True, slots=True)
class GroupSql:
    """SQL of one ``by``: expression with its bound values, conversion of a result to a key, and lists to unnest."""

    text: str
    params: Sequence[Any]
    to_key: Callable[[Any], Key]
    unnest: str | None = None


@dataclass(frozen=True, slots=True)
class MeasureSql:
    """The expression of one measure with its bound values."""

    text: str
    params: Sequence[Any] = ()


def build_bucket(bucket: TimeBucket, first_ns: int, last_ns: int, column: str = '"time"') -> GroupSql:
    """Return the grouping of event times into buckets of a zone.

    Minutes and hours are returned as instants; days and months as local midnights, converted to instants afterwards.
    """
    offsets = find_offsets(bucket.zone, first_ns, last_ns)
    params: list[Any] = []
    if len(offsets) == 1:
        shift = "CAST(? AS BIGINT)"
        params.append(offsets[0].offset_ns)
    else:
        cases = []
        for later in reversed(offsets[1:]):
            cases.append(" ".join(["WHEN", column, ">= ? THEN CAST(? AS BIGINT)"]))
            params += [later.start_ns, later.offset_ns]
        shift = " ".join(["CASE", *cases, "ELSE CAST(? AS BIGINT) END"])
        params.append(offsets[0].offset_ns)
    local = f"({column} + {shift})"
    if bucket.unit is TimeUnit.MONTH:
        # of the day: a timestamp is rounded to the nearest microsecond, which may be in the next month
        text = f"epoch_ns(date_trunc('month', make_timestamp_ns({_build_floor(local, TimeUnit.DAY)})))"
        return GroupSql(text, params, lambda value: find_local_midnight(value, bucket.zone))
    floor = _build_floor(local, bucket.unit)
    if bucket.unit is TimeUnit.DAY:
        return GroupSql(floor, params, lambda value: find_local_midnight(value, bucket.zone))
    return GroupSql(f"({floor} - {shift})", [*params, *params], int)


def _build_floor(local: str, unit: TimeUnit) -> str:
    """Return the SQL that truncates local time to a minute, hour or day.

    Local time may be up to a day before 1970, where ``//`` would round up; adding a day avoids that.
    """
    day, length = UNIT_NS[TimeUnit.DAY], UNIT_NS[unit]
    return f"((({local} + {day}) // {length}) * {length} - {day})"


def build_group(by: By, nulls: frozenset[str], first_ns: int, last_ns: int, position: int) -> GroupSql:
    """Return the grouping of one ``by``; ``nulls`` names the fields that are null in some event."""
    if isinstance(by, TimeBucket):
        return build_bucket(by, first_ns, last_ns)
    known = get_field(by)
    if by.startswith(LABEL_PREFIX):
        return GroupSql("labels[?]", [by.removeprefix(LABEL_PREFIX)], _plain_key)
    if known.multi:
        alias = f"element_{position}"
        return GroupSql(
            alias, (), _plain_key, f"LEFT JOIN unnest(list_distinct({quote(by)})) AS u{position}({alias}) ON true"
        )
    if by in nulls:
        absent = f"({quote(by)} IS NULL AND coalesce(list_contains(nulls, ?), false))"
        return GroupSql(f"struct_pack(v := {quote(by)}, n := {absent})", [by], _null_aware_key)
    return GroupSql(quote(by), (), _plain_key)


def _plain_key(value: Any) -> Key:
    return NoValue.MISSING if value is None else value


def _null_aware_key(value: Any) -> Key:
    """Return a (value, is null) result as a key."""
    return NoValue.NULL if value["n"] else _plain_key(value["v"])


def build_measure(measure: Measure) -> MeasureSql:
    """Return the SQL of one measure.

    Raises:
        InputError: ``input_invalid`` for a measure that the field's type does not support.
    """
    field = check_measure(measure)
    if field is None:
        return MeasureSql("count(*)")
    if field.name.startswith(LABEL_PREFIX):
        return MeasureSql(_build_figure(measure, field, "labels[?]"), [field.name.removeprefix(LABEL_PREFIX)])
    return MeasureSql(_build_figure(measure, field, quote(field.name)))


def _build_figure(measure: Measure, field: Field, column: str) -> str:
    """Return the SQL of one measure of a column; unless the field is a list, it references the column once."""
    match measure.kind:
        case MeasureKind.COUNT:
            return f"count({column})"
        case MeasureKind.DISTINCT:
            return _build_distinct(field, column)
        case MeasureKind.SUM:
            return _build_sum(field, column)
        case MeasureKind.MIN | MeasureKind.MAX:
            return f"{measure.kind.value}({column})"
        case MeasureKind.QUANTILE:
            return f"quantile_disc({column}, {float(measure.quantile)!r})"
    assert_never(measure.kind)


def _build_distinct(field: Field, column: str) -> str:
    """Return an exact distinct count; for a list field, of elements, not lists."""
    if not field.multi:
        return f"count(DISTINCT {column})"
    return f"coalesce(len(list_distinct(flatten(list(DISTINCT {column}) FILTER (WHERE {column} IS NOT NULL)))), 0)"


def _build_sum(field: Field, column: str) -> str:
    """Return an exact sum; decimals make it independent of the order of rows."""
    if field.kind is Kind.NUMBER:
        return f"sum(CAST({column} AS DECIMAL(30, {SUM_SCALE})))"
    return f"sum({column})"


def run_groups(
    cursor: DuckDBPyConnection,
    table: str,
    clause: SqlClause,
    groups: Sequence[GroupSql],
    measures: Sequence[MeasureSql],
) -> list[AggregateRow]:
    """Return the rows of one grouped statement, ordered by key."""
    selects = [*(group.text for group in groups), *(measure.text for measure in measures)]
    joins = [group.unnest for group in groups if group.unnest]
    parts = ["SELECT", ", ".join(selects), "FROM", table, *joins, "WHERE", clause.text]
    if groups:
        parts += ["GROUP BY", ", ".join(str(number + 1) for number in range(len(groups)))]
    params = [value for group in groups for value in group.params]
    params += [value for measure in measures for value in measure.params]
    rows = cursor.execute(" ".join(parts), [*params, *clause.params]).fetchall()
    width = len(groups)
    result = [
        AggregateRow(
            tuple(group.to_key(value) for group, value in zip(groups, row[:width], strict=True)), tuple(row[width:])
        )
        for row in rows
    ]
    return sorted(result, key=lambda row: [sort_key(part) for part in row.key])
