"""The AST of the condition language, shared by policies, searches and reports.

Nodes are frozen and compare by meaning; their position in the source document is ignored. The union is closed:
every pass ends with ``assert_never``, so a new node breaks each compiler until it is handled there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as member
from enum import Enum
from typing import TypeAlias

from auditsvc.event.fields import Field, Kind, get_field
from auditsvc.event.model import Scalar

TEXT_KINDS = frozenset({Kind.KEYWORD, Kind.TEXT, Kind.ENUM})
"""Kinds whose values are compared as text, character by character."""
ORDERED_KINDS = frozenset({Kind.INTEGER, Kind.NUMBER, Kind.TIME})
"""Kinds whose values are ordered."""


class Operator(Enum):
    """How one value is compared with another."""

    EQ = "eq"
    LT = "lt"
    LTE = "lte"
    GT = "gt"
    GTE = "gte"
    CONTAINS = "contains"
    STARTSWITH = "startswith"
    ENDSWITH = "endswith"
    GLOB = "glob"
    RE = "re"
    CIDR = "cidr"


ORDER_OPERATORS = frozenset({Operator.LT, Operator.LTE, Operator.GT, Operator.GTE})
PATTERN_OPERATORS = frozenset(
    {Operator.CONTAINS, Operator.STARTSWITH, Operator.ENDSWITH, Operator.GLOB, Operator.RE},
)


class Quantifier(Enum):
    """Which elements of a list field must match; for a field with a single value both are equivalent."""

    ANY = "any"
    EACH = "each"


@dataclass(frozen=True, slots=True)
class Place:
    """The position of a node in its document: 1-based line and column; 0 if it has none."""

    line: int = 0
    column: int = 0


NOWHERE = Place()


@dataclass(frozen=True, slots=True)
class All:
    """True when every node is true; with no nodes, true."""

    nodes: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True when at least one node is true; with no nodes, false."""

    nodes: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """True when the node is false, false when it is true, unknown when it is unknown."""

    node: "Node"


@dataclass(frozen=True, slots=True)
class Compare:
    """The field's value (or any, or each, of its elements) compares with at least one of ``values``.

    INVARIANT: ``values`` is not empty and its items have the type of ``field.kind``: addresses canonical, networks
    without host bits, times as nanoseconds, text in NFC.
    """

    field: Field
    operator: Operator
    values: tuple[Scalar, ...]
    quantifier: Quantifier = Quantifier.ANY
    nocase: bool = False
    place: Place = member(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Length:
    """The number of elements of a list field compares with at least one of ``values``."""

    field: Field
    operator: Operator
    values: tuple[int, ...]
    place: Place = member(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Reference:
    """The field's value compares with the value of ``other``; when ``other`` is a list, with any of its elements."""

    field: Field
    operator: Operator
    other: Field
    quantifier: Quantifier = Quantifier.ANY
    nocase: bool = False
    place: Place = member(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Exists:
    """The field is present and not null; never unknown."""

    field: Field
    place: Place = member(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class IsNull:
    """The field is present and null; never unknown."""

    field: Field
    place: Place = member(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class InList:
    """The field's value (or any, or each, of its elements) is in at least one of the named lists."""

    field: Field
    lists: tuple[str, ...]
    quantifier: Quantifier = Quantifier.ANY
    nocase: bool = False
    place: Place = member(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class InCalendar:
    """The instant in the field is inside the hours of at least one of the named calendars."""

    field: Field
    calendars: tuple[str, ...]
    place: Place = member(default=NOWHERE, compare=False)


Leaf: TypeAlias = Compare | Length | Reference | Exists | IsNull | InList | InCalendar
Node: TypeAlias = All | AnyOf | Not | Leaf

ALWAYS = All(())
"""The condition that every event satisfies."""


def iter_leaves(node: Node) -> Iterator[Leaf]:
    """Yield the leaf nodes of a condition, left to right."""
    match node:
        case All(nodes) | AnyOf(nodes):
            for inner in nodes:
                yield from iter_leaves(inner)
        case Not(inner):
            yield from iter_leaves(inner)
        case _:
            yield node


def collect_fields(node: Node) -> tuple[Field, ...]:
    """Return the fields that a condition reads, without duplicates, in order of first use."""
    seen: dict[str, Field] = {}
    for leaf in iter_leaves(node):
        seen.setdefault(leaf.field.name, leaf.field)
        if isinstance(leaf, Reference):
            seen.setdefault(leaf.other.name, leaf.other)
    return tuple(seen.values())


def build_equals(name: str, *values: Scalar) -> Compare | AnyOf:
    """Return the condition that field ``name`` has one of ``values``; they must already have the field's type.

    Without values it is false for every event: an empty selection does not mean "all".
    """
    return Compare(get_field(name), Operator.EQ, values) if values else AnyOf(())


def build_range(name: str, first: int, last: int) -> All:
    """Return the condition ``first <= name < last`` for an ordered field."""
    known = get_field(name)
    return All((Compare(known, Operator.GTE, (first,)), Compare(known, Operator.LT, (last,))))
