"""Conditions from YAML: mappings of ``field|modifier…: value`` to the AST; every problem is reported with its position.

Grammar: a mapping means all of its entries, a list of values means any of them; ``all``, ``any`` and ``not`` combine
conditions. docs/policy-language.md lists the modifiers.
"""

from dataclasses import dataclass

from auditsvc.condition.ast import (
    ORDER_OPERATORS,
    ORDERED_KINDS,
    PATTERN_OPERATORS,
    TEXT_KINDS,
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
    Place,
    Quantifier,
    Reference,
)
from auditsvc.condition.query import parse_search
from auditsvc.condition.values import MAX_INTEGER, parse_constant
from auditsvc.event.fields import Field, Kind, find_field
from auditsvc.ground.document import Value, resolve_scalar
from auditsvc.ground.errors import InputError, Problem

CODE = "condition_invalid"
MAX_NODES = 2000
"""Maximum leaves of one condition; more is a list in disguise."""

_OPERATORS = {operator.value: operator for operator in Operator}
_QUESTIONS = frozenset({"exists", "null", "in_list", "calendar"})
_QUANTIFIERS = frozenset({"any", "each", "none", "len"})
MODIFIERS = frozenset({*_OPERATORS, "ne", *_QUESTIONS, *_QUANTIFIERS, "fieldref", "nocase"})
"""Every word that may follow ``|``."""


def parse_query(text: str, *, zone: str = "Asia/Shanghai") -> Node:
    """Return the condition of a search box's text; a date alone begins at midnight in ``zone``.

    Raises:
        InputError: ``query_invalid``; the message explains, ``context["column"]`` is the 1-based column.
    """
    return parse_search(text, zone)


def collect_condition(value: Value, problems: list[Problem]) -> Node:
    """Return the condition in ``value``, adding its problems to ``problems``."""
    if value.mapping is None:
        problems.append(value.problem(CODE, f"expected a condition, a mapping of fields to values, got a {value.kind}"))
        return All(())
    if not value.mapping:
        problems.append(value.problem(CODE, "an empty condition says nothing; leave the key out"))
    nodes = tuple(_entry(value, key, inner, problems) for key, inner in value.mapping.items())
    return nodes[0] if len(nodes) == 1 else All(nodes)


def _entry(parent: Value, key: str, value: Value, problems: list[Problem]) -> Node:
    if key in {"all", "any"}:
        if value.sequence is None or not value.sequence:
            problems.append(value.problem(CODE, f"`{key}` takes a list of at least one condition"))
            return All(())
        nodes = tuple(collect_condition(inner, problems) for inner in value.sequence)
        return All(nodes) if key == "all" else AnyOf(nodes)
    if key == "not":
        return Not(collect_condition(value, problems))
    line, column = parent.key_places.get(key, (value.line, value.column))
    try:
        test = _parse_key(key, Place(line, column))
    except InputError as err:
        problems.append(parent.key_problem(key, CODE, err.message))
        return All(())
    return _build(test, value, problems)


@dataclass(frozen=True, slots=True)
class _Test:
    """A parsed key: the field and its modifiers, checked against each other."""

    field: Field
    operator: str
    quantifier: str | None
    fieldref: bool
    nocase: bool
    place: Place

    @property
    def element_quantifier(self) -> Quantifier:
        """The quantifier of a leaf; ``none`` is ``not any``."""
        return Quantifier.EACH if self.quantifier == "each" else Quantifier.ANY

    def wrap(self, node: Node) -> Node:
        """Return the node, negated when the key has ``ne`` or ``none``."""
        negations = (self.operator == "ne") + (self.quantifier == "none")
        return Not(node) if negations == 1 else node


