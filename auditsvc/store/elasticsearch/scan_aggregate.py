"""Figures computed client-side, event by event: for conditions and values Elasticsearch cannot decide exactly. Pure."""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

from auditsvc.event.fields import LABEL_PREFIX, Field, Kind, get_field
from auditsvc.event.model import Event
from auditsvc.event.time import count_ns, to_datetime
from auditsvc.store.elasticsearch.accumulator import Accumulator, Figures
from auditsvc.store.elasticsearch.document import round_number
from auditsvc.store.measure import UNIT_NS, find_local_midnight, find_offset
from auditsvc.store.query import By, Key, Measure, MeasureKind, NoValue, TimeBucket, TimeUnit


def tally(events: Iterable[Event], by: Sequence[By], figures: Figures) -> None:
    """Add events to figures."""
    for event in events:
        for key in product(*(list_keys(part, event) for part in by)):
            for measure, known, cell in zip(figures.measures, figures.fields, figures.find_cells(key), strict=True):
                _add(cell, measure, known, event)


def list_keys(by: By, event: Event) -> list[Key]:
    """Return the keys of the groups an event belongs to."""
    if isinstance(by, TimeBucket):
        instant = event["time"]
        return [find_bucket(by, instant)] if isinstance(instant, int) else []
    value = event.get(by)
    if isinstance(value, list):
        return list(dict.fromkeys(value)) or [NoValue.MISSING]
    if value is not None:
        return [value]
    is_null = by in event and not by.startswith(LABEL_PREFIX) and not get_field(by).multi
    return [NoValue.NULL if is_null else NoValue.MISSING]


def find_bucket(bucket: TimeBucket, instant: int) -> int:
    """Return the first instant of the bucket that contains an instant."""
    offset = find_offset(bucket.zone, instant)
    local = instant + offset
    if bucket.unit is TimeUnit.MONTH:
        first = to_datetime(local).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return find_local_midnight(count_ns(first), bucket.zone)
    floor = local // UNIT_NS[bucket.unit] * UNIT_NS[bucket.unit]
    return find_local_midnight(floor, bucket.zone) if bucket.unit is TimeUnit.DAY else floor - offset


def _add(cell: Accumulator, measure: Measure, known: Field | None, event: Event) -> None:
    if known is None:
        cell.number += 1
        return
    value: Any = event.get(known.name)
    if value is None:
        return
    match measure.kind:
        case MeasureKind.COUNT:
            cell.number += 1
        case MeasureKind.SUM:
            cell.number += 1
            cell.total += round_number(value) if known.kind is Kind.NUMBER else value
        case MeasureKind.DISTINCT:
            for item in value if isinstance(value, list) else [value]:
                cell.add_value(item, 1)
        case MeasureKind.QUANTILE:
            cell.add_value(value, 1)
        case MeasureKind.MIN:
            cell.add_bound(value, min)
        case MeasureKind.MAX:
            cell.add_bound(value, max)
