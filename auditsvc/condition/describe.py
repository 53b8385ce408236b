"""Conditions as readable text, and why one is true or false for an event."""

from dataclasses import dataclass
from typing import assert_never

from auditsvc.condition.ast import (
    All,
    AnyOf,
    Compare,
    Exists,
    InCalendar,
    InList,
    IsNull,
    Leaf,
    Length,
    Node,
    Not,
    Operator,
    Place,
    Quantifier,
    Reference,
    collect_fields,
)
from auditsvc.condition.evaluate import Context, Truth, evaluate
from auditsvc.event.fields import Field, Kind
from auditsvc.event.model import Event, Value
from auditsvc.event.time import format_time_ns

MAX_SHOWN = 120
"""Longest text of one value in an explanation."""


def format_node(node: Node) -> str:
    """Return a condition in the syntax of the policy language, on one line."""
    match node:
        case All(()):
            return "always"
        case All(nodes):
            return "{" + ", ".join(format_node(inner) for inner in nodes) + "}"
        case AnyOf(nodes):
            return "any: [" + ", ".join(format_node(inner) for inner in nodes) + "]"
        case Not(inner):
            return f"not: {format_node(inner)}"
        case _:
            return _format_leaf(node)


def _format_leaf(node: Leaf) -> str:
    """Return a leaf in the syntax of the policy language."""
    name = node.field.name
    match node:
        case Exists():
            return f"{name}|exists: true"
        case IsNull():
            return f"{name}|null: true"
        case InCalendar(_, calendars):
            return f"{name}|calendar: {_join(calendars)}"
        case InList(_, lists, quantifier, nocase):
            return f"{name}|in_list{_modifiers(quantifier, nocase)}: {_join(lists)}"
        case Length(_, operator, values):
            return f"{name}|len|{operator.value}: {_join(tuple(str(value) for value in values))}"
        case Reference(_, operator, other, quantifier, nocase):
            return f"{name}{_operator(operator)}|fieldref{_modifiers(quantifier, nocase)}: {other.name}"
        case Compare(known, operator, values, quantifier, nocase):
            texts = tuple(format_value(known, value) for value in values)
            return f"{name}{_operator(operator)}{_modifiers(quantifier, nocase)}: {_join(texts)}"
        case _:
            assert_never(node)


def _operator(operator: Operator) -> str:
    """Return the modifier of an operator, an empty text for the default one."""
    return "" if operator is Operator.EQ else f"|{operator.value}"


def _modifiers(quantifier: Quantifier, nocase: bool) -> str:
    """Return the modifiers that are not the default."""
    return ("|each" if quantifier is Quantifier.EACH else "") + ("|nocase" if nocase else "")


def _join(texts: tuple[str, ...]) -> str:
    """Return one value as it is, several in brackets, long lists truncated."""
    if len(texts) == 1:
        return texts[0]
    shown = ", ".join(texts[:8])
    return f"[{shown}{f', … {len(texts) - 8} more' if len(texts) > 8 else ''}]"


def format_value(known: Field, value: Value) -> str:
    """Return a field's value as readable text: times in UTC, long text truncated."""
    if value is None:
        return "null"
    if known.kind is Kind.TIME and isinstance(value, int):
        return format_time_ns(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return _join(tuple(value)) if len(value) != 1 else f"[{value[0]}]"
    text = str(value)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"


def format_seen(node: Node, event: Event) -> str:
    """Return the event's values in the fields that a condition reads, such as ``rows is 12, purpose is missing``."""
    parts = []
    for known in collect_fields(node):
        seen = format_value(known, event[known.name]) if known.name in event else "missing"
        parts.append(f"{known.name} is {seen}")
    return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class ConditionStep:
    """One node of a condition with its truth for an event.

    Attributes:
        text: the node in the syntax of the policy language.
        seen: for a leaf, the event's values in its fields; empty for ``all``, ``any`` and ``not``.
        place: position of the leaf in its document.
        steps: the child nodes.
    """

    text: str
    truth: Truth
    seen: str
    place: Place
    steps: tuple["ConditionStep", ...]


def explain_node(node: Node, event: Event, context: Context) -> ConditionStep:
    """Return every node of a condition with its truth and what was seen."""
    truth = evaluate(node, event, context)
    match node:
        case All(nodes) | AnyOf(nodes):
            steps = tuple(explain_node(inner, event, context) for inner in nodes)
            word = "all" if isinstance(node, All) else "any"
            return ConditionStep(word if nodes else format_node(node), truth, "", Place(), steps)
        case Not(inner):
            return ConditionStep("not", truth, "", Place(), (explain_node(inner, event, context),))
        case _:
            return ConditionStep(format_node(node), truth, format_seen(node, event), node.place, ())


def find_cause(node: Node, event: Event, context: Context) -> Node:
    """Return the smallest part that alone determines a condition's truth value for an event.

    For a conjunction that is not true, the first part that is not; for a disjunction that is true, the first part
    that is; otherwise the condition itself.
    """
    truth = evaluate(node, event, context)
    match node:
        case All(nodes) if truth is not Truth.TRUE:
            inside = nodes
        case AnyOf(nodes) if truth is not Truth.FALSE:
            inside = nodes
        case _:
            return node
    for inner in inside:
        if evaluate(inner, event, context) is truth:
            return find_cause(inner, event, context)
    return node
