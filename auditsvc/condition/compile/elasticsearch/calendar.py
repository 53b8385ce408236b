"""Instants in the hours of working calendars as Elasticsearch queries."""

from auditsvc.condition.ast import InCalendar
from auditsvc.condition.calendar import DAY_NS, MINUTE_NS, Calendar, count_local_ns
from auditsvc.condition.compile.elasticsearch.path import index_path
from auditsvc.condition.compile.elasticsearch.query import Both, Either, Superset, Within
from auditsvc.condition.compile.elasticsearch.scope import ElasticScope
from auditsvc.condition.compile.elasticsearch.truth import UNKNOWN, TruthQueries, decide

MAX_SPANS = 400
"""Maximum number of working-time spans queried individually."""


def compile_in_calendar(node: InCalendar, scope: ElasticScope) -> TruthQueries:
    """Return where an instant is inside the hours of named calendars, and where outside; unknown when one is not loaded."""
    calendars = scope.context.calendars
    if any(name not in calendars for name in node.calendars):
        return UNKNOWN
    path = index_path(node.field)
    interval = scope.interval if node.field.name == "time" else None
    parts = [_compile_calendar(path, calendars[name], interval) for name in dict.fromkeys(node.calendars)]
    return TruthQueries(Either([part.true for part in parts]), Both([part.false for part in parts]))


def _compile_calendar(path: str, calendar: Calendar, interval: tuple[int, int] | None) -> TruthQueries:
    """Return where an instant is inside a calendar's hours, and where outside; on dates not loaded it is unknown."""
    first, last = count_local_ns(calendar.first, calendar.zone), count_local_ns(calendar.last, calendar.zone)
    if interval is not None:
        first, last = max(first, interval[0]), min(last, interval[1])
    if first >= last:
        return UNKNOWN
    loaded = Within(path, gte=first, lt=last)
    spans = None if calendar.find_offset_ns() is None else _list_spans(calendar, first, last)
    if spans is None or len(spans) > MAX_SPANS:
        return decide(loaded, Superset(loaded))
    return decide(loaded, Either([Within(path, gte=start, lt=end) for start, end in spans]))


def _list_spans(calendar: Calendar, first: int, last: int) -> list[tuple[int, int]]:
    """Return the spans of a calendar's hours within ``[first, last)`` in order, adjacent ones merged."""
    spans: list[tuple[int, int]] = []
    midnight = count_local_ns(calendar.first, calendar.zone)
    for day in calendar.days():
        for begin, finish in calendar.find_hours(day) or ():
            start, end = max(midnight + begin * MINUTE_NS, first), min(midnight + finish * MINUTE_NS, last)
            if start >= end:
                continue
            if spans and spans[-1][1] == start:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((start, end))
        midnight += DAY_NS
    return spans