def _parse_key(key: str, place: Place) -> _Test:
    """Return the test of a key; raise ``InputError`` when field or modifiers are invalid."""
    name, *modifiers = key.split("|")
    known = find_field(name)
    if known is None:
        raise InputError("field_unknown", f"unknown field `{name}`; docs/event-fields.md lists the known ones")
    for modifier in modifiers:
        if modifier not in MODIFIERS:
            raise InputError("field_invalid", f"unknown modifier `{modifier}`; known: {', '.join(sorted(MODIFIERS))}")
    if len(set(modifiers)) != len(modifiers):
        raise InputError("field_invalid", "duplicate modifier")
    operators = [word for word in modifiers if word in _OPERATORS or word in _QUESTIONS or word == "ne"]
    quantifiers = [word for word in modifiers if word in _QUANTIFIERS]
    if len(operators) > 1 or len(quantifiers) > 1:
        raise InputError(
            "field_invalid", f"`{' and '.join(operators if len(operators) > 1 else quantifiers)}` exclude each other"
        )
    test = _Test(
        known,
        operators[0] if operators else "eq",
        quantifiers[0] if quantifiers else None,
        "fieldref" in modifiers,
        "nocase" in modifiers,
        place,
    )
    _check_test(test)
    return test


def _check_test(test: _Test) -> None:
    """Raise ``InputError`` when the modifiers do not fit the field or each other."""
    name, kind = test.field.name, test.field.kind
    if test.quantifier is not None and not test.field.multi:
        raise InputError("field_invalid", f"`{test.quantifier}` needs a list field; `{name}` has a single value")
    if test.quantifier is not None and test.operator in {"exists", "null", "calendar"}:
        raise InputError("field_invalid", f"`{test.quantifier}` and `{test.operator}` exclude each other")
    if test.field.multi and test.operator == "ne" and test.quantifier != "len":
        raise InputError(
            "field_invalid", f"`ne` on the list field `{name}` can be read two ways; write `none` or `not`"
        )
    if test.quantifier == "len":
        if test.operator not in {"eq", "ne", "lt", "lte", "gt", "gte"} or test.fieldref or test.nocase:
            raise InputError("field_invalid", "`len` goes with eq, ne, lt, lte, gt and gte only")
        return
    operator = _OPERATORS.get(test.operator)
    if operator in ORDER_OPERATORS and kind not in ORDERED_KINDS:
        raise InputError("field_invalid", f"`{test.operator}` needs a number or a time; `{name}` is {kind.value}")
    if operator in PATTERN_OPERATORS and kind not in TEXT_KINDS:
        raise InputError("field_invalid", f"`{test.operator}` needs text; `{name}` is {kind.value}")
    if operator is Operator.CIDR and kind is not Kind.IP:
        raise InputError("field_invalid", f"`cidr` needs an address; `{name}` is {kind.value}")
    if test.operator == "calendar" and kind is not Kind.TIME:
        raise InputError("field_invalid", f"`calendar` needs a time; `{name}` is {kind.value}")
    if test.operator == "in_list" and kind not in {*TEXT_KINDS, Kind.IP}:
        raise InputError("field_invalid", f"`in_list` needs text; `{name}` is {kind.value}")
    plain = operator in {*PATTERN_OPERATORS, Operator.EQ} or test.operator in {"ne", "in_list"}
    if test.nocase and (kind not in TEXT_KINDS or not plain or operator in {Operator.GLOB, Operator.RE}):
        raise InputError(
            "field_invalid", "`nocase` goes with eq, ne, contains, startswith, endswith and in_list on text"
        )
    if test.fieldref and test.operator != "ne" and operator not in {Operator.EQ, *ORDER_OPERATORS}:
        raise InputError("field_invalid", "`fieldref` goes with eq, ne, lt, lte, gt and gte only")


def _build(test: _Test, value: Value, problems: list[Problem]) -> Node:
    """Return the node of a checked test and its value."""
    match test.operator:
        case "exists" | "null":
            return _build_question(test, value, problems)
        case "in_list" | "calendar":
            return _build_named(test, value, problems)
        case _ if test.fieldref:
            return _build_reference(test, value, problems)
        case _ if test.quantifier == "len":
            return _build_length(test, value, problems)
        case _:
            return _build_compare(test, value, problems)


