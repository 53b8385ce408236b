"""Asks the event store for the exact aggregates that indicators and sections are computed from."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from auditsvc.catalog.coverage import Cell, expect_cells
from auditsvc.catalog.model import Catalog, Project, ServiceLevel
from auditsvc.condition.ast import All, AnyOf, Exists, Node, Not, build_equals, build_range
from auditsvc.event.fields import get_field
from auditsvc.event.time import MAX_TIME_NS, MIN_TIME_NS, to_datetime
from auditsvc.reports.indicators.model import InterfaceUse, Minutes, Period, ProjectUse
from auditsvc.reports.period import bounds_ns
from auditsvc.store.port import EventStore
from auditsvc.store.query import (
    AggregateRow,
    By,
    EventQuery,
    FindingQuery,
    Measure,
    MeasureKind,
    RowSet,
    TimeBucket,
    TimeUnit,
)
from auditsvc.store.rows import FindingKind

NIGHT_HOURS = range(5)
MINUTES_A_HOUR = 60
CONSUMER_FAULT = range(400, 500)
"""HTTP statuses of failures the caller caused; every other failure counts as the provider's."""

BUSINESS = build_equals("traffic", "business")
ACCESS = build_equals("traffic", "business", "test", "metadata", "internal")
"""Everything but probes and heartbeats, which nobody reads data with."""
PROBE = build_equals("traffic", "probe")
SUCCESS = build_equals("outcome", "success")
PROVIDER_FAULT = All(
    (
        build_equals("outcome", "failure"),
        Not(All((Exists(get_field("http.status")), build_range("http.status", 400, 500)))),
    )
)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a report asks about: the store, the catalogue, the period and the zone of its days."""

    store: EventStore
    catalog: Catalog
    period: Period
    zone: ZoneInfo

    @property
    def bounds_ns(self) -> tuple[int, int]:
        """The period as nanoseconds ``[first, last)``."""
        return bounds_ns(self.period, self.zone)

    @property
    def whole_log_ns(self) -> tuple[int, int]:
        """All accepted times, as nanoseconds ``[first, last)``: logs are often delivered after their period."""
        return MIN_TIME_NS, MAX_TIME_NS

    def aggregate(self, where: Node | None, *by: By, rows: RowSet = RowSet.COUNTED) -> list[AggregateRow]:
        """Return numbers of events of the period in each group."""
        return self.store.aggregate(EventQuery(where, *self.bounds_ns, rows=rows), by)

    def count_findings(self, equal: Mapping[str, Collection[str]], *by: By) -> list[AggregateRow]:
        """Return numbers of findings of the period."""
        first, last = self.bounds_ns
        return self.store.count_findings(FindingQuery(first, last, equal), by)

    def bucket(self, unit: TimeUnit) -> TimeBucket:
        """Return a time bucket in the report's zone."""
        return TimeBucket(unit, self.zone)


VIOLATIONS: Mapping[str, Collection[str]] = {"kind": (FindingKind.VIOLATION.value,), "status": ("active",)}
"""Findings that count as violations: of active policies, not excepted, not indeterminate."""


NO_VALUE = "-"
"""What a report calls the group of missing and null."""


def text_of(row: AggregateRow, part: int = 0) -> str:
    """Return a group's text; :data:`NO_VALUE` for missing and null."""
    text = row.text(part)
    return NO_VALUE if text is None else text


def counts(rows: list[AggregateRow]) -> dict[str, int]:
    """Return group to count for rows grouped by one field; missing and null are one group, ``-``."""
    found: Counter[str] = Counter()
    for row in rows:
        found[text_of(row)] += row.count
    return dict(found)


def list_project_interfaces(catalog: Catalog, project: Project) -> tuple[str, ...]:
    """Return ids of the interfaces promised by a project or registered as its own, sorted."""
    own = {key for key, interface in catalog.interfaces.items() if interface.project == project.id}
    return tuple(sorted(own | set(project.interfaces)))


def gather_project_use(scope: Scope, project: Project) -> ProjectUse:
    """Return the aggregates of one project's interfaces; see :class:`ProjectUse` for what each means."""
    interfaces = list_project_interfaces(scope.catalog, project)
    of_project = build_equals("interface.id", *interfaces) if interfaces else AnyOf(())
    business = All((of_project, BUSINESS))
    success = All((of_project, BUSINESS, SUCCESS))
    by_interface = _count_interface_days(scope, success)
    cross, own = _count_cross(scope, success)
    failures = _count_failures(scope, business)
    expected, covered = count_cells(scope, interfaces)
    severities = scope.count_findings({**VIOLATIONS, "interface.id": interfaces}, "severity")
    return ProjectUse(
        interfaces=by_interface,
        delivered=_list_delivered(scope, success),
        events=sum(row.count for row in scope.aggregate(business)),
        successes=sum(use.successes for use in by_interface.values()),
        provider_faults=failures["provider"],
        consumer_faults=failures["consumer"],
        denied=failures["denied"],
        cross=cross,
        own=own,
        night=_count_night(scope, success),
        verdicts=counts(scope.aggregate(business, "verdict")),
        violations=counts(severities),
        minutes=None if project.sla is None else _count_minutes(scope, of_project, len(interfaces), project.sla),
        expected_cells=expected,
        covered_cells=covered,
    )


def count_cells(scope: Scope, interfaces: Collection[str] | None = None) -> tuple[int, int]:
    """Return how many (interface, hour) cells are due in the period, and how many have data or a heartbeat."""
    expected = set(expect_cells(scope.catalog, *scope.bounds_ns, interfaces))
    return len(expected), len(expected & list_covered_cells(scope))


