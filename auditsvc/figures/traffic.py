"""Accesses: how many, of which class and verdict, by value and by time.

An access is an event that is neither a duplicate, the second half of a call already counted, a heartbeat nor a probe.
A business access is one whose ``traffic`` is ``business``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from auditsvc.condition.ast import Node, build_equals
from auditsvc.condition.evaluate import EMPTY_CONTEXT, Context
from auditsvc.figures.scope import MISSING, Scope, name_values
from auditsvc.store.query import EventQuery, RowSet, TimeBucket

BUSINESS = build_equals("traffic", "business")
ACCESS = build_equals("traffic", "business", "test", "metadata", "internal")
"""Everything but probes and heartbeats, which access no data."""
PROBE = build_equals("traffic", "probe")
SUCCESS = build_equals("outcome", "success")
VIOLATED = "violated"
"""Verdict of an access that violates an active policy."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Accesses by verdict and by traffic class, and the number of probes."""

    by_verdict: Mapping[str, int]
    by_class: Mapping[str, int]
    probes: int

    @property
    def accesses(self) -> int:
        """Number of accesses."""
        return sum(self.by_class.values())


@dataclass(frozen=True, slots=True)
class TimeCount:
    """Accesses in one time bucket, and how many of them violate a policy."""

    accesses: int
    violated: int


def select_accesses(
    where: Node | None, first_ns: int, last_ns: int, *, context: Context = EMPTY_CONTEXT, rows: RowSet = RowSet.COUNTED
) -> EventQuery:
    """Return the query for the accesses for which ``where`` is true; with :attr:`RowSet.ALL`, for every stored row.

    Args:
        where: a condition, None for all.
        first_ns, last_ns: event time in ``[first_ns, last_ns)``.
        context: lists and calendars that the condition may name.
        rows: whether to leave out rows that are not accesses.
    """
    query = EventQuery(where, first_ns, last_ns, context, rows)
    return query if rows is RowSet.ALL else query.narrowed(ACCESS)


def count_accesses(scope: Scope, where: Node = ACCESS) -> int:
    """Return the number of accesses for which ``where`` is true."""
    return sum(row.count for row in scope.aggregate(where))


def measure_traffic(scope: Scope) -> Traffic:
    """Return the accesses of the scope by verdict and class, in order of their names."""
    by_verdict: dict[str, int] = {}
    by_class: dict[str, int] = {}
    for row in scope.aggregate(ACCESS, "traffic", "verdict"):
        kind, verdict = row.text(0) or MISSING, row.text(1) or MISSING
        by_class[kind] = by_class.get(kind, 0) + row.count
        by_verdict[verdict] = by_verdict.get(verdict, 0) + row.count
    return Traffic(dict(sorted(by_verdict.items())), dict(sorted(by_class.items())), count_accesses(scope, PROBE))


def count_by_value(scope: Scope, field: str, where: Node = ACCESS) -> dict[str, int]:
    """Return accesses by a text field's value; those without a value are omitted."""
    return {row.text() or MISSING: row.count for row in scope.aggregate(where, field) if row.text() is not None}


def count_by_time(scope: Scope, bucket: TimeBucket, where: Node = ACCESS) -> dict[int, TimeCount]:
    """Return accesses by time: first instant of a bucket to its counts; buckets without accesses are omitted."""
    accesses: dict[int, int] = {}
    violated: dict[int, int] = {}
    for row in scope.aggregate(where, bucket, "verdict"):
        start = row.instant()
        accesses[start] = accesses.get(start, 0) + row.count
        if row.text(1) == VIOLATED:
            violated[start] = row.count
    return {start: TimeCount(count, violated.get(start, 0)) for start, count in accesses.items()}


def count_quality_flags(scope: Scope) -> dict[str, int]:
    """Return quality flag to the number of rows that carry it, duplicates and second halves included."""
    found = name_values(scope.aggregate(ACCESS, "quality", rows=RowSet.ALL))
    return {flag: count for flag, count in found.items() if flag != MISSING}
