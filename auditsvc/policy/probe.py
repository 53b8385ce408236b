"""Probes: for one field of an event, the mask of rows that can still be true, by look-up or bisection.

A mask has two bits per row: the low half means "not false", the high half "true". A false probe of a row clears both
bits, an unknown one the high bit. The masks of all fields, combined by AND, give Kleene's conjunction of every
row at once.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, assert_never

from auditsvc.condition.ast import (
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
    Reference,
    iter_leaves,
)
from auditsvc.condition.calendar import MINUTE_NS, Calendar, count_local_ns
from auditsvc.condition.evaluate import TESTS, Context, Truth, evaluate
from auditsvc.event.fields import Field, Kind
from auditsvc.event.model import Event

MAX_REMEMBERED = 1 << 14
"""Maximum number of values one look-up table caches before it is cleared."""


class Missing:
    """The type of the marker for a missing field."""


MISSING = Missing()


@dataclass(slots=True)
class Group:
    """The probes on one field, or one condition that relates several fields: each with the rows it belongs to.

    Attributes:
        fields: one field, or those of the relating condition.
        probes: condition and low-half bits of its rows.
    """

    fields: tuple[Field, ...]
    probes: list[tuple[Node, int]]


def clear_bits(truth: Truth, rows: int, size: int) -> int:
    """Return the bits that a probe of ``rows`` clears: none when true, the high ones when unknown, both when false."""
    if truth is Truth.TRUE:
        return 0
    return rows << size if truth is Truth.UNKNOWN else rows | rows << size


@dataclass(frozen=True, slots=True)
class Masker:
    """Computes masks of a group by the reference: ``size`` rows, ``full`` with every bit set."""

    group: Group
    context: Context
    size: int
    full: int

    def compute(self, event: Event) -> int:
        """Return the mask of the group for an event with at least the group's fields."""
        mask = self.full
        for node, rows in self.group.probes:
            mask &= ~clear_bits(evaluate(node, event, self.context), rows, self.size)
        return mask

    def compute_value(self, value: Any) -> int:
        """Return the mask for one value of a group with one field; :data:`MISSING` means no value."""
        name = self.group.fields[0].name
        return self.compute({} if value is MISSING else {name: value})


class ValueTable(dict[Any, int]):
    """Value to mask for hashable values; values not in ``named`` share one mask if they cannot be told apart."""

    def __init__(self, masker: Masker, named: frozenset[str] | None) -> None:
        """Cache masks of values; ``named`` are the values in the conditions, None when they have patterns."""
        super().__init__()
        self.masker = masker
        self.named = named
        self.shared: dict[int, int] = {}
        self.other = masker.compute_value(_other_text(named)) if named is not None else 0

    def __missing__(self, value: Any) -> int:
        """Compute and cache the mask of a value not seen before."""
        if self.named is not None and type(value) is str and value not in self.named:
            return self.other
        if len(self) >= MAX_REMEMBERED:
            self.clear()
        mask = self.masker.compute_value(value)
        mask = self.shared.setdefault(mask, mask)
        self[value] = mask
        return mask


class TupleTable(dict[tuple[str, ...], int]):
    """List value, as a tuple, to mask."""

    def __init__(self, masker: Masker) -> None:
        """Cache masks of lists."""
        super().__init__()
        self.masker = masker
        self.missing = masker.compute_value(MISSING)
        self.null = masker.compute_value(None)

    def __missing__(self, value: tuple[str, ...]) -> int:
        """Compute and cache the mask of a list not seen before."""
        if len(self) >= MAX_REMEMBERED:
            self.clear()
        mask = self.masker.compute_value(list(value))
        self[value] = mask
        return mask

    def find(self, value: Any) -> int:
        """Return the mask for the event's value, of any type."""
        if value.__class__ is list:
            try:
                return self[tuple(value)]
            except TypeError:
                return self.masker.compute_value(value)
        if value is None:
            return self.null
        return self.missing if value is MISSING else self.masker.compute_value(value)


