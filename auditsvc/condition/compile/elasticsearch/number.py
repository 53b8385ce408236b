"""Comparisons of numbers, times, booleans and lengths as Elasticsearch queries."""

import sys
from collections.abc import Sequence
from typing import TypeAlias

from auditsvc.condition.ast import Compare, Length, Operator
from auditsvc.condition.compile.elasticsearch.path import index_path, length_path
from auditsvc.condition.compile.elasticsearch.query import NOTHING, HasValue, OneOf, Query, Within
from auditsvc.condition.compile.elasticsearch.truth import TruthQueries, decide
from auditsvc.event.fields import Kind

Number: TypeAlias = int | float

_LENGTH: tuple[Number, Number] = (0, 2**31 - 1)
_LONG: tuple[Number, Number] = (-(2**63), 2**63 - 1)
_DOUBLE: tuple[Number, Number] = (-sys.float_info.max, sys.float_info.max)


def compile_boolean(node: Compare) -> TruthQueries:
    """Return where a boolean is one of some constants, and where it is not."""
    path = index_path(node.field)
    return decide(HasValue(path), OneOf(path, sorted(set(node.values))))


def compile_number(node: Compare | Length) -> TruthQueries:
    """Return where a number, a time or a list's length compares with at least one constant, and where with none.

    A NaN compares with nothing.
    """
    numbers: list[Number] = [value for value in node.values if not isinstance(value, str) and value == value]
    if isinstance(node, Length):
        path, ends = length_path(node.field), _LENGTH
    elif node.field.kind is Kind.NUMBER:
        path, ends = index_path(node.field), _DOUBLE
        numbers = [float(value) for value in numbers]
    else:
        path, ends = index_path(node.field), _LONG
    return decide(HasValue(path), _find_numbers(path, node.operator, numbers, ends))


def _find_numbers(path: str, operator: Operator, numbers: Sequence[Number], ends: tuple[Number, Number]) -> Query:
    """Return where a number, always within ``ends``, compares with at least one of some."""
    if not numbers:
        return NOTHING
    least, most = ends
    low, high = min(numbers), max(numbers)
    match operator:
        case Operator.LT:
            return HasValue(path) if high > most else Within(path, lt=_floor(high)) if high > least else NOTHING
        case Operator.LTE:
            return HasValue(path) if high >= most else Within(path, lte=_ceil(high)) if high >= least else NOTHING
        case Operator.GT:
            return HasValue(path) if low < least else Within(path, gt=_ceil(low)) if low < most else NOTHING
        case Operator.GTE:
            return HasValue(path) if low <= least else Within(path, gte=_floor(low)) if low <= most else NOTHING
        case _:
            inside = sorted({_ceil(value) for value in numbers if least <= value <= most})
            return OneOf(path, [*inside, *([-0.0] if 0 in inside and ends == _DOUBLE else [])])


def _floor(value: Number) -> Number:
    """Return a lower bound with zero replaced by -0.0: the index orders -0.0 before 0.0, arithmetic does not."""
    return -0.0 if isinstance(value, float) and value == 0 else value


def _ceil(value: Number) -> Number:
    """Return an upper bound with zero replaced by 0.0."""
    return abs(value) if value == 0 else value
