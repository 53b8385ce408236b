"""Exact figures over events and findings: composite aggregations read to the end, nothing approximate.

What Elasticsearch computes in doubles is used only where doubles are exact:

- numbers of documents are integers; distinct values are counted by paging through them;
- least and greatest values are read from the first document in order, not from ``min`` and ``max``;
- a sum is taken from ``stats`` when number of values times greatest magnitude is below 2**53, so that every partial sum
  is exact too; else from the pages of (value, number);
- a quantile is read from the pages of (value, number), in order of value.

The server scans every row again for each page. Where values are paged through and there are many rows, the interval
is first split into parts of some ten thousand rows, so that the work grows with rows instead of rows times pages.

Days and months are those of a zone: the interval is split where the zone's offset changes, and each part queried with a
fixed offset, so that the server's own time zone database does not matter.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from elasticsearch import Elasticsearch

from auditsvc.condition.compile.elasticsearch.path import is_label, text_path
from auditsvc.event.fields import Field, Kind, get_field
from auditsvc.event.time import NS
from auditsvc.store.elasticsearch.accumulator import Accumulator, Figures
from auditsvc.store.elasticsearch.document import round_number
from auditsvc.store.elasticsearch.mapping import DURATION_NS, EMPTY, NULLS, TIMESTAMP
from auditsvc.store.elasticsearch.scan import both, read_hits, search, within
from auditsvc.store.measure import find_local_midnight, find_offsets
from auditsvc.store.query import By, Key, Measure, MeasureKind, NoValue, TimeBucket, TimeUnit

EXACT = 2**53
"""Below this, every integer is exact as a double."""
PAGE = 10_000
"""Groups of one page."""
SLICE_ROWS = 50_000
"""Rows of one part of the interval, where the values of rows are paged through."""
_HOUR = {"date_histogram": {"field": TIMESTAMP, "fixed_interval": "1h"}}
_MOST_BUCKETS = 60_000
"""Buckets of one response; a server allows 65,536."""
_LONG_INTERVAL_NS = 400 * 86_400 * NS
"""Above this the interval is first narrowed to existing times, before time zone offsets are looked up in it."""
_MS = 1_000_000

_PAGED = frozenset({MeasureKind.SUM, MeasureKind.DISTINCT, MeasureKind.QUANTILE})
"""Measures read from the values of rows; a sum only where the server's own is not exact."""

ToKey = Callable[[Any], Key]


@dataclass(frozen=True, slots=True)
class RowSource:
    """The rows to aggregate.

    Attributes:
        client, indices, query: select the rows.
        time_path: nanoseconds of a row's time.
        interval: times ``[first, last)`` the query is limited to.
    """

    client: Elasticsearch
    indices: Sequence[str]
    query: Mapping[str, Any]
    time_path: str
    interval: tuple[int, int]


@dataclass(frozen=True, slots=True)
class GroupField:
    """A field that rows are grouped by: its path, and how a value becomes a key."""

    path: str
    to_key: ToKey
    null_name: str | None = None


@dataclass(frozen=True, slots=True)
class KeySource:
    """One ``by`` in one request: a source of the composite aggregation, or a key that is the same for all rows."""

    to_key: ToKey
    source: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One part of a query, with a fixed offset and each field either null or not."""

    query: Mapping[str, Any]
    parts: Sequence[KeySource]
    may_share_groups: bool = False

    @property
    def sources(self) -> list[Mapping[str, Any]]:
        """Sources of the composite; none when all rows are one group."""
        return [{f"k{n}": part.source} for n, part in enumerate(self.parts) if part.source is not None]

    def build_key(self, values: Mapping[str, Any]) -> tuple[Key, ...]:
        """Return the group of a bucket."""
        return tuple(part.to_key(values.get(f"k{number}")) for number, part in enumerate(self.parts))


def find_column(name: str, nulls: frozenset[str]) -> GroupField:
    """Return how events are grouped by a field; raise ``InputError`` (``field_unknown``) when there is none."""
    known = get_field(name)
    is_nullable = name in nulls and not known.multi and not is_label(known)
    return GroupField(
        text_path(known), bool_key if known.kind is Kind.BOOLEAN else plain_key, name if is_nullable else None
    )


def plain_key(value: Any) -> Key:
    """Return a bucket's value as a key."""
    key: Key = NoValue.MISSING if value is None else value
    return key