class OrderedTable:
    """Masks of an integer or time by bisection: ``masks[bisect_right(points, value)]``."""

    __slots__ = ("masker", "masks", "missing", "null", "points")

    def __init__(self, masker: Masker) -> None:
        """Compute the masks in one sweep over the points at which conditions change their truth value.

        INVARIANT: each row belongs to only one probe of a group, so a probe's bits can be recomputed at its own points.
        """
        self.masker = masker
        self.missing = masker.compute_value(MISSING)
        self.null = masker.compute_value(None)
        turns: dict[int, list[tuple[Node, int]]] = {}
        for probe in masker.group.probes:
            for point in find_points(iter_leaves(probe[0]), masker.context):
                turns.setdefault(point, []).append(probe)
        self.points = sorted(turns)
        name = masker.group.fields[0].name
        mask = masker.compute_value(self.points[0] - 1 if self.points else 0)
        self.masks = [mask]
        for point in self.points:
            for node, rows in turns[point]:
                truth = evaluate(node, {name: point}, masker.context)
                mask |= rows | rows << masker.size
                mask &= ~clear_bits(truth, rows, masker.size)
            self.masks.append(mask)

    def find(self, value: Any) -> int:
        """Return the mask for the event's value, of any type."""
        if value.__class__ is int:
            return self.masks[bisect_right(self.points, value)]
        if value is None:
            return self.null
        return self.missing if value is MISSING else self.masker.compute_value(value)


class BooleanTable:
    """Masks of true and false."""

    __slots__ = ("masker", "missing", "null", "when_false", "when_true")

    def __init__(self, masker: Masker) -> None:
        """Compute the four possible masks."""
        self.masker = masker
        self.missing = masker.compute_value(MISSING)
        self.null = masker.compute_value(None)
        self.when_true = masker.compute_value(True)
        self.when_false = masker.compute_value(False)

    def find(self, value: Any) -> int:
        """Return the mask for the event's value, of any type."""
        if value is True:
            return self.when_true
        if value is False:
            return self.when_false
        if value is None:
            return self.null
        return self.missing if value is MISSING else self.masker.compute_value(value)


class PresenceTable:
    """Masks of a field that is only tested for presence."""

    __slots__ = ("missing", "null", "present")

    def __init__(self, masker: Masker) -> None:
        """Compute the three possible masks; a value of any type is present."""
        self.missing = masker.compute_value(MISSING)
        self.null = masker.compute_value(None)
        self.present = masker.compute_value("")

    def find(self, value: Any) -> int:
        """Return the mask for the event's value, of any type."""
        if value is None:
            return self.null
        return self.missing if value is MISSING else self.present


class TiedProbe:
    """Masks of one condition that relates several fields, by its truth value."""

    __slots__ = ("context", "masks", "node", "remembered", "rows")

    def __init__(self, masker: Masker) -> None:
        """Take the group's only condition."""
        self.node, self.rows = masker.group.probes[0]
        self.context = masker.context
        self.masks = {truth: masker.full & ~clear_bits(truth, self.rows, masker.size) for truth in Truth}
        self.remembered: dict[tuple[Any, Any], int] = {}

    def find(self, event: Event) -> int:
        """Return the mask for an event."""
        return self.masks[evaluate(self.node, event, self.context)]


class TiedText(TiedProbe):
    """Masks of a reference between text fields, cached by both values."""

    __slots__ = ("left", "right")

    def __init__(self, masker: Masker, reference: Reference) -> None:
        """Take the group's only condition, which contains ``reference`` and no other leaf."""
        super().__init__(masker)
        self.left, self.right = reference.field.name, reference.other.name

    def find(self, event: Event) -> int:
        """Return the mask for an event."""
        left, right = event.get(self.left, MISSING), event.get(self.right, MISSING)
        key = (
            tuple(left) if left.__class__ is list else left,
            tuple(right) if right.__class__ is list else right,
        )
        mask = self.remembered.get(key)
        if mask is None:
            if len(self.remembered) >= MAX_REMEMBERED:
                self.remembered.clear()
            mask = self.remembered[key] = super().find(event)
        return mask


class TiedNumber(TiedProbe):
    """Masks of a reference between integer or time fields."""

    __slots__ = ("left", "right", "test", "when_false", "when_true")

    def __init__(self, masker: Masker, reference: Reference) -> None:
        """Take the group's only condition: ``reference``, or its negation."""
        super().__init__(masker)
        self.left, self.right = reference.field.name, reference.other.name
        self.test = TESTS[reference.operator]
        plain = self.node is reference
        self.when_true = self.masks[Truth.TRUE if plain else Truth.FALSE]
        self.when_false = self.masks[Truth.FALSE if plain else Truth.TRUE]

    def find(self, event: Event) -> int:
        """Return the mask for an event."""
        left, right = event.get(self.left), event.get(self.right)
        if left.__class__ is int and right.__class__ is int:
            return self.when_true if self.test(left, right) else self.when_false
        return super().find(event)


