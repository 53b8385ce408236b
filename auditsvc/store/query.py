"""Queries to an event store and the types of their results.

Times are nanoseconds since 1970-01-01T00:00:00Z, intervals are ``[first, last)``.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum
from typing import TypeAlias
from zoneinfo import ZoneInfo

from auditsvc.condition.ast import All, Node
from auditsvc.condition.evaluate import EMPTY_CONTEXT, Context
from auditsvc.ground.errors import StorageError
from auditsvc.store.rows import StoredEvent


class NoValue(Enum):
    """Group keys that are not values, never merged with each other or with ``""``; an empty list groups as missing."""

    MISSING = "missing"
    NULL = "null"


Key: TypeAlias = str | int | float | bool | NoValue
"""One part of a group key; for a time bucket its first instant in nanoseconds."""


class RowSet(Enum):
    """Which stored rows a query is about.

    Members:
        COUNTED: no duplicates and no second halves of calls, so that every access is counted once, as indicators do.
        ALL: every stored row.
    """

    COUNTED = "counted"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events a read is about; the same query selects the same rows for a page, an export and a figure.

    Attributes:
        where: the condition, None for all.
        first_ns, last_ns: event time in ``[first_ns, last_ns)``.
        context: lists and calendars the condition may name.
        rows: which rows.
    """

    where: Node | None
    first_ns: int
    last_ns: int
    context: Context = EMPTY_CONTEXT
    rows: RowSet = RowSet.COUNTED

    def narrowed(self, node: Node) -> "EventQuery":
        """Return the query restricted to events on which ``node`` is also true."""
        return replace(self, where=node if self.where is None else All((self.where, node)))


class Order(Enum):
    """Order of a page: by event time, ties by place in the ledger."""

    NEWEST = "newest"
    OLDEST = "oldest"


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """Where a page ended: time and place of its last row."""

    time: int
    seq: int
    record: int
    item: int


@dataclass(frozen=True, slots=True)
class Page:
    """Some events in order, and where the next page starts; ``after`` is None on the last page."""

    events: tuple[StoredEvent, ...]
    after: Cursor | None


class TimeUnit(Enum):
    """Length of a time bucket; days and months are those of the bucket's zone."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class TimeBucket:
    """Grouping by event time."""

    unit: TimeUnit
    zone: ZoneInfo


class MeasureKind(Enum):
    """What is measured over a group; every one is exact."""

    COUNT = "count"
    SUM = "sum"
    DISTINCT = "distinct"
    MIN = "min"
    MAX = "max"
    QUANTILE = "quantile"


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of a group.

    Attributes:
        field: what is summed, counted or compared; empty only for ``count``, which then counts events. ``count`` of a
            field counts the events that have it.
        quantile: ``0 <= quantile <= 1``, the value at that rank (no interpolation); for ``quantile`` only.
    """

    kind: MeasureKind
    field: str = ""
    quantile: float = 0.0


COUNT = Measure(MeasureKind.COUNT)

By: TypeAlias = str | TimeBucket


Figure: TypeAlias = int | float | Decimal | str | bool | None
"""A measure's value: int for counts, int or Decimal for sums, else of the field's type; None where no event has it."""


@dataclass(frozen=True, slots=True)
class AggregateRow:
    """One group: ``key`` has one part for each ``by``, ``values`` one for each measure.

    The methods return one part, checked to have the type that the query implies.

    Raises:
        StorageError: ``storage_unavailable`` from each method when the store returned another type.
    """

    key: tuple[Key, ...]
    values: tuple[Figure, ...]

    @property
    def count(self) -> int:
        """The first measure, a count."""
        return _require_whole(self.values[0], "a count")

    def text(self, part: int = 0) -> str | None:
        """Return the key part of a text field; None for missing and null."""
        value = self.key[part]
        if isinstance(value, NoValue):
            return None
        if not isinstance(value, str):
            raise _report_foreign("text", value)
        return value

    def instant(self, part: int = 0) -> int:
        """Return the key part of a time bucket: its first instant, in nanoseconds."""
        return _require_whole(self.key[part], "an instant")

    def number(self, part: int = 0) -> int | None:
        """Return the key part of an integer field; None for missing and null."""
        value = self.key[part]
        return None if isinstance(value, NoValue) else _require_whole(value, "a whole number")

    def whole(self, measure: int = 0) -> int | None:
        """Return a measure of an integer or time field; None where no event has the field."""
        value = self.values[measure]
        return None if value is None else _require_whole(value, "a whole number")


def _require_whole(value: object, expected: str) -> int:
    """Return a value that must be an int."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise _report_foreign(expected, value)
    return value


def _report_foreign(expected: str, value: object) -> StorageError:
    """Return the error for a figure that does not have the expected type."""
    return StorageError("storage_unavailable", f"event store: expected {expected} in a figure, got `{value!r:.64}`")


FINDING_FIELDS = (
    "policy_id", "severity", "status", "kind", "source_id", "consumer.org", "interface.id", "provider.org", "project.id",
    "outcome",
)  # fmt: skip
"""What findings can be grouped and filtered by."""


@dataclass(frozen=True, slots=True)
class FindingQuery:
    """Which findings: event time in ``[first_ns, last_ns)``, and every named field one of the given values.

    A field with an empty collection of values matches nothing.
    """

    first_ns: int
    last_ns: int
    equal: Mapping[str, Collection[str]] = field(default_factory=dict)