def bool_key(value: Any) -> Key:
    """Return a bucket's boolean as a key, in either form the server uses."""
    return NoValue.MISSING if value is None else value in (True, "true", 1)


def run(source: RowSource, by: Sequence[TimeBucket | GroupField], figures: Figures) -> None:
    """Accumulate figures over all rows of ``source``."""
    if not by:
        figures.find_cells(())
    if not source.indices:
        return
    for request in build_requests(source, by):
        _gather(source, request, figures)


# --- from a query to requests


def build_requests(source: RowSource, by: Sequence[TimeBucket | GroupField]) -> Iterator[Request]:
    """Yield the requests that make up a query."""
    zones = [part.zone for part in by if isinstance(part, TimeBucket)]
    segments = _cut_interval(source, zones) if zones else [(source.interval, ())]
    options = [_list_options(part) for part in by if isinstance(part, GroupField)]
    for (interval, offsets), chosen in product(segments, product(*options)):
        offset, column = iter(offsets), iter(chosen)
        parts, filters = [], [source.query]
        if len(segments) > 1:
            filters.append(within(source.time_path, *interval))
        for part in by:
            if isinstance(part, TimeBucket):
                parts.append(_build_bucket(part, next(offset)))
                continue
            asked, extra = next(column)
            parts.append(asked)
            filters += extra
        yield Request(both(*filters), parts, len(segments) > 1)


def _list_options(column: GroupField) -> list[tuple[KeySource, list[dict[str, Any]]]]:
    """Return the alternatives for a field, each with the query that selects its rows."""
    value = KeySource(column.to_key, {"terms": {"field": column.path, "missing_bucket": True}})
    if column.null_name is None:
        return [(value, [])]
    null = {"term": {NULLS: column.null_name}}
    return [(value, [{"bool": {"must_not": [null]}}]), (KeySource(lambda _value: NoValue.NULL), [null])]


def _build_bucket(bucket: TimeBucket, offset: int) -> KeySource:
    """Return the aggregation source of buckets with a fixed offset."""
    histogram = {
        "field": TIMESTAMP,
        "calendar_interval": bucket.unit.value,
        "time_zone": _format_offset(offset),
    }
    if bucket.unit in (TimeUnit.MINUTE, TimeUnit.HOUR):
        return KeySource(lambda value: value * _MS, {"date_histogram": histogram})
    return KeySource(
        lambda value: find_local_midnight(value * _MS + offset, bucket.zone), {"date_histogram": histogram}
    )


