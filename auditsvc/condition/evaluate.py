"""The evaluation of a condition on one event: the reference that every compiler must agree with.

Three-valued logic (Kleene). A comparison is *unknown* when its field is missing, null or does not have the type in the field
catalogue, when a named list or calendar is not loaded, or when the calendar does not cover the date. Unknown is
never turned into true or false here; a policy's ``on_missing`` does that, visibly.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, assert_never

from auditsvc.condition.ast import (
    All,
    AnyOf,
    Compare,
    Exists,
    InCalendar,
    InList,
    IsNull,
    Length,
    Node,
    Not,
    Operator,
    Quantifier,
    Reference,
)
from auditsvc.condition.calendar import Calendar
from auditsvc.condition.match import (
    build_glob,
    build_regex,
    compile_pattern,
    fold_case,
    parse_address_number,
    parse_network,
)
from auditsvc.event.fields import Field, Kind
from auditsvc.event.model import Event, Scalar


class Truth(Enum):
    """The three truth values."""

    FALSE = "false"
    UNKNOWN = "unknown"
    TRUE = "true"


_NEGATED = {Truth.TRUE: Truth.FALSE, Truth.FALSE: Truth.TRUE, Truth.UNKNOWN: Truth.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Context:
    """What a condition needs in addition to the event: named lists and calendars, of one version."""

    lists: Mapping[str, frozenset[str]] = field(default_factory=dict)
    calendars: Mapping[str, Calendar] = field(default_factory=dict)


EMPTY_CONTEXT = Context()


def evaluate(node: Node, event: Event, context: Context) -> Truth:
    """Return the truth value of ``node`` for ``event``; never raises, whatever the event."""
    match node:
        case All(nodes):
            return _combine(nodes, event, context, Truth.FALSE)
        case AnyOf(nodes):
            return _combine(nodes, event, context, Truth.TRUE)
        case Not(inner):
            return _NEGATED[evaluate(inner, event, context)]
        case Exists(known):
            return _truth(event.get(known.name) is not None)
        case IsNull(known):
            return _truth(known.name in event and event[known.name] is None)
        case Compare():
            return _compare(node, event)
        case Length():
            return _length(node, event)
        case Reference():
            return _reference(node, event)
        case InList():
            return _in_list(node, event, context)
        case InCalendar():
            return _in_calendar(node, event, context)
        case _:
            assert_never(node)


def has_type(known: Field, value: object) -> bool:
    """Return whether a value has the type defined in the field catalogue; null has none."""
    if known.multi:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    match known.kind:
        case Kind.KEYWORD | Kind.TEXT | Kind.ENUM | Kind.IP:
            return isinstance(value, str)
        case Kind.INTEGER | Kind.TIME:
            return isinstance(value, int) and not isinstance(value, bool)
        case Kind.NUMBER:
            return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value
        case Kind.BOOLEAN:
            return isinstance(value, bool)
        case _:
            assert_never(known.kind)


def _truth(value: bool) -> Truth:
    return Truth.TRUE if value else Truth.FALSE


def _combine(nodes: tuple[Node, ...], event: Event, context: Context, decisive: Truth) -> Truth:
    """Return conjunction (``decisive`` false) or disjunction (``decisive`` true) of the nodes."""
    result = _NEGATED[decisive]
    for node in nodes:
        truth = evaluate(node, event, context)
        if truth is decisive:
            return truth
        if truth is Truth.UNKNOWN:
            result = truth
    return result


def _items(known: Field, event: Event) -> list[Any] | None:
    """Return the values of a field as a list, one for a single value; None when the comparison is unknown."""
    value = event.get(known.name)
    if value is None or not has_type(known, value):
        return None
    return value if isinstance(value, list) else [value]


def _quantify(items: list[Any], quantifier: Quantifier, test: Callable[[Any], bool]) -> Truth:
    """Return whether any, or each, of the items passes."""
    check = any if quantifier is Quantifier.ANY else all
    return _truth(check(test(item) for item in items))


def _compare(node: Compare, event: Event) -> Truth:
    """Return the truth of a comparison with constants."""
    items = _items(node.field, event)
    if items is None:
        return Truth.UNKNOWN
    if node.operator is Operator.CIDR:
        numbers = [parse_address_number(item) for item in items]
        if None in numbers:
            return Truth.UNKNOWN
        networks = [parse_network(str(value)) for value in node.values]
        return _quantify(numbers, node.quantifier, lambda number: any(net.contains(number) for net in networks))
    if node.nocase:
        items = [fold_case(item) for item in items]
    values = [fold_case(value) if node.nocase and isinstance(value, str) else value for value in node.values]
    test = TESTS[node.operator]
    return _quantify(items, node.quantifier, lambda item: any(test(item, value) for value in values))


def _length(node: Length, event: Event) -> Truth:
    """Return the truth of a comparison of a list's length."""
    items = _items(node.field, event)
    if items is None:
        return Truth.UNKNOWN
    test = TESTS[node.operator]
    return _truth(any(test(len(items), value) for value in node.values))


def _reference(node: Reference, event: Event) -> Truth:
    """Return the truth of a comparison with another field."""
    items, others = _items(node.field, event), _items(node.other, event)
    if items is None or others is None:
        return Truth.UNKNOWN
    if node.nocase:
        items, others = [fold_case(item) for item in items], [fold_case(other) for other in others]
    test = TESTS[node.operator]
    return _quantify(items, node.quantifier, lambda item: any(test(item, other) for other in others))


def _in_list(node: InList, event: Event, context: Context) -> Truth:
    """Return the truth of membership in named lists."""
    items = _items(node.field, event)
    if items is None or any(name not in context.lists for name in node.lists):
        return Truth.UNKNOWN
    members = [context.lists[name] for name in node.lists]
    if node.nocase:
        items = [fold_case(item) for item in items]
        members = [frozenset(fold_case(member) for member in group) for group in members]
    return _quantify(items, node.quantifier, lambda item: any(item in group for group in members))


def _in_calendar(node: InCalendar, event: Event, context: Context) -> Truth:
    """Return the truth of being inside the hours of named calendars."""
    items = _items(node.field, event)
    if items is None or any(name not in context.calendars for name in node.calendars):
        return Truth.UNKNOWN
    answers = [context.calendars[name].contains(items[0]) for name in node.calendars]
    if True in answers:
        return Truth.TRUE
    return Truth.UNKNOWN if None in answers else Truth.FALSE


def _equal(item: Scalar, value: Scalar) -> bool:
    return item == value


def _matches_glob(item: str, value: str) -> bool:
    """Return whether the whole text matches a glob."""
    return compile_pattern(build_glob(value)).fullmatch(item) is not None


def _matches_regex(item: str, value: str) -> bool:
    """Return whether the whole text matches an RE2 pattern."""
    return compile_pattern(build_regex(value)).fullmatch(item) is not None


TESTS: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: _equal,
    Operator.LT: lambda item, value: item < value,
    Operator.LTE: lambda item, value: item <= value,
    Operator.GT: lambda item, value: item > value,
    Operator.GTE: lambda item, value: item >= value,
    Operator.CONTAINS: lambda item, value: value in item,
    Operator.STARTSWITH: lambda item, value: item.startswith(value),
    Operator.ENDSWITH: lambda item, value: item.endswith(value),
    Operator.GLOB: _matches_glob,
    Operator.RE: _matches_regex,
}
"""Comparison of two values of one type, for every operator but ``cidr``."""