def _build_question(test: _Test, value: Value, problems: list[Problem]) -> Node:
    node: Node = Exists(test.field, test.place) if test.operator == "exists" else IsNull(test.field, test.place)
    answer = resolve_scalar(value.scalar, quoted=value.quoted) if value.scalar is not None else None
    if not isinstance(answer, bool):
        problems.append(value.problem(CODE, f"`{test.operator}` takes true or false"))
    return node if answer else Not(node)


def _build_named(test: _Test, value: Value, problems: list[Problem]) -> Node:
    """Return the node of ``in_list`` or ``calendar``; ``{not_in: name}`` negates it."""
    negated = value.mapping is not None and list(value.mapping) == ["not_in"]
    if negated and value.mapping is not None:
        value = value.mapping["not_in"]
    names = []
    for item in _scalars(value, problems):
        if not item.scalar:
            problems.append(item.problem(CODE, f"`{test.operator}` takes names, or {{not_in: name}}"))
        names.append(item.scalar or "")
    node: Node
    if test.operator == "in_list":
        node = InList(test.field, tuple(names), test.element_quantifier, test.nocase, test.place)
    else:
        node = InCalendar(test.field, tuple(names), test.place)
    node = test.wrap(node)
    return Not(node) if negated else node


def _build_reference(test: _Test, value: Value, problems: list[Problem]) -> Node:
    """Return the node of a comparison with another field."""
    other = find_field(value.scalar) if value.scalar is not None else None
    if other is None:
        problems.append(value.problem(CODE, "`fieldref` takes the name of one known field"))
        return All(())
    textual = {*TEXT_KINDS, Kind.IP}
    comparable = test.field.kind is other.kind or {test.field.kind, other.kind} <= textual - {Kind.IP}
    if not comparable or (other.multi and _OPERATORS.get(test.operator) in ORDER_OPERATORS):
        problems.append(
            value.problem(
                CODE,
                f"`{test.field.name}` ({test.field.kind.value}) and `{other.name}` ({other.kind.value}) do not compare",
            )
        )
    operator = _OPERATORS.get(test.operator, Operator.EQ)
    return test.wrap(Reference(test.field, operator, other, test.element_quantifier, test.nocase, test.place))


def _build_length(test: _Test, value: Value, problems: list[Problem]) -> Node:
    """Return the node of a comparison of a list's length."""
    values = []
    for item in _scalars(value, problems):
        number = resolve_scalar(item.scalar or "", quoted=item.quoted)
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= MAX_INTEGER:
            problems.append(item.problem(CODE, "`len` takes integers from 0"))
            continue
        values.append(number)
    operator = _OPERATORS.get(test.operator, Operator.EQ)
    return test.wrap(Length(test.field, operator, tuple(values), test.place))


def _build_compare(test: _Test, value: Value, problems: list[Problem]) -> Node:
    """Return the node of a comparison with constants."""
    operator = _OPERATORS.get(test.operator, Operator.EQ)
    values = []
    for item in _scalars(value, problems):
        try:
            values.append(parse_constant(test.field, operator, item.scalar or "", quoted=item.quoted))
        except InputError as err:
            problems.append(item.problem(CODE, f"`{test.field.name}`: {err.message}"))
    node = Compare(test.field, operator, tuple(values), test.element_quantifier, test.nocase, test.place)
    return test.wrap(node)


def _scalars(value: Value, problems: list[Problem]) -> list[Value]:
    """Return the scalars of a value or of a list of values, at most :data:`MAX_NODES`."""
    items = [value] if value.sequence is None else list(value.sequence)
    if not items or len(items) > MAX_NODES:
        problems.append(value.problem(CODE, f"expected 1 to {MAX_NODES} values, got {len(items)}"))
        return []
    for item in items:
        if item.scalar is None:
            problems.append(item.problem(CODE, f"expected a value, got a {item.kind}"))
    return [item for item in items if item.scalar is not None]