def _format_offset(offset: int) -> str:
    """Return an offset from UTC as ``+08:00``, with seconds if it has any."""
    minutes, seconds = divmod(abs(offset) // NS, 60)
    text = f"{'-' if offset < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"
    return f"{text}:{seconds:02d}" if seconds else text


Segment = tuple[tuple[int, int], tuple[int, ...]]


def _cut_interval(source: RowSource, zones: Sequence[Any]) -> list[Segment]:
    """Return the parts of the interval in which no zone changes its offset, with each zone's offset."""
    first, last = source.interval
    low, high = _find_times(source) if last - first > _LONG_INTERVAL_NS else (first, last)
    tables = [find_offsets(zone, low, max(high, low)) for zone in zones]
    cuts = sorted({later.start_ns for table in tables for later in table[1:]})
    starts, ends = [first, *cuts], [*cuts, last]
    offsets = []
    for start in [low, *cuts]:
        offsets.append(tuple([held.offset_ns for held in table if held.start_ns <= start][-1] for table in tables))
    return [((start, end), held) for start, end, held in zip(starts, ends, offsets, strict=True)]


def _find_times(source: RowSource) -> tuple[int, int]:
    """Return an interval that contains all times; read as doubles and widened by their rounding error."""
    aggs = {"times": {"stats": {"field": source.time_path}}}
    times = search(source.client, source.indices, source.query, size=0, aggs=aggs)["aggregations"]["times"]
    first, last = source.interval
    if not times["count"]:
        return first, first
    return max(first, int(times["min"]) - 1024), min(last, int(times["max"]) + 1024)


# --- from responses to figures


@dataclass(slots=True)
class _Sums:
    """The ``stats`` of a measure by group, held until it is known whether all are exact."""

    parts: list[tuple[tuple[Key, ...], int, int]] = field(default_factory=list)
    is_exact: bool = True


def _gather(source: RowSource, request: Request, figures: Figures) -> None:
    aggs = {}
    for number, (measure, known) in enumerate(zip(figures.measures, figures.fields, strict=True)):
        if known is not None:
            aggs.update(_build_aggs(f"m{number}", measure, known))
    sums: dict[int, _Sums] = {}
    for bucket in _iter_groups(source, request, aggs):
        cells = figures.find_cells(request.build_key(bucket["key"])) if bucket["doc_count"] or not request.parts else []
        for number, cell in enumerate(cells):
            _read_aggs(bucket, number, figures, cell, sums, request)
    paged = [
        number
        for number, (measure, known) in enumerate(zip(figures.measures, figures.fields, strict=True))
        if known is not None and measure.kind in _PAGED and not _add_sums(figures, number, sums)
    ]
    if paged:
        parts = _cut_rows(source, request.query)
        for number in paged:
            _gather_values(source, request, parts, figures, number)


def _add_sums(figures: Figures, number: int, sums: Mapping[int, _Sums]) -> bool:
    """Add the sums of a sum measure if all of them are exact; return whether they were."""
    gathered = sums.get(number, _Sums())
    if figures.measures[number].kind is not MeasureKind.SUM or not gathered.is_exact:
        return False
    for key, count, total in gathered.parts:
        cell = figures.find_cells(key)[number]
        cell.number += count
        cell.total += total
    return True


def _cut_rows(source: RowSource, query: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Split the interval into parts of at most :data:`SLICE_ROWS` rows or an hour."""
    first, last = source.interval
    parts, held = [], 0
    for bucket in _iter_buckets(source, query, [{"hour": _HOUR}], {}):
        hour, rows = bucket["key"]["hour"] * _MS, bucket["doc_count"]
        if held and held + rows > SLICE_ROWS:
            parts.append((first, hour))
            first, held = hour, 0
        held += rows
    return [*parts, (first, last)]


def _build_aggs(name: str, measure: Measure, known: Field) -> dict[str, Any]:
    """Return the sub-aggregations of one measure."""
    path = text_path(known)
    match measure.kind:
        case MeasureKind.COUNT:
            return {name: {"filter": build_present(known)}}
        case MeasureKind.SUM if known.kind is Kind.NUMBER:
            unscaled = {"bool": {"filter": [_exists(path)], "must_not": [_exists(DURATION_NS)]}}
            return {name: {"stats": {"field": DURATION_NS}}, f"{name}_unscaled": {"filter": unscaled}}
        case MeasureKind.SUM:
            return {name: {"stats": {"field": path}}}
        case MeasureKind.MIN | MeasureKind.MAX:
            order = "asc" if measure.kind is MeasureKind.MIN else "desc"
            top = {"top_hits": {"size": 1, "_source": False, "sort": [{path: order}]}}
            return {name: {"filter": build_present(known), "aggs": {"top": top}}}
    return {}


def build_present(known: Field) -> dict[str, Any]:
    """Return the query of rows that have the field, not null."""
    if is_label(known):
        return {"prefix": {known.path: ""}}
    if known.multi:
        return {"bool": {"should": [_exists(text_path(known)), {"term": {EMPTY: known.name}}]}}
    return _exists(text_path(known))


def _exists(path: str) -> dict[str, Any]:
    return {"exists": {"field": path}}


def _read_aggs(
    bucket: Mapping[str, Any],
    number: int,
    figures: Figures,
    cell: Accumulator,
    sums: dict[int, _Sums],
    request: Request,
) -> None:
    """Add one measure of one bucket."""
    measure, known = figures.measures[number], figures.fields[number]
    if known is None:
        cell.number += bucket["doc_count"]
        return
    found = bucket.get(f"m{number}")
    match measure.kind:
        case MeasureKind.COUNT:
            cell.number += found["doc_count"]  # type: ignore[index]
        case MeasureKind.SUM:
            unscaled = bucket.get(f"m{number}_unscaled", {"doc_count": 0})["doc_count"]
            _read_sum(request.build_key(bucket["key"]), found or {}, unscaled, sums.setdefault(number, _Sums()))
        case MeasureKind.MIN | MeasureKind.MAX:
            for hit in read_hits(found["top"]):  # type: ignore[index]
                (value,) = hit["sort"]
                value = bool(value) if known.kind is Kind.BOOLEAN else value
                cell.add_bound(value, min if measure.kind is MeasureKind.MIN else max)


def _read_sum(key: tuple[Key, ...], found: Mapping[str, Any], unscaled: int, sums: _Sums) -> None:
    """Record a sum if it is exact."""
    count = found["count"]
    if unscaled or (count and count * max(abs(found["min"]), abs(found["max"])) >= EXACT):
        sums.is_exact = False
    elif count:
        sums.parts.append((key, count, int(found["sum"])))


def _gather_values(
    source: RowSource, request: Request, parts: Sequence[tuple[int, int]], figures: Figures, number: int
) -> None:
    """Add the distinct values of a measure's field, each with its number of rows."""
    measure, known = figures.measures[number], figures.fields[number]
    if known is None:
        return
    value = {"v": {"terms": {"field": text_path(known)}}}
    comes_once = len(parts) == 1 and not request.may_share_groups
    for part in parts:
        query = request.query if len(parts) == 1 else both(request.query, within(source.time_path, *part))
        for bucket in _iter_buckets(source, query, [*request.sources, value], {}):
            found, count = bucket["key"]["v"], bucket["doc_count"]
            cell = figures.find_cells(request.build_key(bucket["key"]))[number]
            match measure.kind:
                case MeasureKind.SUM:
                    cell.number += count
                    cell.total += count * (round_number(found) if known.kind is Kind.NUMBER else found)
                case MeasureKind.DISTINCT if comes_once:
                    cell.number += 1
                case _:
                    cell.add_value(found, count)


def _iter_groups(source: RowSource, request: Request, aggs: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield one bucket per group."""
    if request.sources:
        yield from _iter_buckets(source, request.query, request.sources, aggs)
        return
    options = {"aggs": aggs} if aggs else {}
    answer = search(source.client, source.indices, request.query, size=0, track_total_hits=True, **options)
    yield {"key": {}, "doc_count": answer["hits"]["total"]["value"], **answer.get("aggregations", {})}


def _iter_buckets(
    source: RowSource, query: Mapping[str, Any], sources: Sequence[Mapping[str, Any]], aggs: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    """Yield every bucket of a composite, page by page."""
    size = min(PAGE, _MOST_BUCKETS // (1 + 2 * len(aggs)))
    composite: dict[str, Any] = {"size": size, "sources": list(sources)}
    while True:
        asked = {"groups": {"composite": composite, **({"aggs": aggs} if aggs else {})}}
        found = search(source.client, source.indices, query, size=0, aggs=asked, filter_path="aggregations")
        groups = found["aggregations"]["groups"]
        yield from groups["buckets"]
        if len(groups["buckets"]) < size:
            return
        composite = {**composite, "after": groups["after_key"]}


def list_by(by: Sequence[By], nulls: frozenset[str]) -> list[TimeBucket | GroupField]:
    """Return the fields and time buckets by which events are grouped."""
    return [part if isinstance(part, TimeBucket) else find_column(part, nulls) for part in by]
