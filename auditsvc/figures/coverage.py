"""How complete the log is: (interface, hour) cells in which a log is due, and those with a record or a heartbeat."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from auditsvc.catalog.coverage import HOUR_NS, Cell, expect_cells
from auditsvc.catalog.model import Catalog
from auditsvc.figures.rounding import percent
from auditsvc.figures.scope import Scope
from auditsvc.store.query import RowSet, TimeUnit


@dataclass(frozen=True, slots=True)
class InterfaceCoverage:
    """One interface: cells due, and the first instants of the hours without any record, in order."""

    interface: str
    due: int
    silent_ns: tuple[int, ...]

    @property
    def missing(self) -> int:
        """Number of due hours without any record."""
        return len(self.silent_ns)


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of due hours of one interface without any record: ``[first_ns, last_ns)``."""

    interface: str
    first_ns: int
    last_ns: int

    @property
    def hours(self) -> int:
        """Length in hours."""
        return (self.last_ns - self.first_ns) // HOUR_NS


@dataclass(frozen=True, slots=True)
class Coverage:
    """Coverage of a scope by interface; only interfaces for which a log is due are listed."""

    interfaces: tuple[InterfaceCoverage, ...]

    @property
    def due(self) -> int:
        """Cells in which a log is due."""
        return sum(one.due for one in self.interfaces)

    @property
    def covered(self) -> int:
        """Due cells with a record or a heartbeat."""
        return self.due - sum(one.missing for one in self.interfaces)

    @property
    def percent(self) -> Decimal | None:
        """Covered cells in per cent of those due; None when none is due."""
        return percent(self.covered, self.due) if self.due else None

    def list_incomplete(self) -> list[InterfaceCoverage]:
        """Return the interfaces with missing hours, most missing first."""
        incomplete = [one for one in self.interfaces if one.missing]
        return sorted(incomplete, key=lambda one: (-one.missing, one.interface))

    def list_gaps(self) -> list[Gap]:
        """Return the runs of missing hours, longest first; an hour in which no log is due ends a run."""
        gaps = [gap for one in self.interfaces for gap in _join_hours(one)]
        return sorted(gaps, key=lambda gap: (-gap.hours, gap.interface, gap.first_ns))


def measure_coverage(scope: Scope, catalog: Catalog | None, interfaces: Collection[str] | None = None) -> Coverage:
    """Return the coverage of the whole hours of a scope.

    Args:
        catalog: determines when a log is due; without one, none is.
        interfaces: ids to include, none when empty; None means all.
    """
    if catalog is None:
        return Coverage(())
    seen = _list_seen_cells(scope)
    due: dict[str, int] = {}
    silent: dict[str, list[int]] = {}
    for cell in expect_cells(catalog, scope.first_ns, scope.last_ns, interfaces):
        due[cell.interface] = due.get(cell.interface, 0) + 1
        if cell not in seen:
            silent.setdefault(cell.interface, []).append(cell.hour_ns)
    return Coverage(
        tuple(InterfaceCoverage(name, due[name], tuple(sorted(silent.get(name, ())))) for name in sorted(due))
    )


def _list_seen_cells(scope: Scope) -> set[Cell]:
    """Return the cells with any record: an access, a probe, a heartbeat, even a duplicate."""
    rows = scope.aggregate(None, "interface.id", scope.bucket(TimeUnit.HOUR), rows=RowSet.ALL)
    return {Cell(name, row.instant(1)) for row in rows if (name := row.text()) is not None}


def _join_hours(one: InterfaceCoverage) -> list[Gap]:
    """Return an interface's missing hours as runs."""
    gaps: list[Gap] = []
    for hour in one.silent_ns:
        if gaps and gaps[-1].last_ns == hour:
            gaps[-1] = Gap(one.interface, gaps[-1].first_ns, hour + HOUR_NS)
        else:
            gaps.append(Gap(one.interface, hour, hour + HOUR_NS))
    return gaps
