"""Accumulators of figures, from aggregations and from scans alike: partial results in, exact values out. Pure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from auditsvc.event.fields import Field, Kind
from auditsvc.store.measure import SUM_SCALE, sort_key
from auditsvc.store.query import AggregateRow, Figure, Key, Measure, MeasureKind

_UNIT = 10**SUM_SCALE


@dataclass(slots=True)
class Accumulator:
    """One measure over one group.

    Attributes:
        number: of events, or of values known to be distinct.
        total: their sum; for number fields in units of the last summed digit.
        bound: least or greatest value so far.
        values: number of events by value, where it is needed.
    """

    number: int = 0
    total: int = 0
    bound: Figure = None
    values: dict[Any, int] = field(default_factory=dict)

    def add_value(self, value: Any, count: int) -> None:
        """Count a value."""
        self.values[value] = self.values.get(value, 0) + count

    def add_bound(self, value: Any, choose: Callable[..., Any]) -> None:
        """Keep the lesser or the greater value."""
        self.bound = value if self.bound is None else choose(self.bound, value)

    def finish(self, measure: Measure, known: Field | None) -> Figure:
        """Return the measure's value."""
        match measure.kind:
            case MeasureKind.COUNT:
                return self.number
            case MeasureKind.DISTINCT:
                return self.number + len(self.values)
            case MeasureKind.SUM:
                return self._finish_sum(known)
            case MeasureKind.MIN | MeasureKind.MAX:
                return self.bound
            case MeasureKind.QUANTILE:
                return find_quantile(self.values, measure.quantile)

    def _finish_sum(self, known: Field | None) -> int | Decimal | None:
        """Return the sum, None for no values."""
        if not self.number:
            return None
        if known is None or known.kind is not Kind.NUMBER:
            return self.total
        whole, part = divmod(abs(self.total), _UNIT)
        sign = "-" if self.total < 0 else ""
        return Decimal(f"{sign}{whole}.{part:0{SUM_SCALE}d}")


def find_quantile(values: dict[Any, int], quantile: float) -> Figure:
    """Return the value at the rank of a quantile; None for no values."""
    total = sum(values.values())
    rank = max(1, math.ceil(Decimal(repr(quantile)) * total))
    value: Figure
    for value in sorted(values):
        rank -= values[value]
        if rank <= 0:
            return value
    return None


@dataclass(slots=True)
class Figures:
    """All groups of one query."""

    measures: Sequence[Measure]
    fields: Sequence[Field | None]
    groups: dict[tuple[Key, ...], list[Accumulator]] = field(default_factory=dict)

    def find_cells(self, key: tuple[Key, ...]) -> list[Accumulator]:
        """Return the accumulators of a group, created if it is new."""
        cells = self.groups.get(key)
        if cells is None:
            cells = self.groups[key] = [Accumulator() for _ in self.measures]
        return cells

    def build_rows(self) -> list[AggregateRow]:
        """Return the figures, ordered by key."""
        rows = []
        for key, cells in self.groups.items():
            parts = zip(self.measures, self.fields, cells, strict=True)
            rows.append(AggregateRow(key, tuple(cell.finish(measure, known) for measure, known, cell in parts)))
        return sorted(rows, key=lambda row: [sort_key(part) for part in row.key])