def list_covered_cells(scope: Scope) -> set[Cell]:
    """Return the (interface, hour) cells of the period with any record: business, probe, heartbeat, even a duplicate."""
    rows = scope.aggregate(None, "interface.id", scope.bucket(TimeUnit.HOUR), rows=RowSet.ALL)
    return list_cells(rows)


def list_cells(rows: Iterable[AggregateRow]) -> set[Cell]:
    """Return the cells of rows grouped by interface and hour, those without an interface left out."""
    return {Cell(name, row.instant(1)) for row in rows for name in [row.text()] if name is not None}


FIRST_TIME = Measure(MeasureKind.MIN, "time")


def find_log_begin(scope: Scope) -> date | None:
    """Return the local day of the first access in the store, or None when there is none."""
    _, last = scope.bounds_ns
    rows = scope.store.aggregate(EventQuery(BUSINESS, 0, last), measures=(FIRST_TIME,))
    first_ns = rows[0].whole()
    return None if first_ns is None else find_local_day(scope, first_ns)


def list_first_seen(scope: Scope, project: Project) -> dict[str, date]:
    """Return the local day of the first success by interface and by consumer of a project, up to the period's end."""
    interfaces = {*list_project_interfaces(scope.catalog, project)}
    interfaces.update(name for milestone in project.milestones for name in milestone.interfaces)
    if not interfaces:
        return {}
    _, last = scope.bounds_ns
    success = All((build_equals("interface.id", *sorted(interfaces)), BUSINESS, SUCCESS))
    seen: dict[str, date] = {}
    for name in ("interface.id", "consumer.org"):
        for row in scope.store.aggregate(EventQuery(success, 0, last), (name,), (FIRST_TIME,)):
            first_ns = row.whole()
            if first_ns is not None:
                seen[text_of(row)] = find_local_day(scope, first_ns)
    return seen


def find_local_day(scope: Scope, instant_ns: int) -> date:
    """Return the day of an instant in the report's zone."""
    return to_datetime(instant_ns).astimezone(scope.zone).date()


def _count_interface_days(scope: Scope, success: Node) -> dict[str, InterfaceUse]:
    """Return successes and active days by interface."""
    calls: Counter[str] = Counter()
    days: Counter[str] = Counter()
    for row in scope.aggregate(success, "interface.id", scope.bucket(TimeUnit.DAY)):
        calls[text_of(row)] += row.count
        days[text_of(row)] += 1
    return {name: InterfaceUse(calls[name], days[name]) for name in sorted(calls)}


def _list_delivered(scope: Scope, success: Node) -> frozenset[str]:
    """Return interfaces with a success at any time before the period's end."""
    _, last = scope.bounds_ns
    return frozenset(text_of(row) for row in scope.store.aggregate(EventQuery(success, 0, last), ("interface.id",)))


def _count_cross(scope: Scope, success: Node) -> tuple[dict[str, int], int]:
    """Return successes by consumer where it is not the provider, and successes where it is."""
    cross: Counter[str] = Counter()
    own = 0
    for row in scope.aggregate(success, "consumer.org", "provider.org"):
        consumer = row.text(0)
        if consumer is None:
            continue
        if consumer == row.text(1):
            own += row.count
        else:
            cross[consumer] += row.count
    return dict(sorted(cross.items())), own


def _count_failures(scope: Scope, business: Node) -> dict[str, int]:
    """Return numbers of accesses that failed, by whose fault."""
    found = {"provider": 0, "consumer": 0, "denied": 0}
    for row in scope.aggregate(business, "outcome", "http.status"):
        outcome, status = row.text(0), row.number(1)
        if outcome == "denied":
            found["denied"] += row.count
        elif outcome == "failure":
            by_consumer = status is not None and status in CONSUMER_FAULT
            found["consumer" if by_consumer else "provider"] += row.count
    return found


def _count_night(scope: Scope, success: Node) -> int:
    """Return successes in the small hours, local time."""
    rows = scope.aggregate(success, scope.bucket(TimeUnit.HOUR))
    return sum(row.count for row in rows if _local_hour(scope, row.instant()) in NIGHT_HOURS)


def _count_minutes(scope: Scope, of_project: Node, interfaces: int, sla: ServiceLevel) -> Minutes:
    """Return interface-minutes within the hours of the service level."""
    hours = range(sla.start_hour, sla.end_hour)
    observed = _list_minutes(scope, All((of_project, build_equals("traffic", "business", "probe"))), hours)
    good = _list_minutes(scope, All((of_project, build_equals("traffic", "business", "probe"), SUCCESS)), hours)
    faulty = _list_minutes(
        scope, All((of_project, build_equals("traffic", "business", "probe"), PROVIDER_FAULT)), hours
    )
    window = interfaces * len(hours) * MINUTES_A_HOUR * scope.period.days
    return Minutes(faulty=len(faulty - good), observed=len(observed), window=window)


def _list_minutes(scope: Scope, where: Node, hours: range) -> set[tuple[str, int]]:
    """Return the (interface, minute) pairs with an event, in the given local hours."""
    rows = scope.aggregate(where, "interface.id", scope.bucket(TimeUnit.MINUTE))
    return {(text_of(row), row.instant(1)) for row in rows if _local_hour(scope, row.instant(1)) in hours}


def _local_hour(scope: Scope, instant_ns: int) -> int:
    """Return the hour of the day at an instant, in the report's zone."""
    return to_datetime(instant_ns).astimezone(scope.zone).hour