def build_tied(masker: Masker) -> TiedProbe:
    """Return the probe of a group that relates several fields."""
    node = masker.group.probes[0][0]
    reference = node.node if isinstance(node, Not) else node
    if not isinstance(reference, Reference):
        return TiedProbe(masker)
    if reference.field.kind in {Kind.INTEGER, Kind.TIME}:
        return TiedNumber(masker, reference)
    return TiedProbe(masker) if reference.field.kind is Kind.NUMBER else TiedText(masker, reference)


Finder = Callable[[Any], int]


@dataclass(slots=True)
class Tables:
    """The probes of one index, by the way they are looked up.

    Attributes:
        values: field name and its table, subscripted by the value itself.
        finders: field name and function of the value.
        tied: probes of the whole event, used only if one of their rows can still be true.
    """

    values: list[tuple[str, ValueTable]]
    finders: list[tuple[str, Finder]]
    tied: list[tuple[int, Finder]]


def build_tables(groups: Sequence[Group], context: Context, size: int) -> Tables:
    """Return the tables of all groups, each of the fastest kind that is exact."""
    tables = Tables([], [], [])
    full = (1 << 2 * size) - 1
    for group in groups:
        masker = Masker(group, context, size, full)
        if len(group.fields) != 1:
            tied = build_tied(masker)
            tables.tied.append((tied.rows, tied.find))
            continue
        known = group.fields[0]
        found = [leaf for node, _ in group.probes for leaf in iter_leaves(node)]
        if _is_text(known) and not all(isinstance(leaf, (Exists, IsNull)) for leaf in found):
            tables.values.append((known.name, ValueTable(masker, find_named(found, context))))
        else:
            tables.finders.append((known.name, _build_finder(masker, known, found)))
    return tables


def _is_text(known: Field) -> bool:
    """Return whether the field has one value and that is text, addresses included."""
    return not known.multi and known.kind in {Kind.KEYWORD, Kind.TEXT, Kind.ENUM, Kind.IP}


def _build_finder(masker: Masker, known: Field, found: Sequence[Leaf]) -> Finder:
    """Return the function from a field's value to its mask."""
    if all(isinstance(leaf, (Exists, IsNull)) for leaf in found):
        return PresenceTable(masker).find
    if known.multi:
        return TupleTable(masker).find
    if known.kind is Kind.BOOLEAN:
        return BooleanTable(masker).find
    if known.kind is Kind.NUMBER or not _has_points(found, masker.context):
        return masker.compute_value
    return OrderedTable(masker).find


def _has_points(found: Sequence[Leaf], context: Context) -> bool:
    """Return whether every calendar among the leaves has a fixed offset, so that its edges can be listed."""
    names = {name for leaf in found if isinstance(leaf, InCalendar) for name in leaf.calendars}
    return all(context.calendars[name].find_offset_ns() is not None for name in names if name in context.calendars)


def _other_text(named: frozenset[str] | None) -> str:
    """Return a text that is none of ``named``."""
    return "".join(sorted(named or ())) + "?"


def find_named(found: Sequence[Leaf], context: Context) -> frozenset[str] | None:
    """Return the texts that leaves on a text field compare for equality, None when one of them matches parts or patterns."""
    named: set[str] = set()
    for leaf in found:
        match leaf:
            case Compare(_, Operator.EQ, values, _, False):
                named.update(str(value) for value in values)
            case InList(_, lists, _, False):
                named.update(*(context.lists.get(name, frozenset()) for name in lists))
            case Exists() | IsNull():
                pass
            case _:
                return None
    return frozenset(named)


def find_points(found: Iterable[Leaf], context: Context) -> set[int]:
    """Return the values at which the truth of leaves on an integer or time field can change."""
    points: set[int] = set()
    for leaf in found:
        match leaf:
            case Compare(_, _, values):
                for value in values:
                    points.update((int(value), int(value) + 1))
            case InCalendar(_, calendars):
                for name in calendars:
                    if name in context.calendars:
                        points.update(find_calendar_points(context.calendars[name]))
            case Exists() | IsNull() | Length() | Reference() | InList():
                pass
            case _:
                assert_never(leaf)
    return points


@lru_cache(maxsize=64)
def find_calendar_points(calendar: Calendar) -> frozenset[int]:
    """Return the instants at which the result of a calendar with a fixed offset can change."""
    points = {count_local_ns(calendar.first, calendar.zone), count_local_ns(calendar.last, calendar.zone)}
    for day in calendar.days():
        start = count_local_ns(day, calendar.zone)
        for span in calendar.find_hours(day) or ():
            points.update(start + minute * MINUTE_NS for minute in span)
    return frozenset(points)
