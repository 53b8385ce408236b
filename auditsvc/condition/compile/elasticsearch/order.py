"""Comparisons of numbers, times, truth values, lengths and addresses as Elasticsearch queries."""

import sys
from collections.abc import Sequence
from ipaddress import IPv6Address

from auditsvc.condition.ast import Compare, InCalendar, Length, Operator
from auditsvc.condition.calendar import DAY_NS, MINUTE_NS, Calendar, count_local_ns
from auditsvc.condition.compile.elasticsearch.path import index_path, length_path
from auditsvc.condition.compile.elasticsearch.query import (
    NOTHING,
    UNKNOWN,
    Bound,
    Query,
    Truths,
    both,
    decide,
    either,
    exists,
    terms,
    within,
    without,
)
from auditsvc.condition.compile.elasticsearch.scope import Scope
from auditsvc.condition.match import MAPPED_FIRST, MAPPED_LAST, parse_network
from auditsvc.event.fields import Kind

MAX_SPANS = 400
"""Most spans of working time that are asked for one by one."""

_LENGTH = (0, 2**31 - 1)
_LONG = (-(2**63), 2**63 - 1)
_DOUBLE = (-sys.float_info.max, sys.float_info.max)


def compile_number(node: Compare) -> Truths:
    """Return the truths of a comparison of a number, a time or a truth value with constants."""
    path = index_path(node.field)
    if node.field.kind is Kind.BOOLEAN:
        return decide(exists(path), Bound(terms(path, sorted(set(node.values)))))
    numbers = [value for value in node.values if not isinstance(value, str)]
    if node.field.kind is Kind.NUMBER:
        return _compile_order(path, node.operator, [float(value) for value in numbers], _DOUBLE)
    return _compile_order(path, node.operator, numbers, _LONG)


def compile_length(node: Length) -> Truths:
    """Return the truths of a comparison of a list's length."""
    return _compile_order(length_path(node.field), node.operator, node.values, _LENGTH)


def _compile_order(
    path: str, operator: Operator, values: Sequence[int | float], bounds: tuple[int | float, int | float]
) -> Truths:
    """Return the truths of a comparison of numbers, all of which lie within ``bounds``."""
    known = exists(path)
    numbers = [value for value in values if value == value]
    if not numbers:
        return decide(known, Bound(NOTHING))
    least, most = bounds
    low, high = min(numbers), max(numbers)
    match operator:
        case Operator.LT:
            true = known if high > most else within(path, lt=_floor(high)) if high > least else NOTHING
        case Operator.LTE:
            true = known if high >= most else within(path, lte=_ceil(high)) if high >= least else NOTHING
        case Operator.GT:
            true = known if low < least else within(path, gt=_ceil(low)) if low < most else NOTHING
        case Operator.GTE:
            true = known if low <= least else within(path, gte=_floor(low)) if low <= most else NOTHING
        case _:
            inside = sorted({_ceil(value) for value in numbers if least <= value <= most})
            true = terms(path, [*inside, *([-0.0] if 0 in inside and least == _DOUBLE[0] else [])])
    return decide(known, Bound(true))


def _floor(value: int | float) -> int | float:
    """Return a bound that lies below both zeros if it is one: the index orders -0.0 before 0.0, arithmetic does not."""
    return -0.0 if isinstance(value, float) and value == 0 else value


def _ceil(value: int | float) -> int | float:
    """Return a bound that lies above both zeros if it is one."""
    return abs(value) if value == 0 else value


def compile_networks(node: Compare) -> Truths:
    """Return the truths of an address being inside at least one of some networks."""
    path = index_path(node.field)
    networks = [_compile_network(path, str(value)) for value in node.values]
    return decide(exists(path), Bound(either(networks)))


def _compile_network(path: str, text: str) -> Query:
    """Return where an address is inside a network; an IPv6 network never holds an IPv4 address."""
    network = parse_network(text)
    inside = _within_addresses(path, network.first, network.last)
    if network.is_v4 or network.last < MAPPED_FIRST or network.first > MAPPED_LAST:
        return inside
    return both([inside, without(_within_addresses(path, MAPPED_FIRST, MAPPED_LAST))])


def _within_addresses(path: str, first: int, last: int) -> Query:
    """Return where an address lies between two, both inclusive."""
    return within(path, gte=str(IPv6Address(first)), lte=str(IPv6Address(last)))


def compile_in_calendar(node: InCalendar, scope: Scope) -> Truths:
    """Return the truths of being inside the hours of named calendars; unknown when one is not loaded."""
    calendars = scope.context.calendars
    if any(name not in calendars for name in node.calendars):
        return UNKNOWN
    path = index_path(node.field)
    interval = scope.interval if node.field.name == "time" else None
    parts = [_compile_calendar(path, calendars[name], interval) for name in dict.fromkeys(node.calendars)]
    return Truths(Bound.either([part.true for part in parts]), Bound.both([part.false for part in parts]))


def _compile_calendar(path: str, calendar: Calendar, interval: tuple[int, int] | None) -> Truths:
    """Return the truths of being inside a calendar's hours; beside the loaded dates it is unknown."""
    first, last = count_local_ns(calendar.first, calendar.zone), count_local_ns(calendar.last, calendar.zone)
    if interval is not None:
        first, last = max(first, interval[0]), min(last, interval[1])
    if first >= last:
        return UNKNOWN
    loaded = within(path, gte=first, lt=last)
    if calendar.find_offset_ns() is None:
        return decide(loaded, Bound(loaded, exact=False))
    spans = _list_spans(calendar, first, last)
    if len(spans) > MAX_SPANS:
        return decide(loaded, Bound(loaded, exact=False))
    return decide(loaded, Bound(either(within(path, gte=start, lt=end) for start, end in spans)))


def _list_spans(calendar: Calendar, first: int, last: int) -> list[tuple[int, int]]:
    """Return the spans of a calendar's hours within ``[first, last)`` in order, joined where they touch."""
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
